"""Writes docs/results_details.md: commands, studies, every claim with its result, and the data."""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from paper.claim import Claim
from paper.claims import Claims
from paper.page import all_rows, filled, stored, table
from paper.plan import Plan
from paper.power import FILE as POWERS
from paper.power import SUFFICIENT

PAGE: Final = Path(__file__).parents[1] / "docs" / "results_details.md"
_TEXT: Final = Path(__file__).with_name("details_page.md")
_WIDTH: Final = 120
_NOT_RUN: Final = {"verdict": "not run"}


def write_details_page(results: Path) -> None:
    """Writes the page."""
    PAGE.write_text(details_page(results), encoding="utf-8")


def details_page(results: Path) -> str:
    """The page of the claims with these results."""
    studies = table(
        ("study", "of the paper", "families", "race", "seeds", "others"), _studies(Plan.read())
    )
    head = (
        *("group", "claim", "test", "power", "configurations"),
        *("result [95 %]", "p (Holm)", "verdict"),
    )
    claims = table(head, _claims(Claims.read(), stored(results, "verdicts")))
    effects = _effects(stored(results, "effects"))
    environments = list(_environments(all_rows(results)))
    parts = {"environments": environments, "studies": studies, "claims": claims, "effects": effects}
    return filled(_TEXT, parts)


def _environments(rows: pd.DataFrame) -> Iterator[str]:
    """A paragraph for each environment, with its studies."""
    groups = rows.groupby("environment", sort=False)["study"].unique()
    for environment, studies in groups.items():
        about = json.loads(str(environment))
        versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
        which = "All recorded studies" if len(groups) == 1 else ", ".join(studies)
        text = f"{which} ran on {about['cores']} cores ({about['processor']}) with {versions}."
        yield from [*textwrap.wrap(text, _WIDTH, break_on_hyphens=False), ""]


def _studies(plan: Plan) -> Iterator[Sequence[str]]:
    for one in plan.studies:
        counts = [str(count) if count else "" for count in (one.race, one.seeds, one.others)]
        if not one.race:
            counts[1] = "" if one.others else f"{one.seeds}, validation only"
        yield [one.name, ", ".join(one.shows), ", ".join(one.families), *counts]


def _claims(claims: Claims, found: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    results = {one["id"]: one for one in found}
    powers = json.loads(POWERS.read_text(encoding="utf-8"))
    before = ""
    for claim in claims.claims:
        result = results.get(claim.id, _NOT_RUN)
        p = result.get("p_against" if result["verdict"] == "does not hold" else "p")
        power = powers[claim.id]["in_group"]
        yield [
            "" if claim.group == before else claim.group,
            claim.id,
            claim.criterion,
            f"{power:.2f}" + (" *" if power < SUFFICIENT else ""),
            ", ".join(map(str, result.get("configurations", ()))),
            _value(claim, result),
            "" if p is None else f"{p:.3g}",
            result["verdict"] + (f" (as {result['repeats']})" if result.get("repeats") else ""),
        ]
        before = claim.group


def _effects(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of the effects of the factorial, and that it has not been run."""
    if not found:
        return ["It has not been run yet."]
    head = ("effect", "parameters", "pairs", "points [95 %]", "p (Holm)")
    rows = [
        [
            one["name"],
            one["size"] or "all",
            str(one["pairs"]),
            _points(one["value"], one["low"], one["high"]),
            f"{one['p']:.3g}",
        ]
        for one in found
    ]
    return table(head, rows)


def _points(value: float, low: float, high: float) -> str:
    return f"{100 * value:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def _value(claim: Claim, result: Mapping[str, Any]) -> str:
    """The result with its interval, in points, as a ratio, or as it is."""
    value, low, high = (result.get(name) for name in ("value", "low", "high"))
    if value is None:
        return ""
    if low is None or high is None:
        return f"{value:+.2f}"
    if claim.in_points:
        return _points(value, low, high)
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"
