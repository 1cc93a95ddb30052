"""A trial's worker dies: it is killed, eats its machine's memory, or cannot use its GPU any more."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch
from safetensors import safe_open

from study.results import answers
from study.runner import tuner
from study.runner.trainable import StudyTrainable
from tests.support.command import study_command
from tests.support.driven_study import running
from tests.support.empty_store import new_home
from tests.support.processes import ROOT, SMALL, clean_environment, curve, stop, wait_until

pytestmark = pytest.mark.slow

EPOCHS = 600
KILLS = 5  # more than a trial may lose workers without an epoch more


def worker_of(driver):
    """The process that trains the one trial that runs, None where there is none yet."""
    for process in psutil.Process(driver.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # Ray's processes come and go
            if process.name().startswith("ray::StudyTrain"):
                return process.pid
    return None


def epochs_of(checkpoint):
    """The epochs in a checkpoint, 0 if there is none."""
    if not checkpoint.exists():
        return 0
    with safe_open(checkpoint, framework="pt") as file:
        return len(json.loads(file.metadata()["state"])["history"])


def stopped_worker(driver, checkpoint, epochs=0):
    """The process of the running trial, stopped once a checkpoint has more epochs."""
    what = f"{checkpoint} with more than {epochs} epochs"
    wait_until(lambda: epochs_of(checkpoint) > epochs, what, driver.process, every_s=0.02)
    pid = wait_until(lambda: worker_of(driver), "a worker", driver.process, every_s=0.02)
    stop(pid)
    return pid


def test_a_trial_whose_worker_is_killed_goes_on_from_its_last_checkpoint(tmp_path):
    """However often, if it came further each time. A damaged checkpoint restarts it, with a notice.

    The study asks for a part of a GPU. Where there is none it says so once.
    """
    home = new_home(tmp_path)
    arguments = ("--name", "lost", "--trials", 2, "--home", tmp_path)
    limits = ("--set", f"budget.epochs={EPOCHS}", "--set", "resources.concurrent_trials=1")
    limits += ("--set", "stopping.scheduler=none", "--set", "resources.gpus=0.125", *SMALL)
    checkpoints = [
        home.study_folder("lost").trials / f"trial-{number}/checkpoint.safetensors"
        for number in range(2)
    ]
    with running(*arguments, *limits) as driver:
        reached = 0
        for _ in range(KILLS):
            pid = stopped_worker(driver, checkpoints[0], reached)
            reached = epochs_of(checkpoints[0])
            os.kill(pid, signal.SIGKILL)
        pid = stopped_worker(driver, checkpoints[1])
        whole = checkpoints[1].read_bytes()
        checkpoints[1].write_bytes(whole[: len(whole) // 2])
        os.kill(pid, signal.SIGKILL)
        output, status = driver.end()
        assert status == 0, output
    if not torch.cuda.is_available():
        said = "resources.gpus=0.125, but this machine has no GPU: trials run on CPUs"
        assert output.splitlines().count(said) == 1
    first, second = answers.records("lost", home=home)
    assert reached >= 1
    assert first.notice == f"continued after epoch {reached} of {EPOCHS}"
    assert second.notice.startswith(f"restarted: its checkpoint {checkpoints[1]} is damaged")
    for record in (first, second):
        assert (record.state, record.epochs) == ("COMPLETE", EPOCHS)
        assert curve(home, record.run_id) == list(range(1, EPOCHS + 1))
        assert f"trial {record.trial}: {record.notice}" in output


def test_a_trial_that_eats_the_memory_fails_and_the_others_do_not(tmp_path):
    """Ray ends workers when a share of the memory is used: here, some more than is used now.

    It eats 20 GB if it can; the others, Ray, and what else runs on the machine have some to themselves.
    """
    home = new_home(tmp_path)
    memory = dict(
        line.split(":") for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    total, free = (int(memory[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    threshold = (total - free + max(4_000_000, min(8_000_000, free // 2))) / total
    done = study_command(
        *("run", "--name", "eater", "--home", tmp_path, "--trials", 4),
        *("--set", "families=['mlp']", "--set", "sampler=grid", "--set", "budget.epochs=100"),
        *("--set", "space.somata=[16,32,64,6000000]", "--set", "space.learning_rate=0.01"),
        *("--set", "space.batch_size=128", "--set", "space.synapses=16"),
        *("--set", "stopping.scheduler=none", "--set", "resources.concurrent_trials=2"),
        RAY_memory_usage_threshold=str(threshold),
        RAY_memory_monitor_refresh_ms="100",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = answers.records("eater", home=home)
    assert len(found) == 4
    for record in found:
        eats = record.architecture["somata"] == 6_000_000
        assert record.state == ("FAIL" if eats else "COMPLETE")
        assert (record.reason or "").startswith("OutOfMemoryError: ") is eats
    assert "memory ran out while " in done.stdout


def planted(folder):
    """A Trainable whose first process loses its device once its trial has a checkpoint.

    As a CUDA context does, it stays lost: whatever this process is handed fails with the same error.
    From the third trial on, all trials fail by an error of their own. Each process leaves a file.
    """

    class Planted(StudyTrainable):
        def setup(self, config, **settings):
            from study.training.train import Training  # noqa: PLC0415  # of the worker's process

            super().setup(config, **settings)
            self.number = config["number"]
            first = not any(folder.iterdir())
            (folder / str(os.getpid())).touch()
            checkpoint = Path(settings["store"]) / "trial-0/checkpoint.safetensors"
            train = Training.run_epoch

            def run_epoch(training):
                if first and checkpoint.exists():
                    raise torch.AcceleratorError("CUDA error: device-side assert triggered")
                if self.number >= 2:
                    raise ValueError("planted")
                return train(training)

            Training.run_epoch = run_epoch

        def reset_config(self, config):
            self.number = config["number"]
            return super().reset_config(config)

    return Planted


def test_a_worker_that_lost_its_device_is_replaced_and_a_study_whose_trials_all_fail_stops(
    tmp_path, monkeypatch
):
    home, processes = new_home(tmp_path), tmp_path / "processes"
    processes.mkdir()
    monkeypatch.setattr(tuner, "StudyTrainable", planted(processes))
    done = study_command(
        *("run", "studies/digits.toml", "--name", "planted", "--trials", 60, "--home", tmp_path),
        *("--set", f"budget.epochs={EPOCHS}", "--set", "resources.concurrent_trials=1"),
        *("--set", "stopping.scheduler=none", "--set", "sampler=random", *SMALL),
    )
    assert len(list(processes.iterdir())) == 2, done.stdout + done.stderr
    first, second, *others = answers.records("planted", home=home)
    assert [first.state, second.state] == ["COMPLETE", "COMPLETE"]
    assert first.notice.startswith("continued after epoch ")
    assert curve(home, first.run_id) == list(range(1, EPOCHS + 1))
    assert second.notice is None
    assert [record.state for record in others] == 20 * ["FAIL"]
    said = "20 trials failed one after another, the last one with: ValueError: planted"
    assert f"stopped: {said}" in done.stdout
    assert done.returncode == 1
    assert done.returncode == 1
    assert done.stderr == "error: of 22 trials 20 failed, all with ValueError: planted\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use the GPU of this machine")
def test_a_study_whose_node_has_a_gpu_that_torch_cannot_use_stops_with_the_reason(tmp_path):
    """Ray counts a GPU here, as it does where the driver is too old for torch."""
    code = """
import ray
from study.cli.main import main
ray.init(num_cpus=1, num_gpus=1, include_dashboard=False)
main()
"""
    arguments = ("run", "studies/digits.toml", "--trials", 2, "--home", tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments), "--set", "resources.gpus=0.5"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
        check=False,
    )
    assert "stopped: torch must be able to use the GPU that a trial is given" in done.stdout, done
    assert "torch.cuda: " in done.stdout
    assert done.returncode == 1
