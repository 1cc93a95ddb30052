"""The specs in studies/: valid, of networks that fit their images, each with the small run it gives."""

import shlex

import pytest

from study.search.space import check_space
from study.search.start import check_start, start_configurations
from study.spec.study_spec import StudySpec
from tests.support.processes import ROOT

SPECS = sorted((ROOT / "studies").glob("*.toml"))
SHAPES = {"digits": (1, 8, 8), "fashion_mnist": (1, 28, 28)}
BEYOND = [path for path in SPECS if path.stem.startswith("beyond")]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_is_valid_and_its_networks_fit_the_images(path):
    spec = StudySpec.from_toml(path)
    assert spec.name == path.stem.replace("_", "-") or spec.name == path.stem
    shape = SHAPES[spec.dataset.name]
    check_space(spec, shape, 10)
    check_start(spec, shape, 10)


@pytest.mark.parametrize("path", BEYOND, ids=lambda path: path.stem)
def test_a_long_search_withholds_the_test_images_and_has_a_small_run(path):
    text = path.read_text("utf-8")
    (small,) = (line for line in text.splitlines() if line.startswith("# A small run:"))
    words = shlex.split(small.partition(":")[2])
    assert words[:3] == ["study", "run", f"studies/{path.name}"]
    changes = [word for word in words[3:] if "=" in word]
    changes += [f"budget.trials={words[words.index('--trials') + 1]}"]
    spec, whole = StudySpec.from_toml(path, changes), StudySpec.from_toml(path)
    assert spec.dataset.withhold_test
    assert 100 * spec.budget.trials * spec.budget.epochs < whole.budget.trials * whole.budget.epochs
    assert list(whole.objectives) == ["val_accuracy", "trainable_parameters", "macs"]


def _not_counted(_):
    """Nothing is drawn, as all that matters is given."""
    raise ValueError


def test_the_searches_start_with_dendritic_networks_and_controls():
    starts = [
        one
        for path in BEYOND
        for one in start_configurations(StudySpec.from_toml(path), _not_counted)
    ]
    kinds = {(one.architecture.label(), one.architecture.is_dendritic) for one in starts}
    assert kinds == {
        ("dann-grf D4 S96 K16", True),
        ("dann-lrf D2 S160 K16", True),
        ("dann-lrf D1 S275 K16", False),
        ("dann-lrf D16 S256 K16", True),
        ("dann-conv D5 S9 K16", True),
        ("cnn S12 K9 L2", False),
    }
