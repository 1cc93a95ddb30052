"""Both ways to ask a store for trials: what they answer is the same, and what was asked."""

import math

import pytest
from mlflow import MlflowClient

from benchmarks.answers.store import FAMILIES, make
from study import environment
from study.results import mlflow_search, sqlite_search
from study.results.query import MOST_ACCURATE, SMALLEST, Bound, Order, Query
from study.results.record import METRICS, TAGS

TRIALS = 80
COMPLETE = Query(states=("COMPLETE",))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two studies; in the one asked also a run of another kind, a deleted one, an accuracy of NaN."""
    environment.prepare()
    home = make(tmp_path_factory.mktemp("store"), ["other", "asked"], TRIALS)
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name("asked").experiment_id
    client.create_run(experiment, tags={"mine": "not of the study"})
    complete = client.search_runs([experiment], "tags.`study.state` = 'COMPLETE'", max_results=2)
    client.delete_run(complete[0].info.run_id)
    client.log_metric(complete[1].info.run_id, "val_accuracy", math.nan, step=99)
    return home.database, client, experiment


def by_mlflow(store, query):
    _, client, experiment = store
    return list(mlflow_search.search(client, experiment, query, FAMILIES))


def by_file(store, query):
    database, _, experiment = store
    return list(sqlite_search.search(database, experiment, query))


QUERIES = [
    Query(),
    COMPLETE,
    Query(states=("PRUNED", "FAIL", "INFEASIBLE")),
    Query(states=("INTERRUPTED",)),
    Query(families=("vann",)),
    Query(families=("vann", "dann-r"), states=("COMPLETE", "PRUNED")),
    Query(on_front=True),
    Query(bounds=(Bound("trainable_parameters", "<=", 20_000),)),
    Query(bounds=(Bound("val_accuracy", ">=", 0.0),)),
    Query(bounds=(Bound("val_accuracy", ">=", 1e-5), Bound("macs", ">=", 1000))),
    Query(states=("COMPLETE",), order=MOST_ACCURATE),
    Query(order=SMALLEST),
    Query(order=(Order("trial", descending=True),)),
    Query(order=(Order("epochs", descending=False), Order("trial", descending=True))),
]


@pytest.mark.parametrize("query", QUERIES)
def test_both_ways_answer_the_same(query, store):
    fast, slow = by_file(store, query), by_mlflow(store, query)
    assert [run.run_id for run in fast] == [run.run_id for run in slow]
    for one, other in zip(fast, slow, strict=True):
        assert one.started == other.started
        for known, name in [(key, "tags") for key in TAGS] + [(key, "metrics") for key in METRICS]:
            value, expected = getattr(one, name).get(known), getattr(other, name).get(known)
            assert value == expected or (math.isnan(value) and math.isnan(expected))


@pytest.mark.parametrize("ask", [by_file, by_mlflow])
def test_what_comes_is_what_was_asked(ask, store):
    everything = ask(store, Query())
    assert len(everything) == TRIALS - 1
    assert [run.started for run in everything] == sorted(run.started for run in everything)
    small = [
        run
        for run in everything
        if run.tags["study.state"] == "COMPLETE"
        and '"family": "vann"' in run.tags["study.config"]
        and run.metrics["trainable_parameters"] <= 60_000
        and run.metrics["val_accuracy"] >= 0.9
    ]
    small.sort(key=lambda run: -run.metrics["val_accuracy"])
    bounds = (Bound("trainable_parameters", "<=", 60_000), Bound("val_accuracy", ">=", 0.9))
    query = Query(states=("COMPLETE",), families=("vann",), bounds=bounds, order=MOST_ACCURATE)
    assert 1 < len(small) < TRIALS / 2
    assert [run.run_id for run in ask(store, query)] == [run.run_id for run in small]


@pytest.mark.parametrize("ask", [by_file, by_mlflow])
def test_what_is_not_a_number_is_the_last_and_within_no_bound(ask, store):
    *_, last = ask(store, Query(states=("COMPLETE",), order=MOST_ACCURATE))
    assert math.isnan(last.metrics["val_accuracy"])
    bounded = ask(store, Query(states=("COMPLETE",), bounds=(Bound("val_accuracy", "<=", 1),)))
    assert last.run_id not in {run.run_id for run in bounded}


def test_pages_follow_each_other(store, monkeypatch):
    expected = [run.run_id for run in by_file(store, COMPLETE)]
    monkeypatch.setattr(mlflow_search, "PAGE", 7)
    monkeypatch.setattr(sqlite_search, "_CHUNK", 7)
    for ask in (by_file, by_mlflow):
        assert [run.run_id for run in ask(store, COMPLETE)] == expected


@pytest.mark.parametrize("order", [MOST_ACCURATE, SMALLEST, (Order("epochs", descending=True),)])
def test_the_first_of_an_order_are_found_among_few_and_the_others_follow(order, store, monkeypatch):
    monkeypatch.setattr(mlflow_search, "_SAMPLE", 20)
    expected = by_file(store, Query(states=("COMPLETE", "RUNNING"), order=order))
    found = by_mlflow(store, Query(states=("COMPLETE", "RUNNING"), order=order, limit=3))
    assert [run.run_id for run in found] == [run.run_id for run in expected]
