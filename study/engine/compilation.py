"""Compiles the loops of the engine for this machine, and keeps the result in the user's cache folder.

Numba keys what it keeps by processor, its own version and the function; it does not see that a
function which another one calls has changed. So the folder is keyed by all sources of the engine.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])

_NUMBA: Final[Any] = numba.config  # its names are made when it is imported

# Sums may be reordered and fused; nan and infinity keep their meaning, for they end a training.
_FAST_MATH: Final = {"reassoc", "contract", "nsz", "arcp", "afn"}
_OPTIONS: Final[dict[str, Any]] = {"fastmath": _FAST_MATH, "error_model": "numpy", "nogil": True}


def inner(function: _Function) -> _Function:
    """A function that only compiled functions call; it becomes part of each of them."""
    compiled: _Function = numba.njit(**_OPTIONS)(function)
    return compiled


def inlined(function: _Function) -> _Function:
    """A function that is called for each unit, so that its calls would cost more than its loops."""
    compiled: _Function = numba.njit(forceinline=True, **_OPTIONS)(function)
    return compiled


def entry(function: _Function) -> _Function:
    """A function that Python calls, without its lock; compiled at the first call on a machine."""
    before = _NUMBA.CACHE_DIR
    _NUMBA.CACHE_DIR = str(cache_folder())
    try:
        compiled: _Function = numba.njit(cache=True, **_OPTIONS)(function)
    finally:
        _NUMBA.CACHE_DIR = before
    return compiled


def compilations(function: Callable[..., Any]) -> int:
    """How often this process had to compile an entry, since no earlier one had kept it."""
    stats = function.stats  # type: ignore[attr-defined]  # of numba's dispatcher
    return sum(stats.cache_misses.values())


@cache
def cache_folder() -> Path:
    """$NUMBA_CACHE_DIR, else a folder in the user's cache, else one that lasts as long as /tmp."""
    name = f"engine-{_key()}"
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    places = [Path(user) / "dendritic-study"]
    if _NUMBA.CACHE_DIR:
        places.insert(0, Path(_NUMBA.CACHE_DIR))
    for place in places:
        with suppress(OSError):
            folder = place / name
            folder.mkdir(parents=True, exist_ok=True)
            # What root wrote, or a file system that takes no more, shows only now.
            with tempfile.TemporaryFile(dir=folder):
                return folder
    # Of this process alone: what others could write there, it would run.
    return Path(tempfile.mkdtemp(prefix="dendritic-study-"))


def _key() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
