import json
import subprocess
import sys

import mlflow.pyfunc
import numpy as np
import pytest
import torch

from models import build, load_network, save_network
from study import environment
from study.tracking.pyfunc_model import write_portable
from study.tracking.tags import NETWORK_FOLDER
from tests.support.architectures import architecture

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 2, 5, 5), dtype=np.uint8)

LOADS = """
import sys
for name in ("study", "models", "torch"):
    sys.modules[name] = None  # importing it raises ImportError
import json
import mlflow.pyfunc
import numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(model.predict(np.asarray(model.input_example)).tolist()))
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A network, and the folder of its model."""
    environment.prepare()
    folder = tmp_path_factory.mktemp("portable")
    network = build(architecture("dann-lrf"), (2, 5, 5), 4, [0, 1]).eval()
    save_network(network, folder / "network")
    write_portable(folder / "network", IMAGES, folder / "model", "m-1")
    return network, folder / "model"


def expected(network):
    with torch.no_grad():
        return network(torch.from_numpy(IMAGES)).softmax(dim=-1).numpy()


@pytest.mark.slow
def test_it_predicts_where_neither_the_packages_nor_torch_can_be_imported(written, tmp_path):
    network, folder = written
    done = subprocess.run(
        [sys.executable, "-c", LOADS, folder],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "", "MLFLOW_DISABLE_TELEMETRY": "true"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    mean = expected(network).mean(axis=0)
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), mean, atol=1e-5)


@pytest.mark.slow
def test_it_says_what_it_takes_and_gives(written):
    network, folder = written
    model = mlflow.pyfunc.load_model(str(folder))
    assert model.model_id == "m-1"
    (read,) = model.metadata.signature.inputs.to_dict()
    (given,) = model.metadata.signature.outputs.to_dict()
    assert read["tensor-spec"] == {"dtype": "uint8", "shape": (-1, 2, 5, 5)}
    assert given["tensor-spec"] == {"dtype": "float32", "shape": (-1, 4)}
    second = model.predict(IMAGES, params={"replicate": 1})
    np.testing.assert_allclose(second, expected(network)[1], atol=1e-5)
    assert (np.asarray(model.input_example) == IMAGES).all()


def test_the_stored_network_is_in_it_once_and_nothing_is_pickled(written):
    network, folder = written
    assert len(list(folder.rglob("*.safetensors"))) == 1
    assert not [file for file in folder.rglob("*") if file.suffix in (".pkl", ".pickle", ".pt")]
    images = torch.from_numpy(IMAGES)
    assert torch.equal(load_network(folder / NETWORK_FOLDER)(images), network(images))


def test_it_does_not_say_where_it_was_made(written):
    _, folder = written
    for file in ("MLmodel", "requirements.txt", "conda.yaml"):
        assert "/" not in (folder / file).read_text().replace("artifacts/network", "")


def test_what_is_no_network_makes_no_model(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_portable(tmp_path, IMAGES, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_mlflow_predicts_with_it_from_the_command_line(written, tmp_path):
    network, folder = written
    (tmp_path / "input.json").write_text(json.dumps({"inputs": IMAGES.tolist()}))
    command = [sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local"]
    command += ["-m", folder, "-i", "input.json", "-o", "output.json"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    answer = json.loads((tmp_path / "output.json").read_text())["predictions"]
    np.testing.assert_allclose(answer, expected(network).mean(axis=0), atol=1e-5)
