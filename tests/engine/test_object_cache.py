"""Where object code is kept, and whom it is read from."""

import os
import stat
import subprocess
import sys
import tempfile

import pytest

from study.engine import object_cache
from study.engine.object_cache import keep_code, read_code

CODE = b"code" * 100


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's cache and the folder for temporary files; nothing else."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_code_is_kept_in_the_cache_of_the_user_alone(home):
    assert read_code() is None
    kept = keep_code(CODE)
    assert kept.parent == home / "cache" / "dendritic-study"
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert read_code() == CODE
    assert list(kept.parent.iterdir()) == [kept]


def test_a_folder_of_numba_goes_first(home, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(home / "numba"))
    assert keep_code(CODE).parent.parent == home / "numba"


@pytest.mark.parametrize("broken", ["cache", "home"])
def test_where_the_cache_cannot_be_written_it_is_a_folder_of_the_user_beside_it(
    home, monkeypatch, broken
):
    if broken == "cache":
        (home / "cache").touch()
    else:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv("HOME", "/dev/null")
    kept = keep_code(CODE)
    assert kept.parent == home / f"dendritic-study-{os.getuid()}"
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert read_code() == CODE


def test_where_nothing_can_be_written_nothing_is_kept(home, monkeypatch):
    (home / "cache").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(home / "cache"))
    assert keep_code(CODE) is None
    assert read_code() is None


def test_a_folder_that_others_can_read_becomes_the_users_alone(home):
    folder = home / "cache" / "dendritic-study"
    folder.mkdir(parents=True, mode=0o777)
    folder.chmod(0o777)
    keep_code(CODE)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.usefixtures("home")
def test_code_that_others_could_have_written_is_not_read():
    kept = keep_code(CODE)
    kept.chmod(0o620)
    assert read_code() is None


@pytest.mark.usefixtures("home")
def test_what_belongs_to_somebody_else_is_not_read(monkeypatch):
    keep_code(CODE)
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert read_code() is None


def test_a_folder_behind_a_link_is_not_used(home):
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    (home / "cache").mkdir()
    (home / "cache" / "dendritic-study").symlink_to(elsewhere)
    assert keep_code(CODE).parent == home / f"dendritic-study-{os.getuid()}"
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("content", [b"", b"x" * 40])
@pytest.mark.usefixtures("home")
def test_a_file_that_was_not_written_to_its_end_is_not_read(content):
    keep_code(CODE).write_bytes(content)
    assert read_code() is None


@pytest.mark.parametrize("part", ["sources", "numba", "processor"])
def test_other_sources_compilers_and_processors_have_code_of_their_own(home, monkeypatch, part):
    keep_code(CODE)
    if part == "sources":
        changed = home / "object_cache.py"
        changed.write_text("# another engine")
        monkeypatch.setattr(object_cache, "__file__", str(changed))
    elif part == "numba":
        monkeypatch.setattr(object_cache, "version", lambda _: "0.0")
    else:
        monkeypatch.setattr(object_cache.llvm, "get_host_cpu_name", lambda: "another")
    assert read_code() is None


@pytest.mark.slow
def test_a_process_compiles_only_what_no_earlier_one_has_kept(tmp_path):
    """Nor does it load numba, which takes longer than anything else."""
    code = """
import sys
import torch
from models import Architecture, build
from study.engine.compiled_engine import CompiledEngine
network = build(Architecture(family="dann-r", dendrites=1, somata=2, synapses=4), (1, 4, 4), 10, [0])
images, labels = torch.zeros(4, 1, 4, 4, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
first, second = (CompiledEngine(network, images, labels, 2, 1) for _ in range(2))
seconds = first.compilation_seconds, second.compilation_seconds
print(*(waited is not None for waited in seconds), "numba" in sys.modules)
"""
    places = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR")
    environment = os.environ | dict.fromkeys(places, str(tmp_path))
    command = [sys.executable, "-c", code]
    found = [
        subprocess.run(command, env=environment, capture_output=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert found == [[b"True", b"False", b"True"], [b"False", b"False", b"False"]]
