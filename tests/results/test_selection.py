"""Which trials a query takes, and in what order: filters, bounds, ties, and what is not a number."""

import math

import pytest
from mlflow import MlflowClient

from benchmarks.answers import store as answers_store
from study import environment
from study.results.query import MOST_ACCURATE, SMALLEST, Bound, Order, Query
from study.results.reader import read_study

TRIALS = 80


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A study among others, with a run of another kind, a deleted one, and an accuracy of NaN."""
    environment.prepare()
    home = answers_store.make(tmp_path_factory.mktemp("store"), ["other", "asked"], TRIALS)
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name("asked").experiment_id
    client.create_run(experiment, tags={"mine": "not of the study"})
    complete = client.search_runs([experiment], "tags.`study.state` = 'COMPLETE'", max_results=2)
    client.delete_run(complete[0].info.run_id)
    client.log_metric(complete[1].info.run_id, "val_accuracy", math.nan, step=99)
    return read_study("asked", home)


def known(record, metric):
    value = record.trial if metric == "trial" else record.value(metric)
    if metric == "epochs" and value == 0:
        return None  # it was never trained
    return None if value is None or math.isnan(value) else value


def is_dendritic(record):
    """The definition, for the families of the store: branches of its own are those of dann-..."""
    return record.family.startswith("dann") and record.architecture["dendrites"] >= 2


def taken(records, query):
    """What the query should take, in plain Python."""
    found = [
        record
        for record in records
        if (not query.states or record.state in query.states)
        and (not query.families or record.family in query.families)
        and (query.dendritic is None or is_dendritic(record) is query.dendritic)
        and (not query.feasible or record.feasible)
        and all(
            (value := known(record, bound.metric)) is not None and bound.holds(value)
            for bound in query.bounds
        )
    ]
    found.sort(key=lambda record: record.trial)
    for order in reversed(query.order):
        there = [record for record in found if known(record, order.metric) is not None]
        absent = [record for record in found if known(record, order.metric) is None]
        sign = -1 if order.descending else 1
        metric = order.metric
        there.sort(key=lambda record, metric=metric, sign=sign: sign * known(record, metric))
        found = there + absent
    return found[: query.limit]


QUERIES = [
    Query(),
    Query(states=("COMPLETE",), feasible=True),
    Query(states=("PRUNED", "FAIL")),
    Query(states=("INTERRUPTED",)),
    Query(families=("vann", "dann-r"), states=("COMPLETE", "PRUNED")),
    Query(dendritic=True, states=("COMPLETE",), order=MOST_ACCURATE),
    Query(dendritic=False, families=("dann-lrf", "vann")),
    Query(bounds=(Bound("trainable_parameters", "<=", 20_000),)),
    Query(bounds=(Bound("val_accuracy", ">=", 0.9), Bound("macs", ">=", 1000)), limit=3),
    Query(states=("COMPLETE",), order=MOST_ACCURATE),
    Query(order=SMALLEST, limit=7),
    Query(order=(Order("trial", descending=True),)),
    Query(order=(Order("epochs", descending=False), Order("trial", descending=True))),
    Query(order=(Order("layer1_somata_entropy", descending=True),)),  # which no trial has
]


@pytest.mark.slow
@pytest.mark.parametrize("query", QUERIES)
def test_what_comes_is_what_was_asked(query, stored):
    everything = stored.records
    assert len(everything) == TRIALS - 1
    found = stored.select(query)
    assert [record.trial for record in found] == [
        record.trial for record in taken(everything, query)
    ]


def test_what_is_not_a_number_is_the_last_and_within_no_bound(stored):
    *_, last = stored.select(Query(states=("COMPLETE",), order=MOST_ACCURATE))
    assert math.isnan(last.val_accuracy)
    for bound in (Bound("val_accuracy", "<=", 1), Bound("val_accuracy", ">=", 0)):
        assert last not in stored.select(Query(states=("COMPLETE",), bounds=(bound,)))
    assert not last.on_front


def test_the_runs_come_page_by_page(stored, monkeypatch):
    expected = [record.trial for record in stored.records]
    search = MlflowClient.search_runs
    pages = []

    def small(self, *arguments, **options):
        pages.append(options.get("page_token"))
        return search(self, *arguments, **options | {"max_results": 30})

    monkeypatch.setattr(MlflowClient, "search_runs", small)
    again = type(stored)(home=stored.home, parent=stored.parent, spec=stored.spec, fresh=True)
    assert [record.trial for record in again.records] == expected
    assert len(pages) == 3
