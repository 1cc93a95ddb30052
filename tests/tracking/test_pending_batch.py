from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from study.tracking.pending_batch import PendingBatch


@given(sizes=st.lists(st.integers(0, 1500), max_size=12), tags=st.integers(0, 3))
def test_steps_are_sent_whole_in_their_order_and_within_the_limit(sizes, tags):
    unsent = PendingBatch(tags={str(number): "x" for number in range(tags)})
    for step, size in enumerate(sizes):
        unsent.add(step, 7, {f"m{number}": number for number in range(size)})
    batches = []
    for batch in unsent.batches():
        unsent.sent(batch)
        batches.append(batch)
    sent = [metric for metrics, _, _ in batches for metric in metrics]
    expected = [(step, number) for step, size in enumerate(sizes) for number in range(size)]
    assert [(metric.step, metric.value) for metric in sent] == expected
    for metrics, _, _ in batches:
        # Alone, a step may be longer; no study has such.
        assert len(metrics) <= 800 or len({metric.step for metric in metrics}) == 1
    together = [{metric.step for metric in metrics} for metrics, _, _ in batches]
    assert sum(map(len, together)) == len(set().union(*together, set()))
    assert sum(len(found) for *_, found in batches) == tags


def test_the_refused_part_alone_is_left_out():
    unsent = PendingBatch(network=Path("network"), curves="epoch,seed\n")
    for step in (1, 2):
        unsent.add(step, 7, {"loss": 0.5})
    assert unsent.refuse() == {"network": "network"}
    assert unsent.refuse() == {"curves": "epoch,seed\n"}
    assert unsent.refuse() == {}  # the next steps are sent one by one
    assert unsent.refuse()["step"][0]["step"] == 1
    assert [batch[0][0].step for batch in unsent.batches() if unsent.sent(batch) is None] == [2]


def test_what_a_failed_request_was_for_still_waits():
    unsent = PendingBatch(params={"somata": "8"}, network=Path("network"))
    unsent.add(1, 7, {"loss": 0.5})
    next(unsent.batches())  # never sent
    assert len(list(zip(range(1), unsent.batches(), strict=False))) == 1
    left = unsent.to_dict()
    assert (left["params"], left["network"]) == ({"somata": "8"}, "network")
    assert left["steps"][0][0]["key"] == "loss"
