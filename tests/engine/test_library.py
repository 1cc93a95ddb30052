"""How compiled code becomes a function of this process."""

import tempfile

import pytest

from study.engine import c_functions, library
from study.engine.compilation import c_function, object_code
from study.engine.object_cache import read_code


def doubles(addresses, sizes, counts, numbers):  # noqa: ARG001  # a C function of the engine has all
    """Needs Numba's functions for exceptions."""
    if counts[1] < 0:
        raise ValueError
    numbers[1] = 2 * numbers[0]
    counts[1] = 7


@pytest.fixture
def compiled(monkeypatch, tmp_path):
    """A C function in place of the loops, for an empty cache and a process that has loaded nothing."""
    function = c_function(doubles)
    monkeypatch.setattr(c_functions, "compile_loops", lambda: function)
    monkeypatch.setattr(library, "_libraries", [])
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return function


@pytest.mark.usefixtures("compiled")
def test_code_is_kept_and_linked_without_numba(monkeypatch):
    found, seconds = library.load_library()
    assert seconds > 0
    assert found.run_loop([], [0, 0], 21.0) == ([0, 7], 42.0)
    monkeypatch.setattr(library, "_libraries", [])
    found, seconds = library.load_library()
    assert seconds is None
    assert found.run_loop([], [0, 0], 21.0) == ([0, 7], 42.0)


def test_code_that_cannot_be_linked_without_numba_is_run_as_numba_has_it(compiled, monkeypatch):
    monkeypatch.setattr(library, "_NEVER_CALLED", ())
    with pytest.raises(RuntimeError, match="Failed to materialize"):
        library.link(object_code("run_loop", compiled))
    found, _ = library.load_library()
    assert found.run_loop([], [0, 0], 21.0) == ([0, 7], 42.0)
    assert read_code() is None
