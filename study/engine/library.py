"""The compiled loops in this process: object code from the cache, or from the compiler.

Numba is loaded only where there is something to compile: importing it and reading its own cache take
three quarters of a second of every process that trains. LLVM alone links the object code.
"""

import ctypes
import time
from collections.abc import Sequence
from typing import Any, Final, final

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from study.engine.arrays import EVALUATE, TRAIN, Floats, Images, Moving, Plan, Wiring, Workspace
from study.engine.object_cache import keep_code, read_code
from study.engine.recipe import Recipe

_FUNCTION: Final = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)

_NAME: Final = "run_loop"

# Numba's functions for exceptions and for arrays that it owns. The loops raise and own nothing, but LLVM
# does not see that.
_NEVER_CALLED: Final = (
    "NRT_Free",
    "NRT_MemInfo_call_dtor",
    "numba_do_raise",
    "numba_gil_ensure",
    "numba_gil_release",
    "numba_runtime_build_excinfo_struct",
    "numba_unpickle",
)


@final
class Library:
    """The loops of `study.engine.loops`, which run without Python's lock.

    A C function gets four pointers: `addresses`, one an array, in the order of the arguments and the
    fields of named tuples; `sizes`, two an array, the second 1 where it has one dimension; `counts`
    and `numbers`, integers and floats that go in and come out: the dropout, the loss, the recipe.
    """

    def __init__(self, address: int, owner: object) -> None:
        self._function = _FUNCTION(address)
        self._owner = owner  # the code lives as long as this

    def train_steps(
        self,
        plan: Plan,
        wiring: Wiring,
        work: Workspace,
        images: Images,
        order: NDArray[np.int64],
        starts: NDArray[np.int64],
        moving: Moving,
        rates: NDArray[np.float64],
        counts: Sequence[int],
        recipe: Recipe,
    ) -> float:
        """Counts: batch size, first step, the step after the last one, steps before, seed."""
        arrays = (*plan[:2], *wiring, *work, *images, order, starts, *moving, rates)
        _, loss = self.run_loop(arrays, [TRAIN, plan.sgemm, *counts], plan.dropout, recipe)
        return loss

    def evaluate_images(
        self,
        plan: Plan,
        wiring: Wiring,
        work: Workspace,
        images: Images,
        order: NDArray[np.int64],
        starts: NDArray[np.int64],
        parameters: Floats,
    ) -> tuple[float, int]:
        """The sum of the losses of the images in the order, and how many are classified right."""
        arrays = (*plan[:2], *wiring, *work, *images, order, starts, parameters)
        (*_, right), loss = self.run_loop(arrays, [EVALUATE, plan.sgemm, 0], plan.dropout)
        return loss, right

    def run_loop(
        self,
        arrays: Sequence[NDArray[Any]],
        counts: Sequence[int],
        dropout: float,
        recipe: Recipe = Recipe(),  # noqa: B008  # a tuple
    ) -> tuple[list[int], float]:
        """Calls the C function with these arrays; the counts afterwards, and the loss."""
        addresses = np.array([array.ctypes.data for array in arrays], np.uintp)
        sizes = np.array([[*array.shape, 1][:2] for array in arrays], np.int64)
        integers, floats = np.array(counts, np.int64), np.array([dropout, 0.0, *recipe])
        self._function(*(array.ctypes.data for array in (addresses, sizes, integers, floats)))
        return integers.tolist(), float(floats[1])


_libraries: list[Library] = []  # of this process: one, as soon as it is loaded


def load_library() -> tuple[Library, float | None]:
    """The library, and how many seconds this call waited for the compiler, None if it did not."""
    seconds = None
    if not _libraries:
        code = read_code()
        if code is None:
            start = time.perf_counter()
            _libraries.append(_compiled())
            seconds = time.perf_counter() - start
        else:
            _libraries.append(link(code))
    return _libraries[0], seconds


def _compiled() -> Library:
    """Compiles the loops, and keeps them for later processes."""
    # A second of importing, and the compiler, only where nothing is kept.
    from study.engine.c_functions import compile_loops  # noqa: PLC0415
    from study.engine.compilation import object_code  # noqa: PLC0415

    compiled = compile_loops()
    code = object_code(_NAME, compiled)
    try:
        library = link(code)
    except RuntimeError:
        # The code of another version of Numba may need more of it: so it is what Numba has linked.
        return Library(compiled.address, compiled)
    keep_code(code)
    return library


def link(code: bytes) -> Library:
    """Links object code. Raises RuntimeError if it needs something that this process does not have."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    builder.export_symbol(_NAME)
    abort = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value
    for name in _NEVER_CALLED:
        builder.import_symbol(name, abort)
    linker = llvm.create_lljit_compiler(suppress_errors=True)
    linked = builder.link(linker, "engine")
    return Library(linked[_NAME], (linker, linked))
