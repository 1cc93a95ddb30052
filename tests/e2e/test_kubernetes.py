"""The command of deploy/rayjob.yaml, run here: its study, and on again as on a new cluster."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
import tomli_w
import yaml
from mlflow import MlflowClient
from processes import PATIENCE_S, ROOT, clean_environment, trial_runs

from study.home import Home

pytestmark = pytest.mark.slow


def documents():
    text = (ROOT / "deploy/rayjob.yaml").read_text(encoding="utf-8")
    return {one["metadata"]["name"]: one for one in yaml.safe_load_all(text)}


def test_the_job_of_a_new_cluster_goes_on_with_the_study(tmp_path):
    parts = documents()
    table = tomllib.loads(parts["dendritic-study-spec"]["data"]["spec.toml"])
    home = Home(folder=tmp_path / "home", tracking_uri=f"sqlite:///{tmp_path}/records/mlflow.db")
    job = parts["dendritic-study"]["spec"]
    variables = yaml.safe_load(job["runtimeEnvYAML"])["env_vars"]
    # The volumes, at other places.
    values = (
        parts["dendritic-study-environment"]["data"]
        | variables
        | {
            "STUDY_HOME": str(home.folder),
            "MLFLOW_TRACKING_URI": home.tracking_uri,
        }
    )
    spec = tmp_path / "spec.toml"
    entrypoint = job["entrypoint"].replace("/etc/study/spec.toml", str(spec))
    seen = []
    for trials in (1, 2):
        small = table | {"replicates": 1, "budget": {"trials": trials, "epochs": 1}}
        spec.write_text(tomli_w.dumps(small), encoding="utf-8")
        done = subprocess.run(
            ["bash", "-c", entrypoint],  # noqa: S607  # as Ray runs it
            env=clean_environment(**values),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        seen.append({run.info.run_id for run in trial_runs(home, table["name"])})
    assert [len(runs) for runs in seen] == [1, 2]
    assert seen[0] < seen[1]
    assert Path(tmp_path / "records/artifacts").is_dir()
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name(table["name"]).experiment_id
    (study,) = client.search_runs([experiment], filter_string="tags.`study.role` = 'study'")
    assert "kubectl apply" in json.dumps(study.training.dataset.tags)
