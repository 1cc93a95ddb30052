"""What comes out of a store, a checkpoint or a data file is read, and never run."""

import ast
import json
import os
import pickle
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from torchvision.datasets import CIFAR10

from models import load_network
from models.portable import DESCRIPTION, TENSORS, Portable
from study import study_folder
from study.errors import DataError, StudyError
from study.home import Home
from study.report.report import write_report
from study.results import export, network, prediction
from study.results.study_status import list_studies
from study.spec.sections import DatasetSpec
from study.study_folder import EXAMPLE
from study.tracking.tags import (
    COMMAND_TAG,
    CONFIG_TAG,
    ENVIRONMENT_TAG,
    LAYOUT_TAG,
    NOTICE_TAG,
    REASON_TAG,
    ROLE_TAG,
    SPEC_TAG,
)
from study.training.checkpoint import from_bytes
from study.training.dataset import load_dataset
from tests.support.recorded_study import NAME, record_study

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "pickle": None,
    "cPickle": None,
    "cloudpickle": None,
    "dill": None,
    "joblib": {"load", "Memory"},
    "shelve": None,
    "marshal": None,
    "runpy": None,
    "torch": {"load"},
    "yaml": {"load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all"},
    "builtins": {"eval", "exec", "compile", "__import__"},
    "pyfunc": {"load_model", "load_pyfunc"},
}
"""Modules of which nothing may be used (None), or not these functions."""


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


def _calls(tree):
    """The dotted names that are called or imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node
        elif isinstance(node, ast.Import):
            yield from ((one.name, node) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{one.name}", node) for one in node.names)


def _breaks(name, node):
    steps = name.split(".")
    if len(steps) == 1 and isinstance(node, ast.Call):
        return steps[0] in FORBIDDEN["builtins"]
    if steps[-1] == "load" and steps[0] in {"np", "numpy"}:
        refused = {one.arg: ast.unparse(one.value) for one in getattr(node, "keywords", ())}
        return refused.get("allow_pickle") != "False"
    if steps[0] == "safetensors":  # a format without code
        return False
    for module, functions in FORBIDDEN.items():
        if module in steps and (functions is None or steps[-1] in functions):
            return True
    return False


@pytest.mark.parametrize(
    ("text", "breaks"),
    [
        ("import pickle", True),
        ("from torch import load", True),
        ("torch.load(file)", True),
        ("from safetensors.torch import load", False),
        ("eval(text)", True),
        ("network.eval()", False),
        ("re.compile(text)", False),
        ("mlflow.pyfunc.load_model(uri)", True),
        ("yaml.load(text, Loader)", True),
        ("yaml.safe_load(text)", False),
        ("np.load(file)", True),
        ("np.load(file, allow_pickle=False)", False),
    ],
)
def test_the_scan_sees_what_it_should(text, breaks):
    assert any(_breaks(name, node) for name, node in _calls(ast.parse(text))) is breaks


def test_no_source_file_can_unpickle_or_run_what_it_reads():
    files = [file for part in ("study", "models") for file in (ROOT / part).rglob("*.py")]
    assert len(files) > 100
    found = [
        f"{file.name}:{node.lineno}: {name}"
        for file in files
        for name, node in _calls(ast.parse(file.read_text(encoding="utf-8")))
        if _breaks(name, node)
    ]
    assert found == []


ARTIFACTS = re.compile(
    r"artifact_?(repository|repo)$|^(log|list|download)_\w*artifacts?$|^log_(text|dict|figure|image"
    r"|table|stream)$|^load_table$|^MlflowClient$",
    re.IGNORECASE,
)
CHECKED = {
    ("log_artifact", "runs.py"),
    ("log_artifact", "trial_table.py"),
    ("log_artifacts", "mlflow_page.py"),
    ("log_model_artifact", "logged_model.py"),
    ("MlflowClient", "store.py"),  # makes a file of records
}
"""Calls of MLflow that may touch artifacts, and in which file; all but the last are `StoreClient`'s."""


def test_no_source_file_touches_artifacts_but_where_their_location_is_checked():
    found = {
        (name.rpartition(".")[2], file.name)
        for file in (ROOT / "study").rglob("*.py")
        for name, node in _calls(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ARTIFACTS.search(name.rpartition(".")[2])
    }
    assert {one for one in found if one[1] not in {"artifacts.py", "ui_server.py"}} == CHECKED


def bombs(folder, went_off):
    """The same bomb as each of these libraries would store it."""
    bare, zipped, array, arrays = (folder / name for name in ("bare", "zipped", "npy", "npz"))
    bare.write_bytes(pickle.dumps(Bomb(went_off)))
    torch.save(Bomb(went_off), zipped)
    with array.open("wb") as file:
        np.save(file, np.array([Bomb(went_off)], dtype=object), allow_pickle=True)
    with arrays.open("wb") as file:
        np.savez(file, x=np.array([Bomb(went_off)], dtype=object), y=np.zeros(1, np.int64))
    return [bare, zipped, array, arrays]


@pytest.fixture(params=range(4), ids=["pickle", "torch", "npy", "npz"])
def bomb(request, tmp_path):
    """A file that must not be unpickled, and what is there if it was."""
    went_off = tmp_path / "went off"
    return bombs(tmp_path, went_off)[request.param], went_off


def test_a_pickle_goes_off_where_it_is_unpickled(tmp_path):
    file, *_ = bombs(tmp_path, tmp_path / "went off")
    pickle.loads(file.read_bytes())  # noqa: S301  # that the others mean something
    assert (tmp_path / "went off").exists()


def test_a_pickle_in_the_place_of_a_checkpoint_is_damage(bomb):
    file, went_off = bomb
    with pytest.raises(ValueError, match="is damaged"):
        from_bytes(file.read_bytes(), {}.__eq__, torch.device("cpu"))
    assert not went_off.exists()


@pytest.mark.parametrize("load", [load_network, Portable])
@pytest.mark.parametrize("part", [TENSORS, DESCRIPTION])
def test_a_pickle_in_the_place_of_a_network_is_damage(load, part, bomb, recorded, tmp_path):
    file, went_off = bomb
    shutil.copytree(recorded.network, tmp_path / "network")
    shutil.copy(file, tmp_path / "network" / part)
    with pytest.raises(Exception, match=r".") as error:
        load(tmp_path / "network")
    assert type(error.value).__name__ in {"ValueError", "SafetensorError", "UnicodeDecodeError"}
    assert not went_off.exists()


@pytest.mark.parametrize("ending", [".npz", ".npy", ".pt"])
def test_a_pickle_in_the_place_of_a_data_set_is_refused(ending, bomb, tmp_path):
    file, went_off = bomb
    place = shutil.copy(file, tmp_path / f"mine{ending}")
    with pytest.raises(DataError, match=r"cannot read the arrays|must hold the arrays x and y"):
        load_dataset(DatasetSpec(name="npz", path=place))
    assert not went_off.exists()


def test_a_pickle_in_the_place_of_cifar_is_refused_before_it_is_read(bomb, tmp_path):
    """The published files are pickles; torchvision reads those alone whose sums it knows."""
    file, went_off = bomb
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    for name, _ in [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], "")]:
        shutil.copy(file, folder / name)
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(DatasetSpec(name="cifar10", root=tmp_path))
    assert not went_off.exists()


class Recorded:
    """A study of this package's layout in a home of its own."""

    def __init__(self, folder):
        record_study(folder)
        self.folder = folder
        self.home = Home(folder=folder / "home", tracking_uri=f"sqlite:///{folder}/home/mlflow.db")
        self.store = MlflowClient(self.home.tracking_uri)
        self.experiment = self.store.get_experiment_by_name(NAME).experiment_id
        (found,) = [
            one.parent
            for one in (folder / "home" / "artifacts").rglob(TENSORS)
            if json.loads((one.parent / DESCRIPTION).read_text())["architecture"]["somata"] == 8
        ]
        self.network = found

    def change(self, statement, *values):
        """Whoever can write the store can write anything into it."""
        with closing(sqlite3.connect(self.home.database)) as connection, connection:
            connection.execute(statement, values)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return Recorded(tmp_path_factory.mktemp("recorded"))


@pytest.fixture
def hostile(recorded, tmp_path):
    """A copy of the study that a test may spoil."""
    with closing(sqlite3.connect(recorded.home.database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    home = tmp_path / "home"
    shutil.copytree(recorded.home.folder, home)
    copy = object.__new__(Recorded)
    copy.folder = tmp_path
    copy.home = Home(folder=home, tracking_uri=f"sqlite:///{home}/mlflow.db")
    copy.store = MlflowClient(copy.home.tracking_uri)
    copy.experiment = recorded.experiment
    return copy


def test_a_model_is_never_run_by_taking_it_home(hostile, tmp_path):
    """Beside the network a model has code, which MLflow's `pyfunc.load_model` would run."""
    went_off = tmp_path / "went off"
    place = hostile.home.folder / "artifacts"
    hostile.change(
        "UPDATE logged_models SET artifact_location = ? || substr(artifact_location, ?)",
        place.as_uri(),
        len(hostile.store.get_experiment(hostile.experiment).artifact_location) + 1,
    )
    spoiled = 0
    for file in place.rglob("*"):
        if file.name in {"portable.py", "MLmodel", EXAMPLE}:
            file.write_text(f"import os\nos.mkdir({str(went_off)!r})\n")
            spoiled += 1
    assert spoiled
    to = export.export_model(NAME, tmp_path / "best", home=hostile.home)
    assert network.load_model(NAME, home=hostile.home).classes == 10
    np.savez(tmp_path / "images.npz", x=np.zeros((1, 8, 8), np.uint8))
    prediction.predict(NAME, [tmp_path / "images.npz"], home=hostile.home)
    assert not went_off.exists()
    assert "went off" not in (to / "portable.py").read_text()


class _Liar(BaseHTTPRequestHandler):
    """An artifact server whose lists lead out of the folder that is asked for."""

    names = (
        "../../../escaped",
        "..%2f..%2fescaped",
        "%2e%2e/%2e%2e/escaped",
        "/tmp/escaped",  # noqa: S108  # where it must not be
    )

    def do_GET(self):
        parts = urlsplit(self.path)
        if "path" in parse_qs(parts.query):
            name = self.server.name
            answer = json.dumps({"files": [{"path": name, "is_dir": False, "file_size": 5}]})
        else:
            answer = "bytes"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("name", [*_Liar.names, f"{TENSORS}/../../../../escaped"])
def test_an_artifact_cannot_be_written_beside_its_folder(name, hostile, tmp_path, monkeypatch):
    temporary = tmp_path / "a" / "b" / "c" / "temporary"
    temporary.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Liar)
    server.name = name
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        port = server.server_address[1]
        hostile.change(
            "UPDATE logged_models SET artifact_location = ?",
            f"mlflow-artifacts://127.0.0.1:{port}/1/models/x",
        )
        with pytest.raises(StudyError):
            export.export_model(NAME, tmp_path / "best", home=hostile.home)
    finally:
        server.shutdown()
        server.server_close()
    left = [file for file in tmp_path.rglob("*") if "home" not in file.parts]
    assert {file.name for file in left} == {"a", "b", "c", "temporary"}
    assert not Path("/tmp/escaped").exists()  # noqa: S108  # where it must not be


EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def test_what_a_record_says_is_text_on_every_page(hostile):
    """Settings, notice, reason, paths, command, machine: whoever can write the store can set them."""
    (parent,) = hostile.store.search_runs([hostile.experiment], f"tags.`{ROLE_TAG}` = 'study'")
    spec = json.loads(parent.data.tags[SPEC_TAG])
    spec["dataset"] |= {"name": "npz", "path": f"/data/{EVIL}.npz", "root": EVIL}
    facts = {"versions": {EVIL: EVIL}, "commit": EVIL, "machine": {EVIL: EVIL}}
    for key, value in ((SPEC_TAG, json.dumps(spec)), (COMMAND_TAG, f"study run {EVIL}")):
        hostile.store.set_tag(parent.info.run_id, key, value)
    hostile.store.set_tag(parent.info.run_id, ENVIRONMENT_TAG, json.dumps(facts))
    for number, run in enumerate(
        hostile.store.search_runs([hostile.experiment], f"tags.`{ROLE_TAG}` = 'trial'")
    ):
        config = json.loads(run.data.tags[CONFIG_TAG])
        config["architecture"] |= {"receptive_field": f"{EVIL}{number}", EVIL: f"{number}{EVIL}"}
        config["training"] |= {"schedule": f"{EVIL}{number}", "batch_size": EVIL}
        tags = {
            CONFIG_TAG: json.dumps(config),
            NOTICE_TAG: EVIL,
            REASON_TAG: EVIL,
        }
        for key, value in tags.items():
            hostile.store.set_tag(run.info.run_id, key, value)
    write_report(NAME, home=hostile.home, file=hostile.folder / "report.html")
    text = (hostile.folder / "report.html").read_text(encoding="utf-8")
    assert text.count("alert(1)") > 8
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text


def test_an_experiment_that_no_study_can_be_called_is_not_listed(hostile):
    tags = {LAYOUT_TAG: study_folder.LAYOUT}
    hostile.store.create_experiment("../../outside", tags=tags)
    assert [one.name for one in list_studies(home=hostile.home)] == [NAME]


def test_a_study_that_cannot_be_read_is_left_out_of_the_list_with_a_warning(hostile):
    (parent,) = hostile.store.search_runs([hostile.experiment], f"tags.`{ROLE_TAG}` = 'study'")
    hostile.store.set_tag(parent.info.run_id, SPEC_TAG, "{")
    with pytest.warns(UserWarning, match=f"{NAME} is left out: the tag .* must hold a spec"):
        assert list_studies(home=hostile.home) == []
