"""The judgement of the winners on the test images, which are read here for the first time, and once.

What was chosen is written before: `choice.json` in the folder of the race has the winners and the
SHA-256 of the race's state; another choice is refused afterwards. What was found is in
`judgement.json`, and is not found again.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
import torch

from benchmarks import markdown
from benchmarks.beyond.contender import (
    CONVOLUTIONS,
    DENDRITIC,
    GROUPS,
    LINEAR,
    ONE_BRANCH,
    OTHERS,
    SHARED,
    Contender,
)
from benchmarks.beyond.race import BOUNDS, Race
from models import load_network
from study import Dataset, StudyError, evaluate, figure_layout
from study.report.style import BLACK, BLUE, GREEN, GREY, VERMILLION
from study.training.evaluation import Estimate

CHOICE: Final = "choice.json"
JUDGEMENT: Final = "judgement.json"

GOALS: Final = {8_000: 0.903, 30_000: 0.910, 100_000: 0.918, 300_000: 0.923}
"""The test accuracies that dendritic networks are to reach, by the bound on their parameters."""

_UNITS: Final = {"trainable_parameters": "parameters", "macs": "MACs"}

# Two more of Okabe and Ito's palette.
_ORANGE: Final = "#E69F00"
_SKY: Final = "#56B4E9"
_STYLES: Final = {
    DENDRITIC: (VERMILLION, "circle", "solid"),
    SHARED: (_ORANGE, "square", "solid"),
    ONE_BRANCH: (BLUE, "diamond", "dash"),
    LINEAR: (_SKY, "cross", "dash"),
    CONVOLUTIONS: (BLACK, "triangle-up", "dot"),
    OTHERS: (GREEN, "x", "dot"),
}


def choose(race: Race, folder: Path) -> list[dict[str, Any]]:
    """Writes the winners into `choice.json`; raises StudyError if others were chosen before."""
    rows = [
        {"metric": metric, "bound": bound, "group": group, "trials": race.searches.trials[group]}
        | _row(winner)
        for (metric, bound, group), winner in race.winners().items()
    ]
    state = (folder / "race.json").read_bytes()
    choice = {"race": hashlib.sha256(state).hexdigest(), "winners": rows}
    file = folder / CHOICE
    if not file.exists():
        file.write_text(json.dumps(choice, indent=1) + "\n", encoding="utf-8")
    if json.loads(file.read_text(encoding="utf-8")) != choice:
        raise StudyError(f"{file} has another choice: the race must not go on after the judgement")
    return rows


def _row(winner: Contender) -> dict[str, Any]:
    mean, sem = winner.pooled()
    return {
        "contender": winner.key,
        "network": winner.label,
        "architecture": winner.architecture,
        "training": winner.training,
        "trainable_parameters": winner.trainable_parameters,
        "macs": winner.macs,
        "seeds": winner.seeds,
        "val_accuracy": mean,
        "val_accuracy_sem": sem,
    }


def judge(
    race: Race, rows: list[dict[str, Any]], load: Callable[[], Dataset], folder: Path
) -> list[dict[str, Any]]:
    """The rows of a choice with the test accuracies of their networks of fresh seeds.

    `load` reads the data set with its test images; it is not called if the folder has the judgement.
    """
    file = folder / JUDGEMENT
    if file.exists():
        stored: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        return stored
    test = load().test
    judged = []
    for row in rows:
        folders = race.networks(race.contenders[row["contender"]])
        accuracies = torch.cat([evaluate(load_network(folder), test)[0] for folder in folders])
        estimate = Estimate.over(accuracies, len(test.labels))
        measured = {"test_accuracy": estimate.mean, "test_accuracy_sem": estimate.sem}
        judged.append(row | measured | {"test_accuracies": accuracies.tolist()})
    file.write_text(json.dumps(judged, indent=1) + "\n", encoding="utf-8")
    return judged


def check_first(result: Path, folder: Path) -> str:
    """The SHA-256 of the race; raises StudyError if the result is that of another one.

    Else a second race would be chosen with what the test images said of the first one.
    """
    own: str = json.loads((folder / CHOICE).read_text(encoding="utf-8"))["race"]
    if result.exists():
        other = json.loads(result.read_text(encoding="utf-8"))["race"]
        if other != own:
            raise StudyError(
                f"the test images are read for one race alone, got a judgement of race {other} in "
                f"{result}, and race {own} in {folder}"
            )
    return own


def table_of_searches(race: Race) -> str:
    """The most accurate network of each group under each bound in the searches, as a Markdown table.

    Validation accuracies in percent with standard errors; as the best of many, they are optimistic.
    """
    best = {place: heat[0].search for place, heat in race.heats().items()}
    rows = []
    for group in GROUPS:
        cells = [group, str(race.searches.trials.get(group, 0))]
        for metric, bound in BOUNDS:
            found = best.get((metric, bound, group))
            cells.append(_percent(*found[:2]) if found else "")
        rows.append(cells)
    bounds = [f"{bound:,} {_UNITS[metric]}" for metric, bound in BOUNDS]
    return "\n".join(markdown.table(markdown.row(["group", "trials", *bounds]), rows))


def table(rows: list[dict[str, Any]]) -> str:
    """The judged rows as a Markdown table; accuracies in percent with standard errors."""
    cells = []
    for row in rows:
        goal = _goal(row)
        cells.append(
            [
                f"{row['bound']:,} {_UNITS[row['metric']]}",
                row["group"],
                f"{row['trials']}",
                row["network"],
                f"{row['trainable_parameters']:,}",
                f"{row['macs']:,}",
                _percent(row["val_accuracy"], row["val_accuracy_sem"]),
                _percent(row["test_accuracy"], row["test_accuracy_sem"]),
                "" if goal is None else f"{100 * goal:.1f}",
            ]
        )
    head = (
        "| at most | group | trials | network | parameters | MACs | validation % | test % | goal |"
    )
    return "\n".join(markdown.table(head, cells))


def figure(rows: list[dict[str, Any]]) -> go.Figure:
    """Test accuracies over the parameters, of each group, with the goals."""
    drawn = go.Figure()
    of_parameters = [row for row in rows if row["metric"] == "trainable_parameters"]
    for group in GROUPS:
        colour, symbol, dash = _STYLES[group]
        some = [row for row in of_parameters if row["group"] == group]
        drawn.add_scatter(
            x=[row["trainable_parameters"] for row in some],
            y=[100 * row["test_accuracy"] for row in some],
            error_y={"array": [100 * row["test_accuracy_sem"] for row in some]},
            text=[row["network"] for row in some],
            hovertemplate="%{text}: %{y:.2f} %",
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "dash": dash},
            marker={"symbol": symbol, "size": 10},
            name=group,
        )
    drawn.add_scatter(
        x=list(GOALS),
        y=[100 * goal for goal in GOALS.values()],
        mode="markers",
        marker={"symbol": "line-ew-open", "size": 22, "color": GREY, "line": {"width": 3}},
        name="goal",
    )
    drawn.update_layout(figure_layout())
    drawn.update_xaxes(type="log", title="trainable parameters")
    drawn.update_yaxes(title="test accuracy (%), mean over fresh seeds")
    return drawn


def _goal(row: dict[str, Any]) -> float | None:
    aims = row["group"] in (DENDRITIC, SHARED) and row["metric"] == "trainable_parameters"
    return GOALS.get(row["bound"]) if aims else None


def _percent(mean: float, error: float) -> str:
    return f"{100 * mean:.2f} ± {100 * error:.2f}"
