"""Claims judged by rows made by hand."""

import json

import numpy as np
import pytest
from scipy import stats

from paper.choices import Choice, Role
from paper.claims import Claims
from paper.evidence import Evidence
from paper.hypothesis_tests import holm
from paper.judge import Result, _decided, judge
from paper.plan import RACE_SEED
from paper.table import read, unpacked, write

IMAGES = 10_000
ROLES = {
    name: {"study": "one", "family": family, "where": {"noise": noise}}
    for name, family, noise in (
        ("ours", "dann-r", 0),
        ("theirs", "vann", 0),
        ("ours noisy", "dann-r", 1),
        ("theirs noisy", "vann", 1),
    )
}
BETTER = {"test": "better", "network": ROLES["ours"], "reference": ROLES["theirs"]}


def claim(name, group="A", **table):
    about = {"id": name, "label": name, "group": group, "source": "Table 1", "assumed": {}}
    return about | table


TRIALS = {(role["family"], role["where"]["noise"]): n for n, role in enumerate(ROLES.values())}


def rows(
    family, accuracy, *, noise=0, trial=None, seeds=5, loss=0.5, parameters=1000, stage="test"
):
    trial = TRIALS[family, noise] if trial is None else trial
    generator = np.random.default_rng([int(1e4 * accuracy), noise, trial, len(family)])
    for seed in range(seeds):
        correct = generator.random(IMAGES) < accuracy
        losses = (loss * (1 + 0.1 * generator.standard_normal(IMAGES))).astype(np.float16)
        diagnostics = {"entropy": accuracy, "entropy_sem": 0.01}
        yield {
            "data": "fashion_mnist",
            "study": "one",
            "stage": stage,
            "trial": trial,
            "seed": seed,
            "family": family,
            "settings": json.dumps({"noise": noise}),
            "trainable_parameters": parameters,
            "macs": parameters,
            "stored_bytes": 4 * parameters,
            "test_accuracy": correct.mean(),
            "test_loss": loss,
            "images": IMAGES,
            "correct": np.packbits(correct).tobytes(),
            "val_loss_curve": [1.0, 0.5 + accuracy],
            "train_loss_curve": [1.0, 0.5 + 0.001 * seed],
            "losses": losses.tobytes(),
            "diagnostics": json.dumps(diagnostics),
        }


def evidence(tmp_path, made, configurations=40):
    write((row for part in made for row in part), tmp_path / "networks-fashion_mnist.parquet")
    choices = [
        Choice(
            role=Role(**role),
            study="one-fashion_mnist",
            trial=trial,
            raced=None,
            pooled=0.9,
            configurations=configurations,
        )
        for trial, role in enumerate(ROLES.values())
    ]
    return Evidence(read(tmp_path / "networks-fashion_mnist.parquet"), choices)


@pytest.fixture
def usual(tmp_path):
    made = [
        rows("dann-r", 0.90, loss=0.3),
        rows("vann", 0.88, loss=0.4),
        rows("dann-r", 0.80, noise=1),
        rows("vann", 0.78, noise=1),
        rows("dann-r", 0.7, stage="search"),
        rows("vann", 0.2, stage="search"),
    ]
    return evidence(tmp_path, made)


def judged(found, *tables):
    groups = {one["group"]: {"says": ""} for one in tables}
    claims = Claims.model_validate({"claims": tables, "groups": groups}).claims
    return {one.id: one for one in judge(claims, found)}


def test_outcomes_come_back_from_the_file(usual):
    (row,) = rows("dann-r", 0.90, seeds=1)
    outcomes = usual.outcomes(Role(**ROLES["ours"]), "fashion_mnist", "accuracy")
    assert outcomes.shape == (5, IMAGES)
    assert np.array_equal(outcomes[0], unpacked(row["correct"], IMAGES))


def test_a_difference_holds_or_does_not_and_a_small_margin_leaves_it_undecided(usual):
    other = {"test": "better", "network": ROLES["theirs"], "reference": ROLES["ours"]}
    found = judged(
        usual,
        claim("holds", **BETTER),
        claim("fails", **other),
        claim("by-a-third", "B", **{**BETTER, "metric": "loss"}, margin=1 / 3),
    )
    assert found["holds"].verdict == "holds"
    assert found["holds"].value == pytest.approx(0.02, abs=0.005)
    assert found["holds"].low < found["holds"].value < found["holds"].high
    assert found["fails"].verdict == "does not hold"
    ratio = found["by-a-third"]
    assert ratio.value == pytest.approx(4 / 3, rel=0.01)
    assert ratio.verdict == "undecided"


def test_a_lead_that_noise_does_not_change_is_no_robustness(usual):
    table = {
        "test": "interaction",
        "network": ROLES["ours noisy"],
        "reference": ROLES["theirs noisy"],
        "network_before": ROLES["ours"],
        "reference_before": ROLES["theirs"],
    }
    grows = judged(usual, claim("grows", **table))["grows"]
    assert grows.verdict == "undecided"
    assert grows.low < 0 < grows.high < 0.05
    # The curves are parallel within five points.
    relevantly = judged(usual, claim("grows", **table, relevant=0.05))["grows"]
    assert relevantly.verdict == "does not hold"


def test_agreement_is_with_the_published_value_within_the_tolerance(usual):
    agree = {"test": "agreement", "network": ROLES["ours"], "published_sd": 0.001}
    found = judged(
        usual,
        claim("near", **agree, published=0.90, tolerance=0.01),
        claim("far", "B", **{**agree, "network": ROLES["theirs"]}, published=0.90, tolerance=0.01),
        claim(
            "close",
            "C",
            **{**agree, "network": ROLES["ours noisy"]},
            published=0.79,
            tolerance=0.01,
        ),
    )
    verdicts = {name: one.verdict for name, one in found.items()}
    assert verdicts == {"near": "holds", "far": "does not hold", "close": "undecided"}


def test_diagnostics_are_compared_over_seeds(usual):
    table = {"test": "diagnostic", "metric": "entropy"}
    table |= {"network": ROLES["ours"], "reference": ROLES["theirs"]}
    found = judged(usual, claim("entropy", **table))["entropy"]
    assert (found.verdict, found.value, found.seeds) == ("holds", pytest.approx(0.5), (5, 5))


def test_a_trend_is_over_all_configurations(tmp_path):
    made = [
        rows("vann", 0.9, trial=number, loss=0.3 + number / 100, parameters=1000 * (1 + number))
        for number in range(8)
    ]
    table = {"test": "trend", "networks": ROLES["theirs"]}
    found = judged(
        evidence(tmp_path, made),
        claim("rises", **table),
    )["rises"]
    assert (found.verdict, found.value) == ("holds", pytest.approx(1.0))


def test_what_was_searched_too_little_or_never_tested_is_not_refuted(tmp_path, usual):
    sure = claim("sure", **BETTER, configurations=41)
    assert judged(usual, sure)["sure"].verdict == "not searched"
    unknown = {**BETTER, "reference": {"study": "two", "family": "vann"}}
    assert judged(usual, claim("unknown", **unknown))["unknown"].verdict == "not run"
    untested = evidence(tmp_path, [rows("vann", 0.9)], configurations=40)
    assert judged(untested, claim("untested", **BETTER))["untested"].verdict == "not run"


def test_overfitting_is_that_of_the_last_epoch(usual):
    roles = {"network": ROLES["theirs"], "reference": ROLES["ours"]}
    found = judged(usual, claim("gap", test="overfitting", **roles))["gap"]
    assert (found.verdict, found.seeds) == ("holds", (5, 5))
    assert found.value == pytest.approx(0.02)  # vann has the lower loss on validation images


def test_slopes_of_the_loss_over_the_size_are_compared(tmp_path):
    slopes = {"vann": 0.2, "dann-r": -0.1}
    noise = np.random.default_rng(0).normal(0, 0.01, 20)
    made = [
        rows(
            family,
            0.9,
            trial=number,
            loss=float(0.3 * size**slope + noise[number]),
            parameters=size,
        )
        for family, slope in slopes.items()
        for number, size in enumerate((100, 200, 500, 1000, 3000, 10_000))
    ]
    roles = {"network": ROLES["ours"], "reference": ROLES["theirs"]}
    found = judged(evidence(tmp_path, made), claim("slope", test="slope", **roles))["slope"]
    assert found.verdict == "holds"
    assert found.value == pytest.approx(0.3, abs=0.03)
    assert found.low < 0.3 < found.high


def test_a_claim_about_the_same_networks_is_not_counted_twice(usual):
    same = {**BETTER, "network": {**ROLES["ours"], "max_parameters": 10**9}}
    usual = Evidence(
        usual._rows,  # noqa: SLF001  # the same evidence, and a role that the same network fills
        [*usual._choices, usual._choices[0].model_copy(update={"role": Role(**same["network"])})],  # noqa: SLF001
    )
    found = judged(usual, claim("a", **BETTER), claim("b", "B", **same))
    assert [one.verdict for one in found.values()] == ["holds", "holds"]
    assert (found["b"].p, found["b"].repeats) == (None, "a")


def test_claims_that_are_run_later_are_counted_in_the_correction(usual):
    later = {**BETTER, "reference": {"study": "two", "family": "vann"}, "configurations": 1}
    first = claim("a", **BETTER, margin=0.015)
    alone = judged(usual, first)["a"]
    other = {**later, "metric": "loss"}
    found = judged(usual, first, claim("b", **later), claim("c", **other))
    assert found["a"].p == pytest.approx(min(3 * alone.p, 1))
    assert found["b"].p is None


def test_a_choice_is_of_the_data_set_of_its_claim(usual):
    role = Role(**ROLES["ours"])
    assert usual.choice(role, "fashion_mnist").trial == 0
    assert usual.choice(role, "cifar10") is None


def test_p_are_corrected_within_a_group_and_not_beyond(usual):
    noisy = {**BETTER, "network": ROLES["ours noisy"], "reference": ROLES["theirs noisy"]}
    first = claim("a", **BETTER, margin=0.015)
    second = claim("b", **noisy, margin=0.01)
    other = claim("c", "B", **noisy, metric="loss")
    alone = [judged(usual, one)[one["id"]] for one in (first, second, other)]
    together = judged(usual, first, second, other)
    for name in ("p", "p_against"):
        expected = holm([getattr(one, name) for one in alone[:2]])
        assert [getattr(together[one], name) for one in "ab"] == pytest.approx(expected)
        assert getattr(together["c"], name) == getattr(alone[2], name)


def test_what_seeds_have_in_common_is_no_error_of_a_difference(tmp_path):
    """The rows come in any order; seeds of other numbers have nothing in common."""
    better, worse = (list(rows(family, 0.9)) for family in ("dann-r", "vann"))
    generator = np.random.default_rng(0)
    for seed, (first, second) in enumerate(zip(better, worse, strict=True)):
        luck = 0.5 + 0.1 * seed  # in both of them
        for row, lead in ((first, 0.02), (second, 0.0)):
            correct = generator.random(IMAGES) < luck + lead
            row["correct"] = np.packbits(correct).tobytes()
    others = [row | {"seed": row["seed"] + 7} for row in worse]
    together, apart = (
        judged(evidence(tmp_path / name, [better[::-1], second]), claim("better", **BETTER))
        for name, second in (("same", worse), ("others", others))
    )
    assert together["better"].verdict == "holds"
    assert apart["better"].verdict == "undecided"
    assert together["better"].value == pytest.approx(apart["better"].value)


def test_a_margin_decides(usual):
    other = {"test": "better", "network": ROLES["theirs"], "reference": ROLES["ours"]}
    for table, margin, verdict in ((BETTER, 0.05, "does not hold"), (other, -0.05, "holds")):
        assert judged(usual, claim("a", **table, margin=margin))["a"].verdict == verdict


def test_an_interaction_holds_from_nothing_on_and_is_refuted_below_what_is_relevant(tmp_path):
    noisy = [rows("dann-r", 0.83, noise=1), rows("vann", 0.78, noise=1)]
    found = evidence(tmp_path, [rows("dann-r", 0.90), rows("vann", 0.88), *noisy])
    roles = {
        "network": ROLES["ours noisy"],
        "reference": ROLES["theirs noisy"],
        "network_before": ROLES["ours"],
        "reference_before": ROLES["theirs"],
    }
    grows = claim("grows", test="interaction", relevant=0.05, **roles)
    assert judged(found, grows)["grows"].verdict == "holds"


@pytest.mark.parametrize(
    ("p", "p_against", "verdict"),
    [
        (0.025, 1.0, "holds"),
        (0.0253, 1.0, "undecided"),
        (1.0, 0.025, "does not hold"),
        (1.0, 0.0253, "undecided"),
    ],
)
def test_the_level_decides(p, p_against, verdict):
    made = Result(id="a", group="A", verdict="undecided", p=p, p_against=p_against)
    assert _decided(made).verdict == verdict


def test_the_role_with_the_fewest_configurations_tells_whether_a_claim_was_searched(usual):
    few = Evidence(
        usual._rows,  # noqa: SLF001  # the same networks
        [
            one.model_copy(update={"configurations": 44 if number != 1 else 4})
            for number, one in enumerate(usual._choices)  # noqa: SLF001  # chosen from fewer
        ],
    )
    verdict = judged(few, claim("a", **BETTER, configurations=5))["a"].verdict
    assert verdict == "not searched"


def test_a_diagnostic_has_the_interval_of_welchs_test(usual):
    table = {"test": "diagnostic", "metric": "entropy"}
    found = judged(usual, claim("e", **table, network=ROLES["ours"], reference=ROLES["theirs"]))[
        "e"
    ]
    width = stats.t.ppf(0.975, 8) * np.hypot(0.01, 0.01)
    assert found.high - found.value == pytest.approx(width)


def test_overfitting_is_compared_by_seed(usual):
    roles = {"network": ROLES["theirs"], "reference": ROLES["ours"]}
    found = judged(usual, claim("gap", test="overfitting", **roles))["gap"]
    assert found.high - found.low < 1e-6  # the differences by seed are equal, the networks are not


def test_networks_of_race_and_search_are_told_apart(tmp_path):
    own = list(rows("dann-r", 0.9))
    race = [one | {"seed": RACE_SEED + one["seed"]} for one in rows("dann-r", 0.5)]
    found, role = evidence(tmp_path, [own, race]), Role(**ROLES["ours"])
    choice = found._choices[0].model_copy(update={"raced": 0})  # noqa: SLF001  # after a race
    raced = Evidence(found._rows, [choice])  # noqa: SLF001  # the same networks
    assert found.tested(role, "fashion_mnist")["seed"].tolist() == [0, 1, 2, 3, 4]
    expected = [RACE_SEED + number for number in range(5)]
    assert raced.tested(role, "fashion_mnist")["seed"].tolist() == expected
    means = found.configurations(role, "fashion_mnist")["test_accuracy"].tolist()
    assert means == [pytest.approx(0.9, abs=0.01)]
