import math
import re

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import FAMILIES, Architecture
from study.errors import SpecError
from study.search.space import check_space, known_metrics, suggest
from study.spec.study_spec import StudySpec


def spec(**space):
    table = {"name": "a", "dataset": "digits", "families": ["dann-r", "dann-lrf", "vann"]}
    return StudySpec.from_dict(table | {"space": space})


def ask(wanted, count=60):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    asked = []
    for _ in range(count):
        trial = study.ask()
        asked.append((trial, *suggest(trial, wanted)))
    return asked


def test_a_vanilla_network_is_not_asked_for_synapses():
    for trial, architecture, _ in ask(spec(synapses=[4, 8])):
        vanilla = architecture.family == "vann"
        assert ("synapses" not in trial.params) is vanilla
        assert (architecture.synapses is None) is vanilla


def test_everything_asked_is_within_the_space_and_all_of_it_is_reached():
    wanted = spec(
        somata=[8, 16],
        dendrites={"low": 1, "high": 3},
        synapses=[4, 8],
        layers=[1, 2],
        leaky_slope={"low": 0, "high": 0.5},
        initialization=["fan_in", "glorot_dense"],
        learning_rate={"low": 1e-4, "high": 1e-1, "log": True},
        schedule=["constant", "one_cycle"],
        batch_size=[32, 64],
        patience=[0, 5],
        noise=[0, 0.25, 0.5],
        batch_order=["shuffled", "by_class"],
        label_smoothing=[0, 0.1],
        weight_decay={"low": 1e-3, "high": 1, "log": True},
        average=[0, 0.99],
        shift=[0, 2],
        flip=[0, 0.5],
    )
    asked = ask(wanted, 150)
    architectures = [architecture for _, architecture, _ in asked]
    trainings = [training for _, _, training in asked]
    assert {item.family for item in architectures} == {"dann-r", "dann-lrf", "vann"}
    assert {item.somata for item in architectures} == {8, 16}
    assert {item.dendrites for item in architectures} == {1, 2, 3}
    assert {item.synapses for item in architectures} == {None, 4, 8}
    assert {item.layers for item in architectures} == {1, 2}
    assert {item.initialization for item in architectures} == {"fan_in", "glorot_dense"}
    assert all(0 <= item.leaky_slope <= 0.5 for item in architectures)
    assert {item.schedule for item in trainings} == {"constant", "one_cycle"}
    assert {item.batch_size for item in trainings} == {32, 64}
    assert {item.patience for item in trainings} == {0, 5}
    assert {item.noise for item in trainings} == {0, 0.25, 0.5}
    assert {item.batch_order for item in trainings} == {"shuffled", "by_class"}
    assert {item.label_smoothing for item in trainings} == {0, 0.1}
    assert {item.average for item in trainings} == {0, 0.99}
    assert {(item.shift, item.flip) for item in trainings} == {(0, 0), (0, 0.5), (2, 0), (2, 0.5)}
    assert all(1e-3 <= item.weight_decay <= 1 for item in trainings)
    rates = sorted(item.learning_rate for item in trainings)
    assert 1e-4 <= rates[0] < 1e-3
    assert 1e-2 < rates[-1] <= 1e-1


@pytest.mark.parametrize(
    ("space", "shape", "error"),
    [
        ({"shift": [0, 8]}, (1, 8, 9), "got shift=8, images of 8 x 9 (key space.shift)"),
        ({"shift": 1}, (1, 1, 64), "got shift=1, images of 1 x 64 (key space.shift)"),
        ({"flip": [0, 0.5]}, (1, 1, 64), "got flip=0.5, images of 1 x 64 (key space.flip)"),
    ],
)
def test_only_images_are_moved_and_mirrored(space, shape, error):
    with pytest.raises(SpecError, match=re.escape(error)):
        check_space(spec(**space), shape, 10)
    check_space(spec(shift=7, flip=0.5), (1, 8, 8), 10)
    check_space(spec(), shape, 10)


def test_the_weight_and_the_temperature_of_a_teacher_are_asked_for_with_one():
    wanted = spec(teacher=["none", "big/3"], teacher_weight=[0.3, 0.9], temperature=[2, 4])
    asked = ask(wanted)
    assert {training.teacher for _, _, training in asked} == {"none", "big/3"}
    for trial, _, training in asked:
        taught = training.teacher != "none"
        assert ({"teacher_weight", "temperature"} <= set(trial.params)) is taught
        assert training.recipe.teacher_weight == (training.teacher_weight if taught else 0)


def test_a_family_is_asked_only_for_what_it_has():
    wanted = StudySpec.from_dict(
        {
            "name": "a",
            "dataset": "digits",
            "families": list(FAMILIES),
            "space": {
                "synapses": [10, 12],
                "dendrite_slope": [0, 1],
                "dropout": [0, 0.2],
                "synapse_draw": ["constant", "global"],
                "cable_draw": ["constant", "global"],
                "receptive_field": ["ring", "square"],
                "centres": ["even", "variance"],
                "synapses_per": ["dendrite", "channel"],
                "rewiring": [0, 0.3],
                "regrowth": ["local", "gradient"],
            },
        }
    )
    seen = set()
    for trial, architecture, _ in ask(wanted, 300):
        family = FAMILIES[architecture.family]
        seen.add(architecture.family)
        always = {"family", "somata", "dropout", "learning_rate"}
        always |= {"dendrites"} if family.has_dendrites else set()
        always |= {"synapses"} if family.counts_synapses else set()
        options = set(family.options) - (set() if architecture.rewiring else {"regrowth"})
        assert set(trial.params) == always | options
        if family.synapses == "convolution":
            assert architecture.synapses == 9
        for option in options:
            assert getattr(architecture, option) == trial.params[option]
    assert seen == set(FAMILIES)


def test_a_fixed_setting_is_not_asked_for():
    trial, architecture, training = ask(spec(somata=8, dendrites=2, learning_rate=0.01), 1)[0]
    assert set(trial.params) == {"family"}
    assert (architecture.somata, architecture.dendrites, training.learning_rate) == (8, 2, 0.01)


@pytest.mark.parametrize(
    ("space", "shape", "limit"),
    [
        ({"synapses": [8, 900]}, (1, 28, 28), "inputs=784"),
        ({"synapses": 193}, (3, 8, 8), "inputs=192"),
        ({"synapses": 65, "synapses_per": ["dendrite", "channel"]}, (3, 8, 8), "pixels=64"),
        ({"synapses": 16, "somata": [8, 64], "layers": [1, 2]}, (1, 28, 28), "inputs=8"),
    ],
)
def test_a_space_that_does_not_fit_the_images_is_refused_with_its_key(space, shape, limit):
    with pytest.raises(SpecError, match=rf"must hold .*{limit} \(keys? space.synapses"):
        check_space(spec(**space), shape, 10)


def test_a_space_that_fits_is_not_refused():
    check_space(spec(synapses=[8, 64], somata=64, layers=2), (1, 8, 8), 10)


def test_a_network_beyond_all_indices_is_refused_unless_a_constraint_keeps_it_out():
    huge = {"families": ["vann"], "space": {"somata": [8, 10**7], "dendrites": 1}}
    table = {"name": "a", "dataset": "digits"} | huge
    with pytest.raises(
        SpecError, match=r"replicates x parameters <= 2147483647. .* vann D1 S100000"
    ):
        check_space(StudySpec.from_dict(table), (1, 8, 8), 10)
    kept_out = table | {"constraints": ["trainable_parameters <= 20000"]}
    check_space(StudySpec.from_dict(kept_out), (1, 8, 8), 10)
    kept = table | {"constraints": ["trainable_parameters >= 100"]}
    with pytest.raises(SpecError, match=r"replicates x parameters <= 2147483647"):
        check_space(StudySpec.from_dict(kept), (1, 8, 8), 10)


def limited(constraints):
    space = {"somata": [4, 16], "dendrites": [2, 4], "synapses": [8, 16]}
    table = {"name": "a", "dataset": "digits", "families": ["vann", "dann-r"], "space": space}
    return StudySpec.from_dict(table | {"constraints": constraints})


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (
            ["trainable_parameters <= 10"],
            "got trainable_parameters=134, macs=112 for the smallest, dann-r D2 S4 K8 (keys constraints",
        ),
        (["macs <= 1e2", "val_accuracy >= 0.5"], "must satisfy `macs <= 1e2`, got"),
        (["trainable_parameters <= 134", "macs <= 111"], "134` and `macs <= 111`, got"),
        (["stored_bytes <= 543"], "got trainable_parameters=134, macs=112, stored_bytes=544 for"),
    ],
)
def test_a_limit_that_no_network_keeps_is_refused_with_the_smallest(constraints, message):
    with pytest.raises(SpecError) as caught:
        check_space(limited(constraints), (1, 8, 8), 10)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "constraints",
    [
        ["trainable_parameters <= 134", "macs <= 112"],
        ["trainable_parameters >= 100000"],
        ["macs / trainable_parameters <= 0.1"],
        ["val_loss <= 0"],
    ],
)
def test_other_constraints_are_left_to_the_search(constraints):
    check_space(limited(constraints), (1, 8, 8), 10)


@given(
    family=st.sampled_from(sorted(FAMILIES)),
    sizes=st.fixed_dictionaries(
        {
            "somata": st.integers(10, 16),
            "dendrites": st.integers(1, 3),
            "synapses": st.integers(1, 9),
            "layers": st.integers(1, 2),
        }
    ),
)
def test_counts_grow_with_somata_dendrites_and_synapses(family, sizes):
    """The rule by which a limit is refused."""
    has = FAMILIES[family]
    wanted = {
        "somata": sizes["somata"],
        "layers": sizes["layers"],
        "dendrites": sizes["dendrites"] if has.has_dendrites else None,
        "synapses": sizes["synapses"] if has.counts_synapses else None,
    }
    if has.synapses == "convolution":
        wanted["synapses"] = (sizes["synapses"] % 3 + 1) ** 2

    def counts(**changes):
        return known_metrics(Architecture(family=family, **(wanted | changes)), (1, 8, 8), 10)

    for name, size in wanted.items():
        # Larger kernels of shared dendrites have fewer positions (the next test).
        if size is None or name == "layers" or (family, name) == ("dann-conv", "synapses"):
            continue
        square = has.synapses == "convolution" and name == "synapses"
        larger = counts(**{name: (math.isqrt(size) + 1) ** 2 if square else size + 1})
        assert all(larger[metric] >= count for metric, count in counts().items()), name


@pytest.mark.parametrize("synapses", [[4, 16], {"low": 4, "high": 20}])
def test_the_smallest_network_of_shared_dendrites_may_have_a_larger_kernel(synapses):
    """2 x 2 kernels have 16 positions with a soma and its cables each, 4 x 4 kernels have four."""
    table = {"name": "a", "dataset": "digits", "families": ["dann-conv"]}
    table["space"] = {"somata": 1, "dendrites": 2, "synapses": synapses}
    parameters = 2 * 17 + 4 * 3 + 5 * 10
    fits, fails = (
        StudySpec.from_dict(table | {"constraints": [f"trainable_parameters <= {limit}"]})
        for limit in (parameters, parameters - 1)
    )
    check_space(fits, (1, 8, 8), 10)
    with pytest.raises(SpecError, match="for the smallest, dann-conv D2 S1 K16 "):
        check_space(fails, (1, 8, 8), 10)


def test_the_largest_network_of_shared_dendrites_may_have_a_smaller_kernel():
    table = {"name": "a", "dataset": "digits", "families": ["dann-conv"]}
    table["space"] = {"somata": 10**7, "dendrites": 1, "synapses": [1, 64]}
    with pytest.raises(SpecError, match="of dann-conv D1 S10000000 K1 "):
        check_space(StudySpec.from_dict(table), (1, 8, 8), 10)
