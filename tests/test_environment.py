import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from study.environment import Settings

LOOKED_AT = """
import logging, os, sys
import mlflow, optuna, ray.tune, sklearn  # they make settings of their own

def looked_at():
    names = ["", "mlflow", "mlflow.store.db", "alembic", "optuna", "ray", "ray.tune", "ray._private"]
    return dict(os.environ), [logging.getLogger(name).level for name in names]

before = looked_at()
import study
"""


def in_a_new_process(code, *arguments):
    folder = str(Path(__file__).parent)
    settings = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-c", LOOKED_AT + code, folder, *map(str, arguments)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_touching_names_changes_nothing_and_a_call_puts_everything_back(tmp_path):
    in_a_new_process(
        """
study.best_configs, study.run, study.submit, study.write_report
assert looked_at() == before

sys.path.append(sys.argv[1])
from tests.support.empty_store import put_empty_store

home = study.Home.find(sys.argv[2], f"sqlite:///{sys.argv[2]}/mlflow.db")
put_empty_store(home)
assert study.list_studies(home=home) == []
assert looked_at() == before
""",
        tmp_path,
    )


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.setenv("OURS_GIVEN", "user's")
    monkeypatch.delenv("OURS_FREE", raising=False)
    logger = logging.getLogger("ours")
    logger.setLevel(logging.INFO)
    variables = {"OURS_GIVEN": "ours", "OURS_FREE": "ours"}
    yield Settings(variables, {"ours": logging.ERROR})
    logger.setLevel(logging.NOTSET)


def now():
    level = logging.getLogger("ours").level
    return os.environ["OURS_GIVEN"], os.environ.get("OURS_FREE"), level


def test_settings_hold_until_the_last_context_ends_and_leave_what_the_user_set(settings):
    for _ in range(2):
        with settings:
            with settings:
                pass
            assert now() == ("user's", "ours", logging.ERROR)
        assert now() == ("user's", None, logging.INFO)


def test_a_level_that_a_library_sets_meanwhile_stays(settings):
    @settings
    def imported():
        logging.getLogger("ours").setLevel(logging.WARNING)

    imported()
    assert now() == ("user's", None, logging.WARNING)


def test_a_level_that_a_library_sets_at_its_import_gives_way_in_the_next_context(settings):
    with settings:
        logging.getLogger("ours").setLevel(logging.WARNING)
        with settings:
            assert now() == ("user's", "ours", logging.ERROR)
    assert now() == ("user's", None, logging.WARNING)
