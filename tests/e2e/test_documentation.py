"""The snippets of the README and of the documentation, in the order in which a reader meets them."""

import ast
import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tomllib
import warnings
from contextlib import ExitStack, chdir, suppress
from unittest.mock import patch

import jsonschema
import numpy as np
import pytest
import requests
from PIL import Image
from typer.main import get_command

import study
from study import Home
from study.cli.app import app
from study.cli.schemas import schema_of
from tests.support.command import study_command
from tests.support.empty_store import new_home
from tests.support.processes import PATIENCE_S, ROOT, clean_environment, free_port, wait_until
from tests.support.written_study import write_study

pytestmark = pytest.mark.slow

RUN = ["README.md", *(f"docs/{page}.md" for page in ("first_study", "own_data", "queries"))]
RUN += [f"docs/{page}.md" for page in ("export", "mlflow", "networks", "notebook", "records")]
"""Pages whose commands and Python are executed, beside one study, `mine`."""

_EXECUTED_PARTLY = {"docs/diagnostics.md": "python", "docs/search_method.md": "python"}
PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]


def snippets(page, *languages):
    """The language and the text of the page's snippets."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^( *)```(\w+)\n(.*?)^ *```", text, flags=re.DOTALL | re.MULTILINE)
    return [
        (language, re.sub(rf"^{indent}", "", block, flags=re.MULTILINE))
        for indent, language, block in found
        if language in languages
    ]


class Reader:
    """Somebody who does what the pages say, in a folder with the specs."""

    def __init__(self, folder, head, environment, servers):
        self._folder = folder
        self._servers = servers
        self._head = head
        self._environment = environment
        self._served = False
        self._port = str(free_port())

    def do(self, language, text):
        if language == "sh":
            text = text.replace("5001", self._port)  # which others may have
            return "".join(self._command(line) for line in text.splitlines())
        with (
            chdir(self._folder),
            patch.dict(os.environ, clean_environment(), clear=True),
            warnings.catch_warnings(),
        ):
            warnings.resetwarnings()
            exec(compile(text, "snippet", "exec"), {"__name__": "__main__"})  # noqa: S102  # our own
        return ""

    def _command(self, line):
        match shlex.split(line, comments=True):
            case [] | ["make", *_]:
                return ""  # `make` is run by whoever runs this
            case ["study", "ui"]:
                self._serve()
                return ""
            case ["study", "serve", *arguments]:
                self._serve_network(arguments)
                return ""
            case ["curl", *_] as words:
                return subprocess.check_output(words, text=True, cwd=self._folder)
            case ["study", *arguments]:
                settings = self._environment
                if "http://head:8265" in arguments:
                    arguments = [
                        one.replace("http://head:8265", self._head.address) for one in arguments
                    ]
                    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self._head.token}
                done = study_command(*arguments, cwd=self._folder, **settings)
                assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
                assert "Traceback" not in done.stderr, f"{line}: {done.stderr}"
                return done.stdout
            case words:
                pytest.fail(f"this test cannot run {words}")

    def _serve(self):
        """Two pages have the command, without an argument; it answers the first time or never."""
        if self._served:
            return
        self._served = True
        with subprocess.Popen(
            ["study", "ui"],  # noqa: S607  # as the page has it
            stdout=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env=clean_environment(),
        ) as server:
            assert server.stdout.readline().startswith("MLflow UI: http://127.0.0.1:")
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=PATIENCE_S) == 0

    def _serve_network(self, arguments):
        """Serves until the test ends."""
        server = self._servers.enter_context(
            subprocess.Popen(
                ["study", "serve", *arguments],  # noqa: S607  # as the page has it
                stdout=subprocess.DEVNULL,
                cwd=self._folder,
                env=clean_environment(),
            )
        )
        self._servers.callback(server.terminate)
        address = f"http://127.0.0.1:{arguments[arguments.index('--port') + 1]}/ping"

        def answers():
            with suppress(requests.ConnectionError):
                return requests.get(address, timeout=PATIENCE_S).ok

        wait_until(answers, "the server of the network", server)


def write_photos(folder):
    """500 images for training and 100 for the test, of two classes, as docs/own_data.md reads them."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 500), ("test", 100)):
        for number in range(count):
            file = folder / part / ("cat", "dog")[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(0, 256, (36, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(file)


@pytest.fixture
def reader(tmp_path, ray_head, on_ray):
    shutil.copytree(ROOT / "studies", tmp_path / "studies")
    ((_, spec),) = snippets("README.md", "toml")
    (tmp_path / "mine.toml").write_text(spec)
    own, *_ = snippets("docs/own_data.md", "toml")
    (tmp_path / "own.toml").write_text(own[1])
    write_photos(tmp_path / "photos")
    home = new_home(tmp_path / "runs")
    # The second study that one of the pages compares with.
    write_study(home, "other", [("COMPLETE", 0.9, 0.01, 5000)])
    with ExitStack() as servers:
        yield Reader(tmp_path, ray_head, on_ray, servers)


# What a snippet opens is closed when its process ends.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_snippet_runs(reader, tmp_path):
    output = ""
    for page in RUN:
        for language, text in snippets(page, "sh", "python"):
            output += reader.do(language, text)
    for page, language in _EXECUTED_PARTLY.items():
        for one in snippets(page, language):
            reader.do(*one)
    table, *_ = re.findall(
        r"mine: Pareto front.*?test % *$", output, flags=re.DOTALL | re.MULTILINE
    )
    ((_, shown),) = snippets("README.md", "text")
    assert shown.split("─")[0].split() == table.split()
    assert "mine: best configurations" in output
    assert '{"predictions": [[' in output
    assert (tmp_path / "my-network" / "network.safetensors").exists()
    assert (tmp_path / "report.html").stat().st_size < 700_000
    copied = Home.find(tmp_path / "runs").study_folder("next").path / "earlier" / "mine"
    assert {file.name for file in copied.iterdir()} == {"search.journal", "spec.json"}
    check_retraining(reader, output)
    # The budget of the pages that come after the README is met already.
    assert len(study.trials("mine", home=Home.find(tmp_path / "runs"))) == 8


def check_retraining(reader, output):
    """A network is retrained once, as it was shown; the same command again reads the result."""
    assert "training trial 0, " in output
    assert "epoch 2/2 | " in output
    assert "trained now" in output
    command = "study retrain mine 0 --replicates 2 --epochs 2"
    assert command in (ROOT / "docs/export.md").read_text(encoding="utf-8")
    found = json.loads(reader.do("sh", f"{command} --json"))
    jsonschema.validate(found, schema_of("retrain"))
    assert (found["record"]["replicates"], found["new"]) == (2, False)
    assert f"{100 * found['record']['test_accuracy']:.2f} ± " in output


def test_what_is_not_run_can_be_parsed():
    """Commands of clusters and of machines that are not here, and Python that asks of their studies."""
    commands = get_command(app).commands
    for page in set(PAGES) - set(RUN):
        for language, text in snippets(page, "sh", "python"):
            if language == "python":
                for node in ast.walk(ast.parse(text)):
                    if isinstance(node, ast.ImportFrom):
                        module = importlib.import_module(node.module)
                        assert all(hasattr(module, name.name) for name in node.names), page
                continue
            subprocess.run(["bash", "-n"], input=text, text=True, check=True)  # noqa: S607  # the reader's own shell
            for line in text.splitlines():
                match shlex.split(line, comments=True):
                    case ["study", name, *arguments]:
                        commands[name].make_context(name, arguments)


def test_every_spec_is_valid():
    for page in PAGES:
        for _, text in snippets(page, "toml"):
            table = tomllib.loads(text)
            # Parts of a spec are shown without the keys that every spec has.
            whole = {"name": "part", "dataset": "digits", "families": ["dann-r"]} | table
            study.StudySpec.from_dict(whole)


def test_its_commands_and_files_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^make (\w+)", text, flags=re.MULTILINE)) == {"study", "test"} <= targets
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert (ROOT / link).exists(), link
    assert len(text.splitlines()) <= 160
