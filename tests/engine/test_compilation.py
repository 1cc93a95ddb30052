"""Where compiled code is kept."""

import os
import subprocess
import sys

import numba
import pytest

from study.engine import compilation
from study.engine.compilation import cache_folder


@pytest.fixture
def folder(monkeypatch):
    """The folder, chosen anew in the environment of the test."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    return cache_folder.__wrapped__


def test_compiled_code_is_kept_in_the_cache_of_the_user(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder().parent == tmp_path / "dendritic-study"


def test_a_folder_of_numba_goes_first(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "numba"))
    assert folder().parent == tmp_path / "numba"


def test_where_nothing_can_be_written_it_is_a_folder_of_this_process(folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    first, second = folder(), folder()
    assert first != second
    assert first.is_dir()
    assert first.stat().st_mode & 0o077 == 0
    first.rmdir()
    second.rmdir()


def test_changed_sources_are_compiled_anew(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = folder()
    changed = tmp_path / "compilation.py"
    changed.write_text("# another engine")
    monkeypatch.setattr(compilation, "__file__", str(changed))
    assert folder() != before


@pytest.mark.slow
def test_a_process_compiles_only_what_no_earlier_one_has_kept(tmp_path):
    """Also where the folder of the package cannot be written, for it is never written to."""
    code = """
import torch
from models import Architecture, build
from study.engine.compiled_engine import CompiledEngine
network = build(Architecture(family="dann-r", dendrites=1, somata=2, synapses=4), (1, 4, 4), 10, [0])
images, labels = torch.zeros(4, 1, 4, 4, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
first, second = (CompiledEngine(network, images, labels, 2, 1) for _ in range(2))
print(first.compilation_seconds is not None, second.compilation_seconds is not None)
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    found = [
        subprocess.run(command, env=environment, capture_output=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert found == [[b"True", b"False"], [b"False", b"False"]]
