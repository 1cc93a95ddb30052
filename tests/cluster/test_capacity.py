import pytest

from study.cluster.capacity import Capacity, Node, TrialResources, most_trials, resources_of_trial
from study.errors import SpecError
from study.spec.sections import Resources

NOTHING = Node(0, 0)
SMALL, GPU = Node(4, 0), Node(4, 1)


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


@pytest.mark.parametrize(("this_machine", "grows"), [(True, False), (False, False), (False, True)])
def test_a_trial_gets_what_it_wants_where_it_fits(this_machine, grows):
    wanted = Resources(cpus=2, gpus=0.5)
    found = resources_of_trial(wanted, [GPU], this_machine=this_machine, grows=grows)
    assert found == TrialResources(2, 0.5)


@pytest.mark.parametrize(("this_machine", "place"), [(True, "machine"), (False, "cluster")])
def test_where_no_gpu_is_and_none_can_join_trials_run_on_cpus_with_a_notice(this_machine, place):
    found = resources_of_trial(Resources(gpus=0.125), [SMALL], this_machine=this_machine)
    assert (found.cpus, found.gpus) == (1, 0)
    assert found.notice == f"resources.gpus=0.125, but this {place} has no GPU: trials run on CPUs"


@pytest.mark.parametrize(
    ("wanted", "nodes"),
    [({"gpus": 1}, [NOTHING]), ({"cpus": 99}, [SMALL]), ({"cpus": 1}, [NOTHING]), ({}, [])],
)
def test_what_no_node_of_a_cluster_that_grows_can_hold_waits_with_a_notice(wanted, nodes):
    found = resources_of_trial(Resources(**wanted), nodes, this_machine=False, grows=True)
    assert (found.cpus, found.gpus) == (wanted.get("cpus", 1), wanted.get("gpus", 0))
    assert found.notice == (
        f"resources.cpus={found.cpus:g} and resources.gpus={found.gpus:g}, but no node of this "
        "cluster can hold such a trial now: trials wait until one joins"
    )


@pytest.mark.parametrize(
    ("wanted", "node", "message"),
    [
        (
            {"gpus": 2},
            GPU,
            (
                "`resources.gpus <= gpus of this machine` must hold, got resources.gpus=2, it has 1 "
                "(key resources.gpus)"
            ),
        ),
        (
            {"cpus": 8, "gpus": 0.5},
            SMALL,
            (
                "`resources.cpus <= cpus of this machine` must hold, got resources.cpus=8, it has 4 "
                "(key resources.cpus)"
            ),
        ),
    ],
)
def test_what_this_machine_can_never_hold_is_refused(wanted, node, message):
    with pytest.raises(SpecError) as error:
        resources_of_trial(Resources(**wanted), [node], this_machine=True)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("wanted", "nodes", "message"),
    [
        (
            {"cpus": 8},
            [SMALL, NOTHING],
            (
                "`resources.cpus <= cpus of a node` must hold, got resources.cpus=8, the largest node "
                "has 4 (key resources.cpus)"
            ),
        ),
        (
            {"cpus": 16, "gpus": 1},
            [Node(64, 0), Node(4, 1)],
            (
                "a trial must fit on one node, got resources.cpus=16 and resources.gpus=1, the nodes "
                "have 64 CPUs and 0 GPUs, 4 CPUs and 1 GPUs (keys resources.cpus, resources.gpus)"
            ),
        ),
    ],
)
def test_what_no_node_of_a_cluster_of_fixed_size_can_hold_is_refused(wanted, nodes, message):
    with pytest.raises(SpecError) as error:
        resources_of_trial(Resources(**wanted), nodes, this_machine=False)
    assert str(error.value) == message


ONE, EIGHTH = TrialResources(1, 1), TrialResources(0.5, 0.125)


@pytest.mark.parametrize(
    ("share", "nodes", "asked", "grows", "trials"),
    [
        (ONE, [Node(4, 3)], None, False, 3),
        (ONE, [Node(4, 3)], 2, False, 2),
        (ONE, [Node(4, 3)], 9, False, 3),
        (EIGHTH, [Node(8, 2)], None, False, 16),
        (ONE, [NOTHING], None, True, 8),
        (ONE, [GPU] * 3, None, True, 8),
        (ONE, [GPU] * 100, None, True, 200),
        (ONE, [GPU] * 100, 150, True, 150),
        (ONE, [NOTHING], 20, True, 20),
        (ONE, [GPU] * 3, 2, True, 2),
        (ONE, [], None, False, 1),
        (ONE, [], None, True, 8),  # all nodes left
    ],
)
def test_as_many_trials_run_or_wait_as_there_is_room_for_and_may_come(
    share, nodes, asked, grows, trials
):
    assert most_trials(share, nodes, asked, grows=grows) == trials


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
