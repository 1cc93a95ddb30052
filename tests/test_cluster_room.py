import pytest

from study.cluster.capacity import (
    NO_AUTOSCALER,
    AutoscalerLimits,
    Capacity,
    Node,
    TrialResources,
    most_trials,
    resources_of_trial,
)
from study.errors import SpecError
from study.spec.sections import Resources

NOTHING = Node(0, 0)
SMALL, GPU = Node(4, 0), Node(4, 1)
GPUS_COME = AutoscalerLimits(((GPU, 6), (Node(4, 2), 2), (NOTHING, 0)), 7)


@pytest.mark.parametrize(
    ("node", "cpus", "gpus", "trials"),
    [
        (SMALL, 1, 0, 4),
        (SMALL, 0.1, 0, 40),
        (Node(3, 0), 0.3, 0, 10),
        (SMALL, 3, 0, 1),
        (SMALL, 5, 0, 0),
        (SMALL, 1, 0.125, 0),
        (Node(64, 1), 1, 0.125, 8),
        (Node(4, 1), 1, 0.125, 4),
        (Node(64, 8), 1, 0.3, 24),  # three on each: a trial has no parts of two GPUs
        (Node(64, 8), 1, 0.6, 8),
        (Node(64, 8), 1, 3, 2),
        (Node(8, 8), 4, 1, 2),
    ],
)
def test_a_node_holds_as_many_trials_as_all_its_resources_allow(node, cpus, gpus, trials):
    assert node.holds(cpus, gpus) == trials


def test_a_trial_gets_what_it_wants_where_it_fits_now_or_later():
    wanted = Resources(cpus=2, gpus=0.5)
    assert resources_of_trial(wanted, [NOTHING, GPU], NO_AUTOSCALER) == TrialResources(2, 0.5)
    assert resources_of_trial(wanted, [NOTHING], GPUS_COME) == TrialResources(2, 0.5)
    assert resources_of_trial(Resources(gpus=2), [SMALL], GPUS_COME) == TrialResources(1, 2)


@pytest.mark.parametrize(
    ("nodes", "growth", "alone", "place"),
    [
        ([SMALL], NO_AUTOSCALER, True, "machine"),
        ([SMALL, NOTHING], NO_AUTOSCALER, False, "cluster"),
        ([NOTHING], AutoscalerLimits(((SMALL, 3),), 3), False, "cluster"),
        ([SMALL], AutoscalerLimits(((GPU, 0),), 3), False, "cluster"),
        ([SMALL], AutoscalerLimits(((GPU, 3),), 0), False, "cluster"),
    ],
)
def test_where_no_gpu_is_and_none_can_come_trials_run_on_cpus_with_a_notice(
    nodes, growth, alone, place
):
    share = resources_of_trial(Resources(gpus=0.125), nodes, growth, alone=alone)
    assert (share.cpus, share.gpus) == (1, 0)
    assert share.notice == (
        f"resources.gpus=0.125, but this {place} has no GPU and can get none: trials run on CPUs"
    )


def test_where_nobody_knows_what_may_come_trials_wait():
    share = resources_of_trial(Resources(gpus=1), [NOTHING], None)
    assert share.gpus == 1
    assert "no node of this cluster has a GPU now" in share.notice
    large = resources_of_trial(Resources(cpus=99), [SMALL], None)
    assert (large.cpus, large.gpus) == (99, 0)
    assert "no node of this cluster can hold such a trial now" in large.notice


@pytest.mark.parametrize(
    ("wanted", "nodes", "growth", "alone", "message"),
    [
        (
            {"gpus": 2},
            [GPU, GPU],
            NO_AUTOSCALER,
            False,
            (
                "`resources.gpus <= gpus of a node` must hold, got resources.gpus=2, "
                "the largest node has 1 (key resources.gpus)"
            ),
        ),
        (
            {"gpus": 4},
            [GPU],
            GPUS_COME,
            False,
            (
                "`resources.gpus <= gpus of a node` must hold, got resources.gpus=4, "
                "the largest node has 2 (key resources.gpus)"
            ),
        ),
        (
            {"cpus": 8, "gpus": 0.5},
            [SMALL],
            NO_AUTOSCALER,
            True,
            (
                "`resources.cpus <= cpus of this machine` must hold, got resources.cpus=8, it has 4 "
                "(key resources.cpus)"
            ),
        ),
        (
            {"cpus": 0.5},
            [NOTHING],
            NO_AUTOSCALER,
            False,
            (
                "`resources.cpus <= cpus of a node` must hold, got resources.cpus=0.5, "
                "the largest node has 0 (key resources.cpus)"
            ),
        ),
        (
            {"cpus": 8, "gpus": 1},
            [GPU, Node(16, 0), GPU],
            NO_AUTOSCALER,
            False,
            (
                "a trial must fit on one node, got resources.cpus=8 and resources.gpus=1, "
                "the nodes have 4 CPUs and 1 GPUs, 16 CPUs and 0 GPUs "
                "(keys resources.cpus, resources.gpus)"
            ),
        ),
    ],
)
def test_what_no_node_can_ever_hold_is_refused(wanted, nodes, growth, alone, message):
    with pytest.raises(SpecError) as error:
        resources_of_trial(Resources(**wanted), nodes, growth, alone=alone)
    assert str(error.value) == message


ONE, EIGHTH = TrialResources(1, 1), TrialResources(0.5, 0.125)
MANY = AutoscalerLimits(((GPU, 1000),), 1000)


@pytest.mark.parametrize(
    ("share", "nodes", "growth", "asked", "trials"),
    [
        (ONE, [GPU] * 3, NO_AUTOSCALER, None, 3),
        (ONE, [GPU] * 3, NO_AUTOSCALER, 2, 2),
        (ONE, [GPU] * 3, NO_AUTOSCALER, 9, 3),
        (EIGHTH, [GPU, GPU], NO_AUTOSCALER, None, 16),
        (ONE, [NOTHING], GPUS_COME, None, 9),  # two nodes of two, then five of one
        (ONE, [NOTHING, *[GPU] * 12], GPUS_COME, None, 12),
        (ONE, [NOTHING], MANY, None, 32),
        (ONE, [GPU] * 100, MANY, None, 200),
        (ONE, [GPU] * 100, MANY, 150, 150),
        (ONE, [GPU] * 1000, MANY, None, 1000),
        (ONE, [GPU] * 3, None, None, 4),
        (ONE, [GPU] * 3, None, 20, 20),
        (ONE, [GPU] * 3, None, 500, 32),
        (ONE, [], NO_AUTOSCALER, None, 1),  # all nodes left
    ],
)
def test_as_many_trials_run_or_wait_as_there_is_room_for_and_may_come(
    share, nodes, growth, asked, trials
):
    assert most_trials(share, nodes, growth, asked) == trials


def test_the_room_follows_the_nodes_but_looks_rarely():
    nodes, now, looks = [GPU], [0.0], []

    def look():
        looks.append(now[0])
        now[0] += 0.1 if len(nodes) > 1 else 0.0
        return nodes

    room = Capacity(ONE, look, clock=lambda: now[0])
    assert [room(), room()] == [1, 1]
    nodes.append(GPU)
    now[0] = 2.9
    assert room() == 1
    now[0] = 3.0
    assert room() == 2
    nodes.pop()
    now[0] = 22.0  # a look that takes a tenth of a second is worth twenty
    assert room() == 2
    now[0] = 23.5
    assert room() == 1
    assert looks == [0.0, 3.0, 23.5]
