"""The benchmark of searches: what a search sees, what is true, what is measured, and every peer."""

import json
import math
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks.search import __main__ as benchmark
from benchmarks.search import measures, protocol, record_table, summary, tuning
from benchmarks.search.replay import Trace, replay
from benchmarks.search.replay_ours import Ours
from benchmarks.search.replay_table import REFERENCE, Space, Table
from benchmarks.search.untried import Untried
from study import StudySpec
from study.search.configuration import Configuration
from study.search.grid import grid
from study.search.space import known_metrics
from study.spec.constraint import all_kept, violations
from study.training.dataset import load_dataset

IMAGE = (1, 8, 8)
SEARCHED = {
    "families": ["dann-r", "mlp"],
    "constraints": ["macs <= 3000"],
    "space": {
        "somata": [4, 8, 16, 32, 64],
        "dendrites": [1, 2, 4],
        "synapses": 4,
        "learning_rate": [1e-3, 1e-2],
    },
}
NEEDS = {"botorch": "botorch", "syne_tune": "syne_tune"}


@pytest.fixture(scope="module")
def table():
    spec = StudySpec.from_dict(
        SEARCHED | {"name": "small", "dataset": "digits", "budget": {"epochs": 4}}
    )
    configurations, sizes = [], []
    for params in grid(spec):
        known = known_metrics(Configuration(spec, given=params).architecture, IMAGE, 10)
        if all_kept(violations(spec.constraints, known, before_training=True)):
            configurations.append(params)
            sizes.append(known)
    space = Space(spec=SEARCHED, epochs=4, image=IMAGE, configurations=configurations, sizes=sizes)
    best = np.log10([one["trainable_parameters"] for one in sizes])
    best = 0.4 + 0.12 * best - 0.05 * np.array([one["family"] == "mlp" for one in configurations])
    noise = 0.02 * np.random.default_rng(0).random((len(best), 3, 1))
    curve = 1 - 0.5 ** np.arange(1, 5)
    return Table(space=space, accuracy=(best[:, None, None] + noise) * curve, images=500)


def test_a_search_sees_one_replicate_and_is_judged_by_the_others(table):
    seen = table.seen_by(3)
    last = table.accuracy[:, :, -1]
    shown = np.argmin(np.abs(last - seen.accuracy[:, -1:]), axis=1)
    assert set(shown) == {0, 1, 2}
    for row, replicate in enumerate(shown):
        assert (seen.accuracy[row] == table.accuracy[row, replicate]).all()
        assert seen.truth[row] == pytest.approx(np.delete(last[row], replicate).mean())
    p = seen.accuracy[0, -1]
    assert seen.error[0, -1] == pytest.approx(math.sqrt(p * (1 - p) / 500))
    assert (table.seen_by(3).accuracy == seen.accuracy).all()
    assert (table.seen_by(4).accuracy != seen.accuracy).any()


def test_a_tuning_table_has_the_two_replicates_of_which_it_stores_the_mean():
    path = protocol.file_of("digits")
    table = Table.load(path)
    assert table.accuracy.shape == (375, 2, table.epochs)
    with np.load(path) as arrays:
        mean, error = arrays["val_accuracy"][:, -1], arrays["val_accuracy_sem"][:, -1]
    seen = table.seen_by(0)
    assert (seen.accuracy[:, -1] + seen.truth) / 2 == pytest.approx(mean)
    assert np.abs(seen.accuracy[:, -1] - seen.truth) / 2 == pytest.approx(error, rel=1e-3)


def test_a_part_of_the_failing_table_fails():
    table = protocol.table_of("fashion_mnist_5000_failing")
    rates = np.array([one["learning_rate"] for one in table.space.configurations])
    assert table.fails[rates >= 0.02].all()
    assert 0.4 < table.fails.mean() < 0.5
    assert (np.diff(table.accuracy, axis=2) >= 0).all()
    assert table.macs.max() <= 150_000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")  # BoTorch's
@pytest.mark.parametrize("name", [name for name in protocol.METHODS if " (" not in name])
def test_every_method_trains_new_configurations_and_goes_on_after_failures(table, name):
    method = protocol.METHODS[name]
    library = next((library for part, library in NEEDS.items() if part in method["make"]), "numpy")
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    settings = protocol.variants(name)[0]
    failing = table.failing(learning_rate_from=1.0, macs_quantile=0.8)
    made = protocol.make(name, table.space, 0, settings)
    # A proposal that is not new or breaks the constraint raises.
    trace = replay(made, failing, failing.seen_by(0), limit=40, workers=3)
    assert trace.trials == len(trace.ask_seconds) > 10
    assert trace.failed > 0
    assert not failing.fails[trace.rows].any()
    assert len(set(trace.rows)) == len(trace.rows) > 0
    assert trace.epochs == sorted(trace.epochs)


def test_ours_can_do_without_each_of_its_parts(table):
    def told(**without):
        method = Ours(table.space, 0, grace=1, factor=2, **without)
        replay(method, table, table.seen_by(0), limit=30)
        view = method._searcher._proposals._view  # noqa: SLF001  # what it told its sampler
        study = view._study  # noqa: SLF001  # as above
        trials = study.get_trials(deepcopy=False)
        epochs = {key for one in trials for key in one.user_attrs if key.startswith("epoch/")}
        errors = {one.user_attrs["errors"][0] for one in trials if "errors" in one.user_attrs}
        known = study.sampler._known(table.space.configurations[0])  # noqa: SLF001  # as above
        return epochs, max(errors), known.values

    epochs, error, values = told()
    assert epochs > {"epoch/4"}
    assert error > 0
    assert values == {1: table.space.sizes[0]["trainable_parameters"]}
    assert told(curves=False)[0] == {"epoch/4"}
    assert told(noise=False)[1] == 0
    assert told(sizes=False)[2] == {}


def test_the_nearest_untried_configuration_replaces_one_that_was_tried(table):
    untried = Untried(table.space, 0)
    first = {"family": "dann-r", "somata": 8, "dendrites": 2, "learning_rate": 1e-3}
    assert untried.take(first)
    assert not untried.take(first)
    nearest = untried.take_nearest(first)
    assert nearest["family"] == "dann-r"
    assert sum(nearest[key] != first[key] for key in first) == 1
    assert len(untried.rows) == len(table.accuracy) - 2


def test_shares_of_the_hypervolume_and_the_networks_that_a_user_picks(table):
    seen = table.seen_by(0)
    costs = table.costs(seen.truth, 0.95)
    assert (costs <= REFERENCE).all()
    rows = list(range(len(table.accuracy)))
    trace = Trace(rows=rows, epochs=[4 * (row + 1) for row in rows], macs=[1.0] * len(rows))
    shares = measures.shares_of(table, seen, trace, 0.95)
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] == pytest.approx(1)
    found = measures.measured(table, seen, trace, table.all_epochs)
    late = found["regrets"][-1]  # at a fifth of the epochs
    fifth = [row for row in rows if trace.epochs[row] <= 0.2 * table.all_epochs]
    small = [row for row in fifth if table.parameters[row] <= 1000]
    picked = max(small, key=lambda row: seen.accuracy[row, -1])
    best = max(seen.truth[row] for row in rows if table.parameters[row] <= 1000)
    assert late[0] == pytest.approx(best - seen.truth[picked], abs=1e-5)
    nothing = measures.measured(table, seen, Trace(ask_seconds=[0.0]), table.all_epochs)
    assert nothing["boxes"]["0.5"]["epochs"] is None
    assert nothing["boxes"]["0.5"]["area"] == 0
    assert nothing["regrets"][0][0] == pytest.approx(best - 0.1, abs=1e-5)


def test_tuning_chooses_the_smallest_area_on_seeds_that_all_variants_have():
    offered = tuning.variants("tpe")
    areas = {
        tuning.key_of(one): {name: {"1000": -float(place)} for name in ("digits", "fashion_mnist")}
        for place, one in enumerate(offered)
    }
    areas[tuning.key_of(offered[0])]["digits"]["1001"] = -100.0  # the others lack this seed
    assert tuning.choose("tpe", areas) == offered[-1]
    del areas[tuning.key_of(offered[1])]["digits"]["1000"]
    with pytest.raises(ValueError, match="every variant of tpe"):
        tuning.choose("tpe", areas)


def test_settings_are_those_that_tuning_chose():
    stored = json.loads(protocol.TUNED.read_text(encoding="utf-8"))
    assert {name: tuning.choose(name, areas) for name, areas in stored["areas"].items()} == (
        protocol.tuned_settings()
    )
    tuned = {name for name, method in protocol.METHODS.items() if "like" not in method}
    assert set(stored["areas"]) <= tuned
    for areas in stored["areas"].values():
        for tables in areas.values():
            assert set(tables) == set(protocol.TUNING["tables"])
            seeds = {int(seed) for found in tables.values() for seed in found}
            assert seeds.isdisjoint(range(protocol.TEST["seeds"]))


def test_a_ratio_knows_of_searches_that_never_arrive():
    def runs(*epochs):
        return {str(seed): {"boxes": {"0.5": {"epochs": one}}} for seed, one in enumerate(epochs)}

    assert summary.ratio(runs(10, 10, 10), runs(40, 40, 40), "0.5", "epochs") == (0.25,) * 3
    assert summary.ratio(runs(10, 10), runs(None, None), "0.5", "epochs") == (0.0,) * 3
    assert summary.ratio(runs(None, None), runs(9, 9), "0.5", "epochs") == (math.inf,) * 3
    assert summary.ratio(runs(None, None), runs(None, None), "0.5", "epochs") == (1.0,) * 3
    # Only the seeds that both have count.
    assert summary.ratio(runs(10, 99), runs(20), "0.5", "epochs")[0] == 0.5


def test_tables_are_written_between_the_marks_of_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{summary.BEGIN}\nold\n{summary.END}\n\nafter\n")
    summary.write_between("new", page)
    written = f"before\n\n{summary.BEGIN}\n\nnew\n\n{summary.END}\n\nafter\n"
    assert page.read_text() == written
    summary.write_between("new", page)
    assert page.read_text() == written


def test_the_tables_of_the_page_compare_ours_with_the_best_peer(table):
    seen = table.seen_by(0)
    rows = list(range(len(table.accuracy)))

    def run(first, step):
        """Completes the table from a row on, a trial in so many epochs."""
        order = rows[first:] + rows[:first]
        epochs = [step * (place + 1) for place in range(len(rows))]
        trace = Trace(rows=order, epochs=epochs, macs=[10.0 * one for one in epochs])
        return measures.measured(table, seen, trace, table.all_epochs)

    runs = {
        "ours": {"0": run(0, 2), "1": run(5, 2)},
        "random": {"0": run(0, 4), "1": run(5, 4)},
        "tpe": {"0": run(0, 8)},
        "ours (no curves)": {"0": run(0, 3)},
    }
    result = {"runs": {"small": runs}}
    goal = summary.table_of_goal(result)[2:]
    assert len(goal) == len(protocol.MEASURES["boxes"])
    assert all("| random: " in line and "0.50 (0.50 to 0.50) | 0.50" in line for line in goal)
    methods = [line.split(" | ") for line in summary.table_of_methods(result)[2:]]
    assert [(line[0], line[1], line[2]) for line in methods] == [
        ("| ours", "2", "1.0"),
        ("| random", "2", "3.0"),
        ("| tpe", "1", "4.0"),
        ("| ours (no curves)", "1", "2.0"),
    ]
    assert not list(summary.behind(result))
    boxes, regrets, _ = summary.goals(result)
    assert "in 0 of 3 boxes; the largest ratio is 0.50." in boxes
    assert "in 0 of 15 cases, by at most 0.00 points" in regrets
    swapped = {"runs": {"small": {"ours": runs["tpe"], "random": runs["ours"]}}}
    late = [line for line in summary.behind(swapped) if line[1] == 0.2]
    assert late
    assert all(difference > 0 for *_, difference in late)


@pytest.mark.slow
def test_tuning_goes_on_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(protocol, "TUNED", tmp_path / "tuned.json")
    monkeypatch.setitem(protocol.TUNING, "seeds", [1000])

    def tune(*options):
        command = ["search", "tune", "--methods", "random", "--jobs", "1", *options]
        monkeypatch.setattr("sys.argv", command)
        benchmark.main()
        said = capsys.readouterr().out.splitlines()
        return said, json.loads(protocol.TUNED.read_text(encoding="utf-8"))

    said, stored = tune("--minutes", "0")
    assert said == ["2 searches are left"]
    assert stored["chosen"] == {}
    said, stored = tune()
    assert said[0] == "2 searches are left"
    assert stored["chosen"] == {"random": {}}
    said, again = tune()
    assert said == ["0 searches are left"]
    assert again == stored


def test_a_row_of_a_table_has_the_accuracies_of_every_replicate():
    spec = StudySpec.from_dict(
        SEARCHED | {"name": "row", "dataset": "digits", "replicates": 2, "budget": {"epochs": 3}}
    )
    dataset = load_dataset("digits")
    params = {"family": "dann-r", "somata": 8, "dendrites": 2, "learning_rate": 1e-2}
    row = record_table.row_of(spec, params, dataset)
    right = np.array(row["right"]).reshape(2, 3)
    assert (np.diff(right, axis=1) >= 0).all()
    assert (right[0] != right[1]).any()
    assert len(dataset.validation.labels) / 5 < right[0, -1] <= len(dataset.validation.labels)
    assert row["failed"] == 0
    assert row["layers"] is None  # not searched


RECORDED = [name for name in protocol.recorded() if "of" not in protocol.TEST["tables"][name]]


@pytest.mark.parametrize("name", RECORDED)
def test_a_test_table_is_the_whole_space_of_its_recording(name):
    table = protocol.table_of(name)
    spec = record_table.spec_of(name)
    expected = record_table.configurations_of(spec)
    assert len(expected) == len(table.accuracy) >= 2000
    assert {"mlp", "cnn", "vann", "locally-connected", "dann-r"} <= set(table.space.settings)
    assert table.accuracy.shape[1:] == (spec.replicates, spec.budget.epochs)
    for place in range(0, len(expected), 100):
        params = expected[place]
        row = table.space.row(params)
        network = Configuration(spec, given=params).architecture
        known = known_metrics(network, record_table.IMAGE, 10)
        assert table.space.sizes[row].items() <= known.items()
    last = table.accuracy[~table.fails, :, -1]
    assert (last > 0).all()
    assert (last <= 1).all()
