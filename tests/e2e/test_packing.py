"""Trials packed onto what there is: parts of a GPU, one copy of the data, nodes that come."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from processes import BIN, ROOT, clean_environment, free_port, trial_runs

from study import Home

pytestmark = pytest.mark.slow


def test_eight_trials_share_a_gpu_and_one_copy_of_the_data():
    """In a process of its own, for the study is ended by a signal to it."""
    megabytes = 200
    done = subprocess.run(
        [sys.executable, "benchmarks/scaling_memory.py", str(megabytes)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
        timeout=570,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["small"]["workers"], found["large"]["workers"]) == (8, 8)
    assert found["copies_rss"] > 4  # every worker has it in its memory
    assert found["copies_pss"] < 2
    assert found["copies_private"] < 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_the_same_spec_runs_on_cpus_and_says_so_once(study_command, tmp_path):
    done = study_command(
        *("run", "--name", "shared", "--trials", 2, "--home", tmp_path),
        *("--set", "budget.epochs=1", "--set", "resources.gpus=0.125"),
    )
    assert done.returncode == 0, done.stderr
    said = "resources.gpus=0.125, but this machine has no GPU and can get none: trials run on CPUs"
    assert done.stdout.splitlines().count(said) == 1
    assert {run.data.tags["study.state"] for run in trial_runs(Home.find(tmp_path), "shared")} == {
        "COMPLETE"
    }


def autoscaling(address):
    """A cluster for Ray's own pretended provider: no CPU on the head, up to two workers of one each."""
    worker = {"resources": {"CPU": 1, "GPU": 1}, "min_workers": 0, "max_workers": 2}
    lists = ("setup", "initialization", "head_setup", "worker_setup")
    lists = [f"{name}_commands" for name in (*lists, "head_start_ray", "worker_start_ray")]
    lists += ["cluster_synced_files", "rsync_exclude", "rsync_filter"]
    return {name: [] for name in lists} | {
        "cluster_name": "packing",
        "max_workers": 2,
        "idle_timeout_minutes": 10,
        "upscaling_speed": 1.0,
        "provider": {
            "type": "fake_multinode",
            "gcs_address": address,
            "head_node_id": HEAD,
            "launch_multiple": True,
        },
        "available_node_types": {
            "head": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": worker | {"node_config": {}},
        },
        "head_node_type": "head",
        "auth": {},
        "file_mounts": {},
        "file_mounts_sync_continuously": False,
    }


HEAD = f"{0:051x}".replace("0", "f") + "00000"  # what the provider takes for the head's id


@pytest.fixture(scope="module")
def growing_cluster():
    """A head whose autoscaler starts workers on this machine when trials wait for them."""
    # Short, for Ray makes sockets below it and their paths are limited.
    home = Path(f"/tmp/study-grow-{os.getpid()}")  # noqa: S108  # see above
    home.mkdir()
    address = f"127.0.0.1:{free_port()}"
    file = home / "cluster.yaml"
    file.write_text(json.dumps(autoscaling(address)))
    ours = {"HOME": str(home), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    environment = clean_environment(
        **ours,
        RAY_FAKE_CLUSTER="1",
        AUTOSCALER_UPDATE_INTERVAL_S="1",
        RAY_CLOUD_INSTANCE_ID=HEAD,
        RAY_OVERRIDE_NODE_ID_FOR_TESTING=HEAD,
        RAY_NODE_TYPE_NAME="head",
    )
    command = [BIN / "ray", "start", "--head", "--block", "--num-cpus=0", "--disable-usage-stats"]
    command += [f"--port={address.partition(':')[2]}", "--include-dashboard=false"]
    command += [f"--dashboard-agent-listen-port={free_port()}"]
    command += [f"--ray-client-server-port={free_port()}", f"--temp-dir={home}/ray"]
    command += [f"--autoscaling-config={file}", "--object-store-memory=200000000"]
    log = (home / "head.log").open("w")
    # A group of its own, so that ending it ends what it started and nothing else.
    head = subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        for _ in range(1500):
            assert head.poll() is None, (home / "head.log").read_text()
            if "This command will now block" in (home / "head.log").read_text():
                break
            time.sleep(0.2)
        else:
            pytest.fail(f"the head does not start: {(home / 'head.log').read_text()}")
        yield SimpleNamespace(address=address, environment=ours | {"RAY_ADDRESS": address})
    finally:
        head.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            head.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        log.close()
        shutil.rmtree(home, ignore_errors=True)


def test_what_no_node_can_ever_hold_is_refused_at_once_and_leaves_nothing(
    growing_cluster, study_command, tmp_path
):
    for change, message in {
        "resources.gpus=2": "`resources.gpus <= gpus of a node` must hold, got resources.gpus=2, "
        "the largest node has 1 (key resources.gpus)",
        "resources.cpus=3": "`resources.cpus <= cpus of a node` must hold, got resources.cpus=3, "
        "the largest node has 1 (key resources.cpus)",
    }.items():
        done = study_command(
            *("run", "--name", "large", "--home", tmp_path, "--set", change),
            **growing_cluster.environment,
        )
        assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []
