"""A trial's worker dies: it is killed, eats its machine's memory, or cannot use its GPU any more."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from study.cluster import ray_runtime
from study.results import answers
from study.runner import tuner
from study.runner.trainable import StudyTrainable
from tests.support.command import study_command
from tests.support.driven_study import running
from tests.support.empty_store import new_home
from tests.support.object_store import CREDENTIALS, object_store
from tests.support.processes import SMALL, curve, stop, wait_until

pytestmark = pytest.mark.slow

EPOCHS = 600
KILLS = 5  # more than a trial may lose workers without an epoch more


def worker_of(folder):
    """The process that the newest report in a study's spool comes from, None if there is none."""
    reports = [
        json.loads(line)[1]
        for file in sorted(folder.spool.glob("*.jsonl"))
        for line in file.read_text().splitlines(keepends=True)
        if line.startswith('["TrialReported"') and line.endswith("\n")
    ]
    return int(reports[-1]["worker"].rpartition(":")[2]) if reports else None


def epochs_of(checkpoint):
    """The epochs in a checkpoint, 0 if there is none."""
    if not checkpoint.exists():
        return 0
    with safe_open(checkpoint, framework="pt") as file:
        return len(json.loads(file.metadata()["state"])["history"])


def stopped_worker(driver, folder, checkpoint, killed=()):
    """The process of the running trial, stopped once it is a new one that has saved a checkpoint."""

    def new_worker():
        pid = worker_of(folder)
        return None if pid in killed else pid

    reached = epochs_of(checkpoint)
    what = f"a new worker, and {checkpoint} with more than {reached} epochs"
    pid = wait_until(
        lambda: epochs_of(checkpoint) > reached and new_worker(), what, driver.process, every_s=0.03
    )
    stop(pid)
    return pid


def test_a_trial_whose_worker_is_killed_goes_on_from_its_last_checkpoint(on_ray, tmp_path):
    """However often, if it came further each time. A damaged checkpoint restarts it, with a notice."""
    home = new_home(tmp_path)
    arguments = ("--name", "lost", "--trials", 2, "--home", tmp_path)
    limits = ("--set", f"budget.epochs={EPOCHS}", "--set", "resources.concurrent_trials=1")
    # Small batches, so that there are epochs left for the last worker.
    limits += ("--set", "stopping.scheduler=none", "--set", "space.batch_size=32", *SMALL)
    folder = home.study_folder("lost")
    checkpoints = [folder.trials / f"trial-{number}/checkpoint.safetensors" for number in range(2)]
    with running(*arguments, *limits, **on_ray) as driver:
        killed = []
        for _ in range(KILLS):
            killed.append(stopped_worker(driver, folder, checkpoints[0], killed))
            reached = epochs_of(checkpoints[0])
            os.kill(killed[-1], signal.SIGKILL)
        # The worker that ends the first trial is handed the second.
        pid = stopped_worker(driver, folder, checkpoints[1], killed)
        whole = checkpoints[1].read_bytes()
        checkpoints[1].write_bytes(whole[: len(whole) // 2])
        os.kill(pid, signal.SIGKILL)
        output, status = driver.end()
        assert status == 0, output
    assert len(set(killed)) == KILLS
    first, second = answers.records("lost", home=home)
    assert reached >= 1
    assert first.notice == f"continued after epoch {reached} of {EPOCHS}"
    assert second.notice.startswith("restarted: its checkpoint is damaged: ")
    assert second.notice.endswith(f" ({checkpoints[1]})")
    for record in (first, second):
        assert (record.state, record.epochs) == ("COMPLETE", EPOCHS)
        assert curve(home, record.run_id) == list(range(1, EPOCHS + 1))
        assert f"trial {record.trial}: {record.notice}" in output


def test_a_trial_that_eats_the_memory_fails_and_the_others_do_not(tmp_path):
    """Ray ends workers when a share of the memory is used: here, some more than is used now.

    It eats 20 GB if it can; the others, Ray, and what else runs on the machine have some to themselves.
    The study asks for a part of a GPU. Where there is none it says so once.
    """
    has_gpu = torch.cuda.is_available()
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
        *("--set", f"resources.gpus={0 if has_gpu else 0.125}"),
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
    said = "resources.gpus=0.125, but this machine has no GPU: trials run on CPUs"
    assert done.stdout.splitlines().count(said) == (0 if has_gpu else 1)


def planted(folder):
    """A Trainable whose first process loses its device once its trial has a checkpoint.

    As a CUDA context does, it stays lost: whatever this process is handed fails with the same error.
    A process that is handed the second trial after another one is killed before that begins. From the
    third trial on, all trials fail by an error of their own. Each process leaves a file.
    """

    class Planted(StudyTrainable):
        def setup(self, config, **settings):
            from study.training.train import Training  # noqa: PLC0415  # of the worker's process

            os.environ.update(CREDENTIALS)
            super().setup(config, **settings)
            self.number = config["number"]
            first = not any(folder.iterdir())
            (folder / str(os.getpid())).touch()
            checkpoints = settings["storage"].checkpoints
            train = Training.run_epoch

            def run_epoch(training):
                if first and checkpoints.read(0) is not None:
                    raise torch.AcceleratorError("CUDA error: device-side assert triggered")
                if self.number >= 2:
                    raise ValueError("planted")
                return train(training)

            Training.run_epoch = run_epoch

        def reset_config(self, config):
            self.number = config["number"]
            if self.number == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().reset_config(config)

    return Planted


def test_a_worker_that_lost_its_device_or_is_gone_is_replaced_and_a_study_whose_trials_all_fail_stops(
    on_ray, tmp_path, monkeypatch
):
    """Its checkpoints are in an object store, to which each node has access by its environment."""
    home, processes = new_home(tmp_path), tmp_path / "processes"
    processes.mkdir()
    monkeypatch.setattr(tuner, "StudyTrainable", planted(processes))
    with object_store() as bucket:
        done = study_command(
            *("run", "studies/digits.toml", "--name", "planted", "--trials", 60),
            *("--home", tmp_path, "--set", f"storage.checkpoints={bucket}"),
            *("--set", f"budget.epochs={EPOCHS}", "--set", "resources.concurrent_trials=1"),
            *("--set", "stopping.scheduler=none", "--set", "sampler=random", *SMALL),
            **on_ray,
            **CREDENTIALS,
        )
    assert len(list(processes.iterdir())) == 3, done.stdout + done.stderr
    again = "trial 1: its worker died before it began, so it is run again"
    assert done.stdout.splitlines().count(again) == 1
    first, second, *others = answers.records("planted", home=home)
    assert [first.state, second.state] == ["COMPLETE", "COMPLETE"]
    assert first.notice.startswith("continued after epoch ")
    assert curve(home, first.run_id) == list(range(1, EPOCHS + 1))
    assert second.notice is None
    assert curve(home, second.run_id) == list(range(1, EPOCHS + 1))
    assert [record.state for record in others] == 20 * ["FAIL"]
    said = "20 trials failed one after another, the last one with: ValueError: planted"
    assert f"stopped: {said}" in done.stdout
    assert done.returncode == 1
    assert done.stderr == "error: of 22 trials 20 failed, all with ValueError: planted\n"


def slow_to_start(folder):
    """A Trainable whose second worker begins to start during the first trial, and starts after five.

    Then the first one ends no further trial before another one trains. `folder` gets a file `worker-N`
    of each worker that begins to start, `trial-N` of each trial, and `second` once another one trains.
    """

    def wait_for(pattern, count):
        while len(list(folder.glob(pattern))) < count:
            time.sleep(0.05)

    class SlowToStart(StudyTrainable):
        def setup(self, config, **settings):
            self.is_first = not any(folder.iterdir())
            (folder / f"worker-{os.getpid()}").touch()
            if not self.is_first:
                wait_for("trial-*", 5)
            super().setup(config, **settings)

        def step(self):
            (folder / f"trial-{self.config['number']}").touch()
            if self.is_first:
                wait_for("worker-*", 2)
                if len(list(folder.glob("trial-*"))) > 5:
                    wait_for("second", 1)
            else:
                (folder / "second").touch()
            return super().step()

    return SlowToStart


def test_a_worker_that_starts_for_longer_than_trials_train_is_not_ended(
    on_ray, tmp_path, monkeypatch
):
    folder = tmp_path / "seen"
    folder.mkdir()
    monkeypatch.setattr(tuner, "StudyTrainable", slow_to_start(folder))
    done = study_command(
        *("run", "--name", "slow", "--trials", 12, "--home", tmp_path / "home", *SMALL),
        *("--set", "budget.epochs=1", "--set", "resources.concurrent_trials=2"),
        *("--set", "stopping.scheduler=none", "--set", "sampler=random"),
        **on_ray,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.glob("worker-*"))) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use the GPU of this machine")
def test_a_study_whose_node_has_a_gpu_that_torch_cannot_use_stops_with_the_reason(
    tmp_path, monkeypatch
):
    """Ray counts a GPU here, as it does where the driver is too old for torch."""
    monkeypatch.setattr(ray_runtime, "_gpus", lambda: 1)
    done = study_command(
        *("run", "studies/digits.toml", "--trials", 2, "--home", new_home(tmp_path).folder),
        *("--set", "resources.gpus=0.5"),
    )
    assert "stopped: torch must be able to use the GPU that a trial is given" in done.stdout, done
    assert "torch.cuda: " in done.stdout
    assert done.returncode == 1
