"""The function `sgemm` of BLAS, as SciPy offers it to compiled code.

https://docs.scipy.org/doc/scipy/reference/linalg.cython_blas.html
"""

import ctypes
from typing import Final

SGEMM: Final = "scipy_sgemm"
"""The name by which compiled loops call it."""

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
    # A third of a second, which only processes that train have to wait for.
    from scipy.linalg import cython_blas  # noqa: PLC0415

    capsule = cython_blas.__pyx_capi__["sgemm"]
    signature = _name(capsule)
    if signature.count(b" int *") != _INTEGERS:
        raise RuntimeError(f"sgemm must have {_INTEGERS} arguments `int *`, got {signature!r}")
    address: int = _pointer(capsule, signature)
    return address
