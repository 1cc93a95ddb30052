"""The function `sgemm` of BLAS, as SciPy offers it to compiled code.

https://docs.scipy.org/doc/scipy/reference/linalg.cython_blas.html
"""

import ctypes
from contextlib import AbstractContextManager
from functools import cache
from typing import Final

from threadpoolctl import ThreadpoolController

_INTEGERS: Final = 6  # of its arguments

# Of what Cython offers to C: https://docs.python.org/3/c-api/capsule.html
_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
    ("PyCapsule_GetName", ctypes.pythonapi)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def sgemm_address() -> int:
    """Its address in this process.

    Raises RuntimeError if its integers are not `int`, as in builds of BLAS for very large matrices.
    """
    # A third of a second, which only networks with wide dense layers have to wait for.
    from scipy.linalg import cython_blas  # noqa: PLC0415

    capsule = cython_blas.__pyx_capi__["sgemm"]
    signature = _name(capsule)
    if signature.count(b" int *") != _INTEGERS:
        raise RuntimeError(
            f"sgemm of SciPy must have {_INTEGERS} arguments `int *`, got {signature!r}; "
            '`resources.engine = "torch"` trains without it'
        )
    address: int = _pointer(capsule, signature)
    return address


def one_blas_thread() -> AbstractContextManager[object]:
    """A context in which what is multiplied takes one thread, since threads share replicates already.

    In most builds of BLAS the limit is that of the process, set by the first thread that enters; in
    others that of each thread (https://github.com/joblib/threadpoolctl). So both the thread that waits
    for others and the others enter.
    """
    context: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return context


@cache
def _controller() -> ThreadpoolController:
    """Of what is loaded now, the BLAS of `sgemm_address` among it."""
    return ThreadpoolController()
