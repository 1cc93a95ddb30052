"""A real study: two Ray workers, Optuna's journal, SQLite MLflow, the command line and Python."""

import json
import shlex
import signal

import pytest
from mlflow import MlflowClient

import study
from models import load_network
from study import Home
from study.results import answers
from study.runner.trial_files import TrialStorage
from study.runner.trial_worker import TrialWorker
from study.training.dataset import load_dataset
from tests.support.command import study_command
from tests.support.driven_study import running
from tests.support.empty_store import new_home
from tests.support.processes import SMALL, trial_runs

pytestmark = pytest.mark.slow


def answer(small_study, *arguments):
    done = study_command(*arguments, "--home", small_study.home)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_study_runs_to_its_budget_and_says_how_to_go_on(small_study):
    lines = small_study.output.splitlines()
    assert lines[0].startswith("small: dann-lrf")
    assert lines[0].endswith("on digits; loading the libraries")
    assert lines[1].startswith("study small: 8 trials of 4 epochs, 3 replicates each, dann-lrf")
    assert any(line.startswith("8/8 trials | 0 running | front ") for line in lines)
    assert any("small: Pareto front" in line for line in lines)
    commands = [line.strip() for line in lines if f"--home {small_study.home}" in line]
    assert [command.split()[1] for command in commands] == ["ui", "best", "export"]


def test_every_command_answers_in_tables_and_in_json(small_study):
    trials = json.loads(answer(small_study, "trials", "small", "--json"))
    assert [trial["trial"] for trial in trials] == list(range(8))
    assert {trial["state"] for trial in trials} == {"COMPLETE"}
    assert all(trial["epochs"] == 4 and trial["replicates"] == 3 for trial in trials)
    diagnostics = ("generalisation_gap", "lowest_loss_epoch_sem", "test_accuracy_efficiency")
    assert all(name in trial["diagnostics"] for name in diagnostics for trial in trials)
    assert all(
        0 < trial["val_accuracy"] <= 1 and trial["val_accuracy_sem"] >= 0 for trial in trials
    )

    for trial in trials:
        assert list(trial["by_seed"]) == ["0", "1", "2"]
        for metric in ("val_accuracy", "val_loss", "test_accuracy", "test_loss"):
            mean = sum(values[metric] for values in trial["by_seed"].values()) / 3
            assert mean == pytest.approx(trial[metric], abs=1e-8)

    front = json.loads(answer(small_study, "pareto", "small", "--json"))
    assert [trial["trial"] for trial in front] == [
        trial["trial"]
        for trial in sorted(trials, key=lambda trial: trial["trainable_parameters"])
        if trial["on_front"]
    ]
    bound = front[0]["trainable_parameters"]
    best = json.loads(answer(small_study, "best", "small", "--max-parameters", bound, "--json"))
    assert all(trial["trainable_parameters"] <= bound for trial in best)
    assert front[0]["trial"] in {trial["trial"] for trial in best}

    status = json.loads(answer(small_study, "status", "small", "--json"))
    assert (status["trials"], status["budget"], status["front"]) == (8, 8, len(front))
    (listed,) = json.loads(answer(small_study, "list", "--json"))
    assert listed == status

    assert "small" in answer(small_study, "list")
    assert "8 of 8 (8 COMPLETE)" in answer(small_study, "status", "small")
    shown = answer(small_study, "trials", "small")
    assert all(f"{100 * trial['val_accuracy']:.2f} ± " in shown for trial in trials)
    table = answer(small_study, "pareto", "small", "--csv").splitlines()
    assert len(table) == len(front) + 1
    assert table[0].startswith("trial,run_id,state")


def test_a_loaded_network_reproduces_its_stored_test_accuracy_exactly(small_study):
    home = Home.find(small_study.home)
    test = study.load_dataset("digits").test
    for trial in study.pareto_front("small", home=home).reset_index().itertuples():
        network = study.load_model("small", trial.trial, home=home)
        accuracy, _ = study.evaluate(network, test)
        assert accuracy.mean().item() == trial.test_accuracy


def test_a_network_can_be_taken_home(small_study, tmp_path):
    folder = tmp_path / "best"
    assert answer(small_study, "export", "small", "--to", folder).strip() == str(folder)
    best = study.best_configs("small", limit=1, home=Home.find(small_study.home))[0]
    assert load_network(folder).architecture.family == best.family


def test_workers_are_warm(small_study):
    trained = trial_runs(Home.find(small_study.home), "small")
    # One may train all of them before the other has loaded its libraries.
    assert 1 <= len({run.data.tags["study.worker"] for run in trained}) <= 2
    assert {run.data.metrics["threads"] for run in trained} == {1}
    assert {run.data.tags["study.engine"] for run in trained} == {"compiled on cpu"}


def test_a_study_that_is_done_has_nothing_to_do(on_ray, tmp_path):
    """Its trial takes two CPUs, and uses them. Its front can be confirmed later, with further seeds."""
    home = new_home(tmp_path)
    arguments = ("run", "--name", "wide", "--home", tmp_path, *SMALL, "--set", "budget.epochs=1")
    arguments += ("--set", "resources.cpus=2", "--set", "resources.concurrent_trials=1")
    done = study_command(*arguments, "--trials", 1, **on_ray)
    assert done.returncode == 0, done.stderr
    assert "1/1 trials | 0 running" in done.stdout
    again = study_command(*arguments, "--trials", 1, **on_ray)
    assert again.returncode == 0, again.stderr
    assert "all 1 trials are done; a larger budget continues it (--trials N)" in again.stdout
    assert "wide: Pareto front" in again.stdout
    (run,) = trial_runs(home, "wide")
    assert (run.data.tags["study.state"], run.data.metrics["threads"]) == ("COMPLETE", 2)
    arguments += ("--trials", 1, "--set", "budget.confirm=2")
    confirmed = study_command(*arguments, **on_ray)
    assert confirmed.returncode == 0, confirmed.stderr
    assert "confirming the trials on the front with 2 further seeds: 0" in confirmed.stdout
    again = study_command(*arguments, **on_ray)
    assert "confirming" not in again.stdout
    assert "confirmed %" in again.stdout
    (found,) = json.loads(study_command("best", "wide", "--home", tmp_path, "--json").stdout)
    (retrained,) = study.retrainings("wide", home=home)
    config = MlflowClient(home.tracking_uri).get_run(retrained.record.run_id).data.tags
    assert json.loads(config["study.config"])["seeds"] == [3, 4]
    for name in ("val_accuracy", "val_loss", "test_accuracy", "test_loss"):
        assert found[f"confirmed_{name}"] == getattr(retrained.record, name)
    assert (found["confirmed_replicates"], found["replicates"]) == (2, 3)
    assert study.status("wide", home=home).confirmed == 1
    assert not (home.study_folder("wide").path / "retrained").exists()


def test_a_study_ends_when_its_minutes_are_used_up(on_ray, tmp_path):
    home = new_home(tmp_path)
    arguments = ("run", "--name", "short", "--trials", 3, "--home", tmp_path, *SMALL)
    arguments += ("--set", "budget.epochs=100000", "--set", "stopping.scheduler=none")
    arguments += ("--set", "resources.concurrent_trials=1")
    minutes, states = 0.15, {}
    while not states:  # on a slow machine all of them may pass before a worker is there
        limit = ("--set", f"budget.minutes={minutes}")
        done = study_command(*arguments, *limit, **on_ray)
        assert done.returncode == 0, done.stderr
        states = study.status("short", home=home).states
        minutes *= 2
    assert set(states) == {"INTERRUPTED"}
    again = study_command(*arguments, *limit, **on_ray)
    assert again.returncode == 0, again.stderr
    assert f"the study's {minutes / 2:g} minutes are used up; a larger budget" in again.stdout
    assert study.status("short", home=home).states == states


def test_ctrl_c_keeps_what_is_finished_and_the_study_goes_on(on_ray, tmp_path):
    home = new_home(tmp_path)
    arguments = ["studies/digits.toml", "--name", "broken", "--home", str(tmp_path)]
    arguments += [*SMALL, "--set", "budget.epochs=600", "--trials", "4"]
    arguments += ["--set", "stopping.scheduler=none"]
    with running(*arguments) as driver:
        driver.has_ended(1)
        driver.process.send_signal(signal.SIGINT)
        output, status = driver.end()
    assert status == 130, output
    assert "stopped: SIGINT was received; continue with:" in output
    assert "stopped" in study_command("status", "broken", "--home", home.folder).stdout
    before = study.status("broken", home=home).states
    assert before["COMPLETE"] >= 1
    assert before.get("INTERRUPTED", 0) >= 1
    interrupted = {record.trial: record for record in study.best_configs("broken", home=home)}
    line = output.split("continue with:\n  ")[1].splitlines()[0]
    resumed = study_command(*shlex.split(line)[1:], **on_ray)
    assert resumed.returncode == 0, resumed.stderr
    after = study.trials("broken", home=home)
    assert after["state"].tolist() == ["COMPLETE"] * 4
    for number, record in interrupted.items():
        assert after.loc[number, "run_id"] == record.run_id
        assert after.loc[number, "val_accuracy"] == record.val_accuracy


def test_a_study_in_which_every_trial_fails_says_why(on_ray, tmp_path):
    home = new_home(tmp_path)
    done = study_command(
        *("run", "--name", "bad", "--trials", 2, "--home", tmp_path, *SMALL),
        # Linear, and deep: after one step its outputs are beyond all numbers.
        *("--set", "space.learning_rate=10", "--set", "space.layers=20"),
        *("--set", "space.leaky_slope=1", "--set", "space.dendrite_slope=1"),
        *("--set", "resources.concurrent_trials=1"),
        **on_ray,
    )
    assert done.returncode == 1
    assert "error: all 2 trials failed; the last one: " in done.stderr
    assert "; all with NonFiniteLossError: the training loss must stay finite" in done.stderr
    assert "trial 0 failed: NonFiniteLossError: the training loss must stay finite" in done.stdout
    assert "trial 1 failed: " not in done.stdout  # it is of the same kind
    reasons = study.trials("bad", home=home)["reason"].tolist()
    assert all("NonFiniteLossError: the training loss must stay finite" in text for text in reasons)
    assert study.status("bad", home=home).states == {"FAIL": 2}
    assert study.best_configs("bad", home=home) == []
    said = study_command("trials", "bad", "--home", tmp_path).stdout
    assert "trial 1 failed: NonFiniteLossError" in said


def test_constraints_stopping_and_a_budget_of_epochs_in_one_study(on_ray, tmp_path):
    """Half of the sizes are excluded; trials that end early, half of which learn nothing; a front.

    Then its budget grows: what was stopped or complete continues, and is as if it had not ended.
    """
    home = new_home(tmp_path)
    arguments = (
        *("run", "--name", "bound", "--home", tmp_path),
        *("--set", 'constraints=["trainable_parameters <= 3000", "val_accuracy >= 0.5"]'),
        *("--trials", 900, "--set", "sampler='random'", "--set", "space.schedule='constant'"),
        *("--set", "space.learning_rate=[0.01, 0.02, 1e-6, 2e-6]"),
        *("--set", "space.somata=[32, 512]", "--set", "space.dendrites=[1, 2]"),
        *("--set", "resources.concurrent_trials=1", "--set", "stopping.grace_epochs=2"),
    )
    done = study_command(
        *(*arguments, "--set", "budget.total_epochs=150", "--set", "budget.epochs=10"), **on_ray
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = answers.records("bound", home=home)
    states = {record.state for record in found}
    assert {"COMPLETE", "PRUNED"} <= states <= {"COMPLETE", "PRUNED", "FAIL"}
    for record in found:
        assert record.trainable_parameters <= 3000
        if record.state == "PRUNED":
            assert record.epochs in (2, 4, 8)
        if record.on_front:
            assert record.state == "COMPLETE"
            assert record.val_accuracy >= 0.5
    spent = sum(record.epochs for record in found)
    assert 140 < spent <= 150
    status = study.status("bound", home=home)
    assert status.run_status == "FINISHED"

    more = ("--set", "budget.total_epochs=250", "--set", "budget.epochs=12")
    grown = study_command(*arguments, *more, "--set", "stopping.reduction_factor=1.2", **on_ray)
    kept = sorted(map(str, home.study_folder("bound").trials.glob("*/*")))
    assert grown.returncode == 0, "\n".join([grown.stdout, grown.stderr, *kept])
    assert "from their checkpoints, as the budget grew" in grown.stdout
    before = {record.trial: record for record in found}
    after = answers.records("bound", home=home)
    assert {record.trial: record.state for record in after[: len(found)]} == {
        record.trial: record.state for record in found
    }
    continued = {record.continues: record for record in after if record.continues is not None}
    assert {before[number].state for number in continued} == {"COMPLETE", "PRUNED"}
    assert len({json.dumps(one.architecture | one.training) for one in continued.values()}) == len(
        continued
    )
    spent = sum(record.epochs for record in after)
    spent -= sum(before[number].epochs for number in continued)
    status = study.status("bound", home=home)
    assert (status.epochs, status.trials) == (spent, len(after) - len(continued))
    assert 238 < spent <= 250
    front = {record.trial for record in after if record.on_front}
    complete = {number for number, one in continued.items() if one.state == "COMPLETE"}
    assert not front & complete
    stopped = [number for number in sorted(complete) if before[number].state == "PRUNED"]
    for number in (stopped[0], min(complete - set(stopped))):
        assert unstopped(home, continued[number], tmp_path) == measured(home, continued[number])
    shown = study_command("trials", "bound", "--home", tmp_path).stdout
    assert "continues" in shown


def measured(home, record):
    """The accuracies and losses of a trial: in the end, of each replicate, and by epoch."""
    history = MlflowClient(home.tracking_uri).get_metric_history(record.run_id, "epoch/val_loss")
    ends = {name: getattr(record, name) for name in ("val_accuracy", "val_loss", "test_loss")}
    return ends, [point.value for point in sorted(history, key=lambda point: point.step)]


def unstopped(home, record, folder):
    """What `measured` gives for a trial of the same configuration that nobody stops."""
    spec = study.study_spec("bound", home=home)
    data = load_dataset(spec.dataset, spec.seed)
    run = MlflowClient(home.tracking_uri).get_run(record.run_id)
    config = json.loads(run.data.tags["study.config"])
    worker = TrialWorker(
        dataset_name=data.name,
        classes=data.classes,
        arrays=data.to_arrays(),
        threads=1,
        gpus=0,
        rungs=(),
        storage=TrialStorage(folder / "unstopped"),
    )
    worker.begin(config | {"continues": None})
    reports = [worker.step()]
    while not reports[-1]["done"]:
        reports.append(worker.step())
    epochs = [metrics for report in reports for metrics in report["epochs"]]
    assert len(epochs) == 12
    ends = {name: epochs[-1][name] for name in ("val_accuracy", "val_loss", "test_loss")}
    return ends, [metrics["epoch/val_loss"] for metrics in epochs]
