"""The plan: the studies of the paper's tables and figures, by its protocol."""

import re
from collections import Counter

import numpy as np
import pytest

from models import Architecture, build, count_parameters
from models.counting import counts_of
from paper.claims import Claims
from paper.plan import Plan
from study.errors import BadInputError
from study.search.configuration import Configuration
from study.search.grid import grid
from study.search.space import check_space
from study.search.start import check_start
from study.spec.dimensions import Choice
from study.training.dataset import load_dataset
from tests.support.published_files import idx_bytes

PROTOCOL = {
    "leaky_slope": 0.1,
    "dendrite_slope": 0.1,
    "initialization": "glorot_dense",
    "synapses": 16,
    "schedule": "constant",
    "batch_size": 128,
    "weight_decay": 0.0,
}
TRIALS = {
    "table1-dann-r": 35,
    "table1-dann-lrf": 35,
    "table1-dann-grf": 35,
    "table1-vann": 20,
    "table1-pdann": 20,
    "table2-dendritic": 6,
    "table2-vann": 2,
    "structure": 54,
    "early-stopping": 24,
    "depth": 9,
    "depth-4": 6,
    "noise-dendritic": 9,
    "noise-vann": 3,
}


@pytest.fixture(scope="module")
def plan():
    return Plan.read()


@pytest.fixture(scope="module")
def planned(plan):
    return {one.key: one for one in plan.planned("fashion_mnist")}


@pytest.mark.parametrize("name", TRIALS)
def test_the_studies_of_the_paper_are_grids_of_its_protocol(name, planned):
    spec = planned[name].spec
    assert (spec.sampler, spec.stopping.scheduler) == ("grid", "none")
    for key, value in PROTOCOL.items():
        assert getattr(spec.space, key) == Choice((value,)), key
    assert len(grid(spec)) == TRIALS[name]


def test_only_the_bounded_studies_decay_weights(plan):
    for data in plan.data:
        for one in plan.planned(data):
            decays = Choice((0.0, 0.05)) if one.plan.name == "bound" else Choice((0.0,))
            assert one.spec.space.weight_decay == decays, one.name


def test_no_search_sees_a_test_image(plan):
    for data in plan.data:
        for one in plan.planned(data):
            assert one.spec.dataset.withhold_test, one.name


def test_every_table_and_figure_has_a_study(plan):
    shown = {text for one in plan.studies for text in one.shows}
    wanted = {"factorial", "controls", "Table 1", "Table 2", "Fig. 2a, b", "Fig. 3a-d", "Fig. 4a"}
    wanted |= {"Fig. 5a-c", "Fig. 6", "Fig. 7b", "Fig. 7c"}
    wanted |= {f"Suppl. Fig. {number}" for number in (3, 4, 5, 6, 10)}
    assert wanted <= shown


def test_table_1_is_of_five_data_sets_with_their_epochs(plan):
    epochs = {
        data: {one.spec.budget.epochs for one in plan.planned(data) if "table1" in one.name}
        for data in plan.data
    }
    assert epochs == {
        "fashion_mnist": {25},
        "mnist": {15},
        "kmnist": {25},
        "emnist_balanced": {50},
        "cifar10": {50},
    }
    for one in plan.planned("cifar10"):
        fields = one.key in {"table1-dann-lrf", "table1-dann-grf"}
        assert one.spec.space.synapses_per == Choice(("channel" if fields else "dendrite",))


def test_its_networks_have_the_sizes_of_the_paper(plan):
    """Those of D4 S512, on 32 x 32 images in colour and on 47 classes."""
    sizes = {"vann": 7_347_722, "dann-lrf": 108_042, "dann-grf": 108_042, "dann-r": 42_506}
    for one in plan.planned("cifar10"):
        (family,) = one.spec.families
        if family in sizes:
            found = _parameters(one, dendrites=4, somata=512)
            assert found == sizes[family], family
            assert found <= plan.data["cifar10"].dense
    (lrf,) = (one for one in plan.planned("emnist_balanced") if one.key == "table1-dann-lrf")
    assert _parameters(lrf, dendrites=4, somata=512) == 61_487


def _parameters(planned, **sizes):
    for answers in grid(planned.spec):
        one = Configuration(planned.spec, given=answers).architecture
        if all(getattr(one, name) == value for name, value in sizes.items()):
            return counts_of(one, planned.shape, planned.classes)[0]
    raise AssertionError(sizes)


def test_the_space_of_every_study_fits_its_images(plan):
    for data in plan.data:
        for one in plan.planned(data):
            check_space(one.spec, one.shape, one.classes)
            check_start(one.spec, one.shape, one.classes)


def test_studies_that_choose_nothing_train_an_epoch_before_the_test(planned):
    assert (planned["noise-vann"].spec.budget.epochs, planned["noise-vann"].epochs) == (1, 25)
    for one in planned.values():
        chooses = one.plan.race or not one.plan.others
        assert one.spec.budget.epochs == (one.epochs if chooses else 1), one.key


def test_controls_get_as_many_configurations_of_the_same_recipe_under_each_bound(planned):
    recipes = {}
    for name, one in planned.items():
        if name.startswith("bound-"):
            (family,) = one.spec.families
            table = one.spec.to_dict()
            bound = int(re.fullmatch(rf"bound-(\d+)k-{family}", name)[1]) * 1000
            assert table.pop("constraints") == [
                f"trainable_parameters <= {bound}",
                f"trainable_parameters >= {bound * 0.8:.0f}",
            ]
            sizes = [table["space"].pop(key) for key in ("somata", "dendrites")]
            dendritic = family.startswith("dann-")
            assert not dendritic or sizes[1]["low"] == 2
            del table["name"], table["families"]
            recipes[bound, family] = table
    assert Counter(bound for bound, _ in recipes) == {10_000: 9, 30_000: 9}
    first = recipes[10_000, "cnn"]
    assert all(table == first for table in recipes.values())
    assert first["budget"]["trials"] == 20
    families = {family for _, family in recipes}
    assert {"cnn", "locally-connected", "sparse-mlp", "mlp", "vann"} <= families


def test_sequential_networks_of_equal_size_have_it():
    def parameters(family, **sizes):
        architecture = Architecture(family=family, **sizes)
        return count_parameters(build(architecture, (1, 28, 28), 10, [0]))

    ours = parameters("dann-lrf", dendrites=16, somata=512, synapses=16)
    for theirs in (
        parameters("vann", dendrites=1, somata=160),
        parameters("sparse-mlp", somata=5670, synapses=16),
        parameters("locally-connected", somata=5670, synapses=16),
    ):
        assert abs(theirs / ours - 1) < 0.001


@pytest.mark.parametrize(
    ("data", "folder", "prefix", "classes"),
    [
        ("fashion_mnist", "FashionMNIST", "", 10),
        ("mnist", "MNIST", "", 10),
        ("kmnist", "KMNIST", "", 10),
        ("emnist_balanced", "EMNIST", "emnist-balanced-", 47),
    ],
)
def test_its_specs_read_the_files_of_their_data_sets(data, folder, prefix, classes, plan, tmp_path):
    for part in ("train", "test" if prefix else "t10k"):
        raw = tmp_path / folder / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        labels = np.arange(20 * classes) % classes
        images = np.zeros((len(labels), 28, 28))
        (raw / f"{prefix}{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (raw / f"{prefix}{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    spec = plan.planned(data, str(tmp_path))[0].spec
    read = load_dataset(spec.dataset, spec.seed)
    assert (len(read.train.labels), len(read.validation.labels)) == (18 * classes, 2 * classes)
    assert len(read.test.labels) == 0
    assert read.classes == classes


def test_an_unknown_data_set_and_a_bad_plan_are_refused(plan, tmp_path):
    with pytest.raises(BadInputError, match="unknown data set 'mnst'; known: fashion_mnist, mnist"):
        plan.planned("mnst")
    (tmp_path / "plan.toml").write_text("studies = 3")
    with pytest.raises(BadInputError, match="is not valid"):
        Plan.read(tmp_path / "plan.toml")


def test_claims_are_about_what_the_studies_train(planned):
    for study, roles in Claims.read().roles("fashion_mnist").items():
        spec = planned[study].spec
        for role in roles:
            assert role.family in spec.families, role
            for name, value in role.where.items():
                assert value in getattr(spec.space, name).values, role
