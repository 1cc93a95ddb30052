"""The command of deploy/rayjob.yaml, run here: its study, and again as on a new cluster."""

import json
import subprocess
import tomllib

import pytest
import tomli_w
import yaml
from mlflow import MlflowClient

from study.home import Home
from tests.support.empty_store import put_empty_store
from tests.support.processes import PATIENCE_S, ROOT, clean_environment, trial_runs

pytestmark = pytest.mark.slow


def documents():
    text = (ROOT / "deploy/rayjob.yaml").read_text(encoding="utf-8")
    return {one["metadata"]["name"]: one for one in yaml.safe_load_all(text)}


def test_the_job_of_a_new_cluster_finds_what_the_study_has_done(on_ray, tmp_path):
    parts = documents()
    table = tomllib.loads(parts["dendritic-study-spec"]["data"]["spec.toml"])
    home = Home.find(tmp_path / "home")
    put_empty_store(home)
    job = parts["dendritic-study"]["spec"]
    variables = yaml.safe_load(job["runtimeEnvYAML"])["env_vars"]
    values = parts["dendritic-study-environment"]["data"] | variables
    values["STUDY_HOME"] = str(home.folder)  # the volume, at another place
    spec = tmp_path / "spec.toml"
    entrypoint = job["entrypoint"].replace("/etc/study/spec.toml", str(spec))
    seen = []
    small = table | {"replicates": 1, "budget": {"trials": 1, "epochs": 1}}
    spec.write_text(tomli_w.dumps(small), encoding="utf-8")
    for _ in range(2):
        done = subprocess.run(
            ["bash", "-c", entrypoint],  # noqa: S607  # as Ray runs it
            env=clean_environment(**values, **on_ray),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        seen.append({run.info.run_id for run in trial_runs(home, table["name"])})
    assert "all 1 trials are done" in done.stdout
    assert len(seen[0]) == 1
    assert seen[0] == seen[1]
    assert (home.folder / "artifacts").is_dir()
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name(table["name"]).experiment_id
    (parent,) = client.search_runs([experiment], filter_string="tags.`study.role` = 'study'")
    assert "kubectl apply" in json.dumps(parent.data.tags)
