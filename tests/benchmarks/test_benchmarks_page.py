"""docs/benchmarks.md, the other pages with figures and the README, beside the results that they show."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.beyond import contender
from benchmarks.beyond.__main__ import STUDIES
from benchmarks.beyond.judgement import CONTROLS, p_counts
from benchmarks.beyond.race import Race
from benchmarks.beyond.report import GOALS, table, table_of_searches, verdicts
from benchmarks.beyond.searches import read
from benchmarks.recipes.effects import effects
from benchmarks.search import end_to_end, protocol
from benchmarks.search.summary import (
    BEGIN,
    END,
    OURS,
    least_of_others,
    needed,
    ratio,
    summary,
    times_to_propose,
)
from benchmarks.training import shared_dendrites
from benchmarks.training.__main__ import CONVOLUTIONS
from models import Architecture
from models.counting import counts_of
from paper.costs import epoch_seconds
from study import StudySpec

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE.split())
README = (ROOT / "README.md").read_text(encoding="utf-8")


def percent(trial, metric):
    return f"{100 * trial[metric]:.2f} ± {100 * trial[f'{metric}_sem']:.2f}"


def result_of(benchmark):
    return json.loads((ROOT / "benchmarks/results" / f"{benchmark}.json").read_text())


def names_machine(text, machine):
    text = " ".join(text.split())
    assert machine["processor"] in text
    for name, version in machine["versions"].items():
        assert f"{name} {version}" in text


def test_its_front_is_the_committed_result():
    result = result_of("fashion_mnist")
    table = PAGE.split("Fashion-MNIST: Pareto front")[1].split("```")[0]
    rows = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines() if " ± " in line]
    front = [trial for trial in result["trials"] if trial["on_front"]]
    front.sort(key=lambda trial: trial["trainable_parameters"])
    for cells, trial in zip(rows, front, strict=True):
        assert cells[0] == str(trial["trial"])
        assert cells[2:5] == [
            f"{trial['trainable_parameters']:,}",
            f"{trial['stored_bytes']:,}",
            percent(trial, "val_accuracy"),
        ]
        assert trial["test_accuracy"] is None  # the test images were withheld
    assert "are the official ones" in result["data"]
    stopped = sum(trial["state"] == "PRUNED" for trial in result["trials"])
    assert stopped == 6
    assert "six trials were stopped early" in PROSE
    assert f"{len(result['trials'])} trials of {result['spec']['budget']['epochs']} epochs" in PROSE
    names_machine(PAGE, result["machine"])


def test_the_noise_of_the_latency_is_the_committed_result():
    result = result_of("latency")
    text = (ROOT / "docs/diagnostics.md").read_text(encoding="utf-8")
    for row in result["networks"]:
        cells = [
            f"{part['latency_ms']:.3f} | {100 * part['spread']:.1f} % | {100 * part['sem']:.1f} %"
            for part in (row["alone"], row["busy"])
        ]
        assert f"| {row['network']} | {' | '.join(cells)} |\n" in text
        assert max(part["spread"] for part in (row["alone"], row["busy"])) < 0.01
    assert f"Measured on {result['machine']['processor']} " in text


def test_its_speeds_are_the_committed_result():
    result = result_of("training")
    text = " ".join((ROOT / "docs/training.md").read_text(encoding="utf-8").split())
    for row in result["alone"]:
        ours, torchs, dense = (
            row["epoch"][name]["processor"] for name in ("compiled", "torch", "masked_dense")
        )
        line = f"| {row['dendrites']}, {row['somata']} | {ours:.3f} | {torchs:.2f} | {dense:.2f} | "
        line += f"{torchs / ours:.1f}x | {dense / ours:.1f}x | "
        line += f"{100 * row['floor']['multiply_adds']:.0f} % |"
        assert line in text
    busy = [
        row["epoch"]["torch"]["processor"] / row["epoch"]["compiled"]["processor"]
        for row in result["beside a busy core"]
    ]
    assert "{:.1f}x, {:.1f}x, {:.1f}x and {:.1f}x".format(*busy) in text
    five, one = (result["several"][name]["processor"] for name in ("five", "one"))
    assert f"Five replicates take {five / one:.1f} times the processor seconds of one" in text
    five, one = (result["several"][name]["wall"] for name in ("five", "one"))
    assert f"Five replicates on two threads take {five / one:.1f} times as long as one" in text
    first, later = (result["loading"][name]["processor"] for name in ("first", "later"))
    waits = f"A process waits {later:.2f} core seconds for the compiled code, the first one on a machine"
    assert f"{waits} {first:.0f} for the compiler" in text
    names_machine(text, result["machine"])


def test_its_shared_dendrites_are_the_committed_result():
    result = result_of("shared_dendrites")
    text = (ROOT / "docs/networks.md").read_text(encoding="utf-8")
    assert shared_dendrites.table(result) in text
    names_machine(text, result["machine"])


def test_whole_studies_took_what_the_page_says():
    result = result_of("training_studies")
    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    for name, title in (("digits", "digits"), ("fashion_mnist", "Fashion-MNIST")):
        cells = " | ".join(
            f"{spent['processor']:.0f} core s, {spent['wall']:.0f} s"
            for spent in result["studies"][name].values()
        )
        assert re.search(rf"\| {title}, [^|]* \| {cells} \|", text)
    names_machine(text, result["machine"])


def test_the_options_in_the_docs_are_worth_what_was_measured():
    result = result_of("defaults")
    assert "are the official ones" in result["data"]
    text = (ROOT / "docs/training.md").read_text()
    values = {}
    for row in result["rows"]:
        said = ", ".join(f"{key} {value}" for key, value in row["changes"].items()) or "unchanged"
        measured = row["val_accuracy"]
        shown = f"{100 * measured['mean']:.2f} ± {100 * measured['sem']:.2f}"
        values.setdefault(said, {})[row["family"]] = shown
    for said, shown in values.items():
        columns = [shown.get(family, "") for family in ("dann-lrf", "dann-r")]
        assert f"| {said} | {columns[0]} | {columns[1]} |" in text
    names_machine(text, result["machine"])


def test_the_searches_are_the_committed_result():
    result = result_of("search")
    page = (ROOT / "docs/search_benchmark.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n\n{summary(result)}\n\n{END}" in page
    names_machine(page, result["machine"])


def test_a_study_beside_the_script_is_the_committed_result():
    result = result_of("end_to_end")
    page = (ROOT / "docs/search_benchmark.md").read_text(encoding="utf-8")
    _, section = page.split("## Comparison with a script")
    assert "\n".join(end_to_end.table(result)) in section
    names_machine(section, result["machine"])


def test_the_settings_of_the_searches_are_those_that_tuning_chose():
    page = (ROOT / "docs/search_benchmark.md").read_text(encoding="utf-8")
    chosen = {name: one for name, one in protocol.tuned_settings().items() if one}
    assert len(chosen) > 5
    for name, settings in chosen.items():
        said = ", ".join(f"{key} {value}" for key, value in settings.items())
        assert f"| {name} | {said} |" in page


def test_what_the_machinery_costs_is_the_committed_result():
    result = result_of("overhead")
    raw = result["trial"]["raw"]["ms"]
    shown = {
        "plain Ray Tune": "raw",
        "Ray Tune with its own Optuna and MLflow": "stock",
        "ours, sampler random": "random none every",
        "ours, sampler ehvi": "ehvi none every",
        "ours, sampler ehvi, halving": "ehvi pareto rung",
    }
    for said, kind in shown.items():
        cost = result["trial"][kind]["ms"]
        assert f"| {said} | {cost:.1f} | {cost / raw:.1f}x |" in PAGE
    for one in result["growth"].values():
        first, last = (window["ms"] for window in one["growth"].values())
        assert f"{last / first:.1f} times that at 100" in PROSE
    marks = result["decision"]["ehvi"]["marks"]
    ask, report, tell = (
        f"{marks['10000'][kind]['median'] / 1000:.1f}" for kind in ("ask", "report", "tell")
    )
    times = f"{ask} ms for a proposal, {report} ms for ranking a report and {tell} ms for a final result"
    assert times in PROSE
    assert f"{marks['1000']['memory_mb']:.0f} MiB at 1,000" in PROSE
    assert f"to {marks['10000']['memory_mb']:.0f} MiB" in PROSE


def test_what_recording_costs_is_the_committed_result():
    result = result_of("tracking")
    for store in ("sqlite", "server with PostgreSQL"):
        ours, rays = (result[store][kind] for kind in ("ours", "rays"))
        said = store.replace("sqlite", "SQLite")
        line = f"| {said} | {ours['mean_ms']:.3f} | {rays['mean_ms']:.1f} | "
        line += f"{ours['points_a_second']:,.0f} | {rays['points_a_second']:,.0f} |"
        assert line in PAGE
    names_machine(PAGE, result["machine"])


def test_how_long_answers_take_is_the_committed_result():
    result = result_of("answers")
    seconds = result["seconds"]["10000"]
    for question, taken in seconds["sqlite"].items():
        if question in seconds["server"] and question not in ("knee", "best 5 of a family"):
            assert f" | {taken:.2f} | {seconds['server'][question]:.2f} |" in PAGE, question
    names_machine(PAGE, result["machine"])


def test_what_the_page_says_of_the_first_search_is_what_was_recorded():
    stored = result_of("beyond/searches/beyond")
    trials, dendritic = sum(stored["trials"].values()), stored["trials"]["dendritic"]
    assert f"Of its {trials} trials {trials - dendritic} were controls" in PROSE
    small = [one for one in stored["complete"] if one["trainable_parameters"] <= 8_000]
    assert [one["group"] for one in small].count("dendritic") == 2
    assert (
        "just two dendritic networks of at most 8,000 parameters were trained to the end" in PROSE
    )


def test_its_race_is_the_committed_result():
    result = result_of("beyond")
    rows = result["rows"]
    assert table(rows) in PAGE
    assert verdicts(p_counts(rows)) in PAGE
    names_machine(PAGE, result["machine"])


def test_no_convolution_dominates_a_dendritic_network_of_few_multiply_accumulates():
    rows = result_of("beyond")["rows"]
    dendritic = [
        row for row in rows if row["group"] == contender.DENDRITIC and row["macs"] <= 50_000
    ]
    convolutions = [row for row in rows if row["group"] == contender.CONVOLUTIONS]
    assert dendritic
    for one in dendritic:
        for other in convolutions:
            if other["macs"] <= one["macs"]:
                assert other["test_accuracy"] < one["test_accuracy"]


def test_what_the_pages_say_of_the_race_is_its_result():
    rows = result_of("beyond")["rows"]
    won = {(row["metric"], row["bound"], row["group"]): row for row in rows}

    def test(bound, group, metric="trainable_parameters"):
        return f"{100 * won[metric, bound, group]['test_accuracy']:.2f}"

    reached = [test(bound, contender.DENDRITIC) for bound in GOALS]
    aims = [f"{100 * goal:.1f}" for goal in GOALS.values()]
    assert (
        f"{', '.join(reached[:3])} and {reached[3]} % against {', '.join(aims[:3])} and " in PROSE
    )
    controls = [abs(row["ahead"]["value"]) for row in rows if row["group"] in CONTROLS]
    assert max(controls) < 0.006
    lost = [100 * (row["val_accuracy"] - row["test_accuracy"]) for row in rows]
    assert f"{min(lost):.1f} to {max(lost):.1f} points less accurate on test images" in PROSE
    small = [won["trainable_parameters", bound, contender.CONVOLUTIONS] for bound in (8000, 30_000)]
    assert [f"{-100 * row['ahead']['value']:.1f}" for row in small] == ["1.1", "1.1"]
    few = won["macs", 50_000, contender.CONVOLUTIONS]
    shared = won["macs", 50_000, contender.SHARED]
    assert f"{100 * few['ahead']['value']:.2f} points ahead of the convolutional one" in PROSE
    assert f"at {shared['macs']:,} multiply-accumulates, the dendritic one has" in PROSE
    assert f"has {test(50_000, contender.SHARED, 'macs')} %, and a convolutional one" in PROSE
    assert f"of {few['macs']:,} has {test(50_000, contender.CONVOLUTIONS, 'macs')} %" in PROSE
    networks = " ".join((ROOT / "docs/networks.md").read_text(encoding="utf-8").split())
    of_shared, of_cnn = test(8000, contender.SHARED), test(8000, contender.CONVOLUTIONS)
    assert f"{of_cnn} against {of_shared} % on test images with at most 8,000" in networks
    of_shared, of_cnn = (
        test(50_000, group, "macs") for group in (contender.SHARED, contender.CONVOLUTIONS)
    )
    assert f"at most 50,000 multiply-accumulates {of_cnn} against {of_shared} %, with" in networks
    trials = {row["group"]: row["trials"] for row in rows}
    text = " ".join(README.split())
    assert f"The best of {sum(trials.values())} trials" in text
    assert f"{trials[contender.CONVOLUTIONS]} of them convolutional" in text
    for group in (contender.DENDRITIC, *CONTROLS):  # up to 100,000 multiply-accumulates
        for other in (row for row in rows if row["group"] == contender.CONVOLUTIONS):
            own = [row for row in rows if row["group"] == group and row["macs"] <= other["macs"]]
            best = max(row["test_accuracy"] for row in own)
            assert (best > other["test_accuracy"]) == (other["macs"] <= 100_000), group


def test_what_the_page_says_of_spaces_and_recipes_is_what_was_searched():
    spec = StudySpec.from_toml(ROOT / "studies/beyond_dendritic.toml")
    sizes = {
        "somata": spec.space.somata.high,
        "synapses": max(spec.space.synapses.values),
        "layers": max(spec.space.layers.values),
    }
    for family, branches, text in (
        ("dann-grf", {"dendrites": 1}, "contains no network with one branch above {:,} parameters"),
        ("locally-connected", {}, "and none without dendrites but with local inputs above {:,}"),
    ):
        largest = Architecture(family=family, **sizes, **branches)
        assert text.format(counts_of(largest, (1, 28, 28), 10)[0]) in PROSE
    later = [result_of(f"beyond/searches/{name}")["trials"] for name in STUDIES[1:]]
    counts = [sum(trials.values()) for trials in later[:-1]]
    assert f"in {counts[0]}, {counts[1]} and {counts[2]} trials" in PROSE
    convolutions = later[-1].pop(contender.CONVOLUTIONS)
    rest = sum(later[-1].values())
    controls = rest - later[-1][contender.SHARED]
    assert f"has {convolutions} trials of cnn and {rest} of dann-conv, {controls} of them" in PROSE
    rows = result_of("beyond")["rows"]
    for row in rows:
        if row["group"] not in (contender.SHARED, contender.CONVOLUTIONS):
            recipe = row["training"]
            assert (recipe["weight_decay"], recipe["average"]) == (0.01, 0.999)
            assert (recipe["shift"], recipe["flip"]) == (0, 0)
    dendritic = [row for row in rows if row["group"] == contender.DENDRITIC]
    rewired = [row["bound"] for row in dendritic if row["architecture"]["rewiring"]]
    assert rewired == [8_000, 30_000, 50_000]
    assert all(row["training"]["teacher"] == "none" for row in rows)
    gains = {
        one.family: one.mean
        for one in effects(result_of("recipes")["rows"])
        if (one.bound, one.recipe) == (100_000, "teacher")
    }
    said = f"{gains['dann-grf']:+.2f} and {gains['dann-lrf']:+.2f} points of validation accuracy"
    assert said in PROSE


def test_convolutions_are_said_to_be_tuned_less_where_they_are():
    _, complete = read(ROOT / "benchmarks/results/beyond", STUDIES)
    small = Counter(
        contender.group_of(Architecture(**one.architecture))
        for one in complete
        if one.macs <= 50_000
    )
    groups = (contender.CONVOLUTIONS, contender.DENDRITIC, contender.ONE_BRANCH, contender.LINEAR)
    cnn, dendritic, one_branch, linear = (small[group] for group in groups)
    assert (
        f"{cnn} of their complete trials have so few, of dendritic networks {dendritic}, of one branch "
        f"{one_branch} and of linear branches {linear}."
    ) in PROSE


def test_its_searches_of_the_best_networks_are_those_recorded():
    folder = ROOT / "benchmarks/results/beyond"
    recorded = [name for name in STUDIES if (folder / f"searches/{name}.json").exists()]
    assert table_of_searches(Race.of(folder, recorded)) in PAGE
    for name in recorded:
        names_machine(PAGE, result_of(f"beyond/searches/{name}")["machine"])


def test_the_numbers_of_the_readme_are_those_of_the_results():
    text = " ".join(README.split())
    searches = result_of("search")
    runs = searches["runs"]["fashion_mnist_20000"]
    boxes = runs[OURS]["0"]["boxes"]
    epochs = [
        float(np.median(needed(runs[OURS], box)) / np.median(needed(runs["botorch"], box)))
        for box in boxes
    ]
    assert all(0.85 < one < 1.1 for one in epochs), "in about as many epochs as BoTorch"
    macs = [ratio(runs[OURS], runs["botorch"], box, "macs")[0] for box in boxes]
    assert f"with {min(macs):.1f} to {max(macs):.1f} times the multiply-accumulates" in text
    slow, quick = times_to_propose(searches)
    assert f"its proposals take {quick:.0f} ms, BoTorch's {slow:.0f} ms" in text
    assert f"Every other search needs at least {least_of_others(searches):.1f} times the" in text
    beside = [line.split(" | ")[-1] for line in end_to_end.table(result_of("end_to_end"))]
    ours, script = (cell.removesuffix(" |") for cell in beside[2:4])
    assert f"reaches a given front in {ours} s" in text
    assert f"MLflow in more than {script.removeprefix('> ')} s (medians of 5;" in text
    (row,) = (
        one
        for one in result_of("training")["alone"]
        if (one["dendrites"], one["somata"]) == (4, 128)
    )
    seconds = {name: times["processor"] for name, times in row["epoch"].items()}
    faster = {name: value / seconds["compiled"] for name, value in seconds.items()}
    assert (
        f"takes {seconds['compiled']:.2f} s on one core, {faster['torch']:.1f} times as long in torch, "
        f"and {faster['masked_dense']:.1f} times as long with masked dense layers"
    ) in text
    trial = result_of("overhead")["trial"]
    ours, raw = trial["random none every"]["ms"], trial["raw"]["ms"]
    assert f"and {ours:.1f} ms with random sampling, {ours / raw:.1f} times ([benchmarks]" in text
    ours = trial["ehvi pareto rung"]["ms"]
    assert f"is {ours:.1f} ms with the default search, {ours / raw:.1f} times that of plain" in text


def test_what_the_search_page_says_of_confirmed_values_is_the_committed_result():
    page = " ".join((ROOT / "docs/search_method.md").read_text(encoding="utf-8").split())
    front = result_of("confirmation")["front"]
    best = max(front, key=lambda trial: trial["val_accuracy"])
    lower = [
        100 * difference
        for trial in front
        if (difference := trial["val_accuracy"] - trial["confirmed_val_accuracy"]) > 0
    ]
    search, own = 100 * best["val_accuracy"], 100 * best["confirmed_val_accuracy"]
    assert f"{search:.2f} % in the search and {own:.2f} % with ten further seeds" in page
    assert f"seeds, {search - own:.2f} points less. Of the {len(front)} trials" in page
    assert f"{len(lower)} are less accurate" in page
    assert f"by {np.mean(lower):.2f} points on average" in page
    smallest = min(front, key=lambda trial: trial["trainable_parameters"])
    gain = 100 * (smallest["confirmed_val_accuracy"] - smallest["val_accuracy"])
    assert f"is {gain:.2f} points more accurate" in page


def test_the_cost_of_recipes_is_that_of_the_result():
    result = json.loads((ROOT / "benchmarks/results/training.json").read_text(encoding="utf-8"))
    sizes = [row for row in result["recipes"].values() if "bare" in row]
    ratios = [
        timed["processor"] / row["bare"]["processor"]
        for row in sizes
        for name, timed in row.items()
        if name != "bare"
    ]
    text = " ".join((ROOT / "docs/training.md").read_text(encoding="utf-8").split())
    assert f"takes {min(ratios):.2f} to {max(ratios):.2f} times the processor seconds" in text
    assert max(ratios) <= 1.2


def test_the_speed_of_dense_layers_is_that_of_the_result():
    result = json.loads((ROOT / "benchmarks/results/training.json").read_text(encoding="utf-8"))
    rows = [row for row in result["dense"].values() if "torch" in row]
    one, four, largest, sparse = (
        f"{row['torch']['processor'] / row['compiled']['processor']:.1f}" for row in rows
    )
    text = " ".join((ROOT / "docs/training.md").read_text(encoding="utf-8").split())
    assert (
        f"torch takes {one} times as long for `vann` at (1, 32), {four} times at (4, 128)" in text
    )
    assert f"{largest} times at (4, 512), and {sparse} times for `pdann` at (4, 128)" in text


def test_the_speed_of_convolutions_is_that_of_the_result_and_of_the_plan():
    result = json.loads((ROOT / "benchmarks/results/training.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    for architecture in CONVOLUTIONS:
        row = result["convolutions"][architecture.label()]
        ours, torchs = (row[name]["processor"] for name in ("compiled", "torch"))
        cells = f"{ours:.2f} | {torchs:.1f} | {torchs / ours:.1f}x"
        assert f"| {architecture.label()} | {cells} |" in page
        _, macs = counts_of(architecture, (1, 28, 28), 10)
        assert 0.6 < ours / epoch_seconds(architecture, macs) < 1.7
