"""Pytest's rules for all tests: their order, their durations, the end of what they share."""

import gc
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import shared

# Machines differ in speed; a test that is slow on one is not wrong.
settings.register_profile("any machine", deadline=None, derandomize=True)
settings.load_profile("any machine")

DURATIONS = Path(__file__).with_name("durations.json")
"""Seconds of each file, as `pytest --store-durations` wrote them."""


def pytest_addoption(parser):
    parser.addoption(
        "--store-durations", action="store_true", help=f"Store the files' seconds in {DURATIONS}."
    )


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # of pytest-xdist
        config.pluginmanager.register(MainProcess())


def pytest_collectstart():
    """Nothing of what is imported and collected is garbage."""
    gc.disable()


def pytest_collection_finish():
    """Leaves the libraries and the tests out of each later garbage collection, which they made slow."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """Puts the longest files first, since a worker runs whole files; unknown ones before them."""
    seconds = json.loads(DURATIONS.read_text(encoding="utf-8")) if DURATIONS.exists() else {}

    def place(item):
        file = _file(item)
        return -seconds.get(file, float("inf")), file

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Several workers share the processors. The main process of pytest-xdist does without torch."""
    import torch  # noqa: PLC0415  # as above

    torch.set_num_threads(1)


class MainProcess:
    """Hears of all tests; no worker is left when its session finishes."""

    def __init__(self):
        self._seconds = Counter()

    def pytest_sessionstart(self, session):
        folder = session.config._tmp_path_factory.getbasetemp()  # noqa: SLF001  # the one way to it
        self._keeper = subprocess.Popen(
            [sys.executable, shared.__file__, folder], stdin=subprocess.PIPE, start_new_session=True
        )

    def pytest_runtest_logreport(self, report):
        self._seconds[_file(report)] += report.duration

    def pytest_sessionfinish(self, session):
        self._keeper.communicate()
        if session.config.getoption("store_durations"):
            rounded = {file: round(seconds, 1) for file, seconds in sorted(self._seconds.items())}
            DURATIONS.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")


def _file(test):
    return test.nodeid.partition("::")[0]
