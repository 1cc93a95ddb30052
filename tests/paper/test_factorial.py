"""The cells of the factorial, and the core-hours of the plan."""

import itertools
import json

import pytest

from models import FAMILIES, Architecture
from models.counting import counts_of
from paper.costs import FILE, epoch_seconds, hours
from paper.factorial import SYNAPSES, cells_of
from paper.plan import Plan
from study.errors import BadInputError

SHAPE = (1, 28, 28)
LEVELS = {"family": ["dann-r", "pdann"], "dendrites": [1, 8], "dendrite_slope": [0.1, 1.0]}


def counts(cell):
    synapses = None if cell["family"] == "pdann" else 16
    sizes = {name: cell[name] for name in ("family", "somata", "dendrites")}
    return counts_of(Architecture(**sizes, synapses=synapses), SHAPE, 10)


@pytest.fixture(scope="module")
def planned():
    return {one.key: one for one in Plan.read().planned("fashion_mnist")}


def test_cells_are_all_combinations_as_near_to_the_size_as_can_be():
    cells = cells_of([LEVELS], 100_000, SHAPE, 10)
    assert [tuple(one[name] for name in LEVELS) for one in cells] == list(
        itertools.product(*LEVELS.values())
    )
    for cell in cells:
        apart = [abs(counts({**cell, "somata": cell["somata"] + by})[0] - 1e5) for by in (-1, 0, 1)]
        assert min(apart) == apart[1]


def test_a_cell_with_fewer_somata_than_classes_is_left_out():
    cells = cells_of([LEVELS], 10_000, SHAPE, 10)
    assert [(one["family"], one["dendrites"]) for one in cells if one["family"] == "pdann"] == [
        ("pdann", 1)
    ] * 2


def test_shared_weights_also_have_the_multiply_accumulates_of_the_local_network():
    def macs(dendrites):
        levels = {"family": "dann-conv", "dendrites": dendrites}
        return [counts(one)[1] for one in cells_of([levels], 10_000, SHAPE, 10, "dann-lrf")]

    (local,) = cells_of([{"family": "dann-lrf", "dendrites": 1}], 10_000, SHAPE, 10)
    (shared,) = macs(1)
    assert shared == pytest.approx(counts(local)[1], rel=0.1)
    assert not macs(4)  # 2 somata have a fifth less, 3 somata more


@pytest.mark.parametrize("count", [0, 1])
def test_cells_of_a_size_are_equal_in_what_matches_them(planned, count):
    for bound in (3, 10, 30, 100):
        of_size = {name: one for name, one in planned.items() if name.endswith(f"-{bound}k")}
        found = {
            name: [counts(cell)[count] for cell in one.spec.start]
            for name, one in of_size.items()
            if name.startswith("factorial")
        }
        assert all(found.values())
        if count == 0:
            found.pop(f"factorial-macs-{bound}k", None)
        else:
            found.pop(f"factorial-shared-{bound}k")
        every = list(itertools.chain(*found.values()))
        assert max(every) / min(every) < 1.2, (bound, found)  # each within a tenth of the size
        assert planned[f"factorial-{bound}k"].spec.budget.trials == len(
            found[f"factorial-{bound}k"]
        )


def test_learned_wiring_keeps_what_the_inputs_are(planned):
    cells = [
        cell
        for name, one in planned.items()
        if name.startswith("factorial")
        for cell in one.spec.start
    ]
    regrowth = {(one["family"], one["regrowth"]) for one in cells if one.get("rewiring")}
    assert regrowth == {("dann-r", "anywhere"), ("dann-lrf", "local")}


def test_nothing_of_a_cell_is_left_to_the_sampler(planned):
    for name, one in planned.items():
        if name.startswith("factorial"):
            open_keys = [
                key
                for key in one.varied
                if len(getattr(getattr(one.spec.space, key), "values", (1, 2))) > 1
            ]
            for cell in one.spec.start:
                needed = {key for key in open_keys if FAMILIES[cell["family"]].has(key)}
                needed -= (
                    set() if cell.get("rewiring") else {"regrowth"}
                )  # it is not asked for then
                assert needed <= set(cell), name


def test_the_recipe_of_all_cells_is_the_same_and_seeds_are_ten(planned):
    recipes = []
    for name, one in planned.items():
        if name.startswith("factorial"):
            assert one.spec.space.synapses.values == (SYNAPSES,)
            table = one.spec.to_dict()
            recipes.append([table["space"][key] for key in ("learning_rate", "schedule")])
            recipes[-1] += [one.epochs, table["keep"], one.plan.others]
    assert all(one == recipes[0] for one in recipes)
    assert recipes[0] == [0.005, "one_cycle", 25, "last", 10]


def test_a_study_with_cells_needs_bounds(tmp_path):
    (tmp_path / "plan.toml").write_text("""
        protocol = {}
        data = { digits = { epochs = 1 } }
        [[studies]]
        name = "one"
        shows = []
        data = ["digits"]
        families = ["dann-r"]
        space = {}
        cells = [{ family = "dann-r", dendrites = 1 }]
        race = 0
        seeds = 2
    """)
    with pytest.raises(BadInputError, match=r"must have bounds, got none \(study one\)"):
        Plan.read(tmp_path / "plan.toml").planned("digits")


def test_hours_are_those_of_measured_epochs_times_networks_and_epochs(planned):
    measured = json.loads(FILE.read_text(encoding="utf-8"))["epoch"]
    one = next(row for row in measured["dense"] if row["network"] == "vann D4 S512")
    vann = Architecture(family="vann", dendrites=4, somata=512)
    assert epoch_seconds(vann, one["macs"]) == pytest.approx(one["seconds"])
    found = hours(planned["noise-vann"], roles=3)
    assert (
        found.networks == 3 * 6
    )  # three noises, a seed of the search, for an epoch, and five tested
    seconds = 3 * (one["seconds"] + 2) + 15 * (25 * one["seconds"] + 2)
    assert found.all == pytest.approx(seconds / 3600)


def test_the_plan_fits_two_cores_for_a_day(planned):
    every = [hours(one, roles=4) for one in planned.values()]
    assert sum(one.all for one in every) < 28  # with as many roles in every study as in the largest
    assert all(one.networks > 0 for one in every)
