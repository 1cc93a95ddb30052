"""The commands about a network, up to their exit status."""

import contextlib
import json
import signal
import subprocess
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import requests
from mlflow import MlflowClient

from study.cli.schemas import schema_of
from study.results import answers
from study.results.prediction import predict
from study.tracking.tags import NETWORK_FOLDER
from tests.support.command import study_command
from tests.support.processes import (
    BIN,
    PATIENCE_S,
    clean_environment,
    free_port,
    wait_until,
)
from tests.support.recorded_study import KEPT, NAME, record_study

WINNER = KEPT[-1]


@pytest.fixture
def home(tmp_path):
    return record_study(tmp_path)


def ask(home, *arguments, status=0):
    done = study_command(*arguments, "--home", home.folder)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


def test_damage_ends_in_a_line_and_status_1(home, tmp_path):
    store = MlflowClient(home.tracking_uri)
    run_id = answers.records(NAME, home=home)[WINNER].run_id
    model_id = store.get_run(run_id).data.tags["study.model"]
    location = store.get_logged_model(model_id).artifact_location
    stored = Path(location.removeprefix("file://")) / NETWORK_FOLDER
    np.savez(tmp_path / "one.npz", x=np.zeros((1, 8, 8), np.uint8))
    file = stored / "network.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    for command in (
        ("export", NAME, WINNER, tmp_path / "out"),
        ("predict", NAME, tmp_path / "one.npz", "--trial", WINNER),
    ):
        message = ask(home, *command, status=1)
        assert message.startswith("error: the stored network of trial ")
        assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_prediction_and_a_trial_with_a_network_follow_their_schemas(home, tmp_path):
    np.savez(tmp_path / "two.npz", x=np.zeros((2, 8, 8), np.uint8), y=np.array([0, 1]))
    predicted = json.loads(ask(home, "predict", NAME, tmp_path / "two.npz", "--json"))
    jsonschema.validate(predicted, schema_of("predict"))
    shown = json.loads(ask(home, "show", NAME, WINNER, "--json"))
    jsonschema.validate(shown, schema_of("show"))
    assert shown["kept"]
    text = ask(home, "show", NAME, WINNER)
    assert f"study export {NAME} {WINNER} --home" in text
    assert f'study.load_model("{NAME}", trial={WINNER})' in text


@pytest.mark.slow
def test_a_network_is_served_as_it_predicts(home, tmp_path):
    """In a process, which a signal ends."""
    images = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8), dtype=np.uint8)
    port, output = free_port(), tmp_path / "output"
    arguments = ["serve", NAME, "--port", port, "--home", home.folder]
    with (
        output.open("w") as file,
        subprocess.Popen(
            [BIN / "study", *map(str, arguments)], stdout=file, stderr=file, env=clean_environment()
        ) as server,
    ):
        address = f"http://127.0.0.1:{port}"

        def answers_pings():
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"{address}/ping", timeout=PATIENCE_S).ok

        wait_until(answers_pings, "the server", server)
        answer = requests.post(
            f"{address}/invocations", json={"inputs": images.tolist()}, timeout=PATIENCE_S
        )
        refused = [
            requests.post(
                f"{address}/invocations",
                json={"inputs": (images + shift).tolist()},
                timeout=PATIENCE_S,
            )
            for shift in (np.float64(0.5), np.int64(256))
        ]
        elsewhere = requests.get(
            f"{address}/ping", headers={"Host": "example.org"}, timeout=PATIENCE_S
        )
        server.send_signal(signal.SIGINT)
        status = server.wait(PATIENCE_S)
    (expected,) = predict(NAME, images, home=home)
    np.testing.assert_allclose(answer.json()["predictions"], expected.probabilities, rtol=1e-5)
    assert [one.status_code for one in refused] == [400, 400]
    assert all("pixels must be whole numbers in 0..255, got " in one.text for one in refused)
    assert (elsewhere.status_code, status) == (400, 130)
    assert output.read_text().startswith(f"trial {WINNER} of {NAME}: {address}/invocations")
    assert "Traceback" not in output.read_text()
