"""Writes docs/results.md from the claims and the results of `python -m paper record`."""

import json
from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from paper import figures
from paper.claims import Agreement, Claim, Claims, Comparison, Diagnostic, Interaction
from paper.plan import Plan
from paper.power import FILE as POWERS
from paper.power import SUFFICIENT
from paper.table import read

PAGE: Final = Path(__file__).parents[1] / "docs" / "results.md"
_TEXT: Final = Path(__file__).with_name("page.md")
_CLAIMS: Final = "<!-- claims -->\n"
_NOT_RUN: Final = {"verdict": "not run"}
_STUDIES: Final = "<!-- studies -->\n"
_FIGURES: Final = "<!-- figures -->\n"


def write_page(results: Path, file: Path = PAGE) -> None:
    """Writes the page, and the figures of what was run."""
    text, drawn = page(results)
    figures.write(drawn, file.parent / "images")
    file.write_text(text, encoding="utf-8")


def page(results: Path) -> tuple[str, dict[str, Any]]:
    """The page, page.md with the figures and the tables of studies and claims; and its figures."""
    found, drawn = _stored(results, "verdicts"), _drawn(results)
    text = _TEXT.read_text(encoding="utf-8")
    text = text.replace(_FIGURES, "\n".join(_figures(drawn)) + "\n")
    text = text.replace(_STUDIES, "\n".join(_studies(Plan.read())) + "\n")
    return text.replace(_CLAIMS, "\n".join(_claims(Claims.read().claims, found)) + "\n"), drawn


def _stored(results: Path, name: str) -> list[dict[str, Any]]:
    """The results of this name, none where nothing was recorded."""
    file = results / f"{name}.json"
    found: list[dict[str, Any]] = []
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else found


def _drawn(results: Path) -> dict[str, Any]:
    """The figures of what was run on Fashion-MNIST."""
    file = results / "networks-fashion_mnist.parquet"
    if not file.exists():
        return {}
    return figures.figures((read(file), _stored(results, "verdicts"), _stored(results, "effects")))


def _figures(drawn: Collection[str]) -> list[str]:
    """A question and its figure; what has none was not run."""
    shown = [f"{figures.TITLES[name]}\n\n![](images/paper_{name}.png)\n" for name in drawn]
    missing = [title for name, title in figures.TITLES.items() if name not in drawn]
    asked = "".join(f"\n- {title}" for title in missing)
    return [
        *shown,
        *(
            [f"Questions without a figure, since none of their networks has been trained:\n{asked}"]
            if missing
            else []
        ),
    ]


def _studies(plan: Plan) -> list[str]:
    """The table of the studies of the plan on Fashion-MNIST."""
    lines = ["| study | of the paper | families | race | fresh seeds |", "|---|---|---|---:|---:|"]
    for one in plan.studies:
        families = ", ".join(one.families)
        tested = "validation only" if not one.race and not one.others else str(one.seeds)
        raced = str(one.race) if one.race else ""
        lines.append(f"| {one.name} | {', '.join(one.shows)} | {families} | {raced} | {tested} |")
    return lines


def _claims(claims: Sequence[Claim], found: Sequence[dict[str, Any]]) -> list[str]:
    """A table with a row for each claim; of a group of which none was run, one for all."""
    results = {one["id"]: one for one in found}
    lines = [
        "| group | claim | test | power | result [95 %] | p (Holm) | verdict |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    powers = json.loads(POWERS.read_text(encoding="utf-8"))
    for group, members in groupby(claims, lambda claim: claim.group):
        own = list(members)
        if not any(results.get(one.id, _NOT_RUN)["verdict"] != "not run" for one in own):
            tests = " or ".join(dict.fromkeys(map(_test, own)))
            power = _power([powers[one.id]["in_group"] for one in own])
            lines.append(f"| {group} | {len(own)} claims | {tests} | {power} | | | not run |")
            continue
        for place, claim in enumerate(own):
            result = results.get(claim.id, _NOT_RUN)
            p = result.get("p")
            power = _power([powers[claim.id]["in_group"]])
            lines.append(
                f"| {'' if place else group} | {claim.id} | {_test(claim)} | {power} | "
                f"{_value(claim, result)} | {'' if p is None else f'{p:.3g}'} | {result['verdict']} |"
            )
    return lines


def _power(values: Sequence[float]) -> str:
    """A power, or the least and the greatest of several; with a star if one is not sufficient."""
    low, high = min(values), max(values)
    text = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
    return f"{text} *" if low < SUFFICIENT else text


def _test(claim: Claim) -> str:
    """The test in short."""
    match claim:
        case Agreement():
            return f"within {100 * claim.tolerance:g} points of the published value"
        case Comparison(metric="loss"):
            return f"ratio of losses above {1 + claim.margin:g}"
        case Comparison() | Interaction():
            kind = "difference" if isinstance(claim, Comparison) else "interaction"
            return f"{kind} above {100 * claim.margin:g} points"
        case Diagnostic():
            return f"difference above {claim.margin:g}"
    return f"loss {claim.direction} with size"


def _value(claim: Claim, result: dict[str, Any]) -> str:
    """The result with its interval, in points, as a ratio, or as it is."""
    value, low, high = (result.get(name) for name in ("value", "low", "high"))
    if value is None:
        return ""
    points = isinstance(claim, Agreement | Interaction) or (
        isinstance(claim, Comparison) and claim.metric == "accuracy"
    )
    if low is None or high is None:
        return f"{value:+.2f}"
    if points:
        return f"{100 * value:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
