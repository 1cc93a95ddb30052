"""Compiles functions to object code for this machine's processor, by Numba and LLVM."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import llvmlite.binding as llvm
import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Sums may be reordered and fused; nan and infinity keep their meaning, for they end a training.
_FAST_MATH: Final = {"reassoc", "contract", "nsz", "arcp", "afn"}
_OPTIONS: Final[dict[str, Any]] = {"fastmath": _FAST_MATH, "error_model": "numpy"}

_C_TYPES: Final = numba.types.void(
    numba.types.CPointer(numba.types.voidptr),
    numba.types.CPointer(numba.types.int64),
    numba.types.CPointer(numba.types.int64),
    numba.types.CPointer(numba.types.float64),
)


def inner(function: _Function) -> _Function:
    """A function that only compiled functions call; it becomes part of each of them."""
    compiled: _Function = numba.njit(**_OPTIONS)(function)
    return compiled


def inlined(function: _Function) -> _Function:
    """A function that is called for each unit, so that its calls would cost more than its loops."""
    compiled: _Function = numba.njit(inline="always", **_OPTIONS)(function)
    return compiled


def c_function(function: Callable[..., None]) -> Any:  # noqa: ANN401  # numba's CFunc
    """Compiles a C function; its arguments are those of `study.engine.library.Library`."""
    return numba.cfunc(_C_TYPES, **_OPTIONS)(function)


def object_code(name: str, compiled: Any) -> bytes:  # noqa: ANN401  # numba's CFunc
    """Object code that has the C function under this name."""
    module = llvm.parse_assembly(compiled.inspect_llvm())
    module.get_function(compiled.native_name).name = name
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        jit=True,
    )
    code: bytes = machine.emit_object(module)
    return code
