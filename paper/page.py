"""Writes docs/results.md from the claims and the results of `python -m paper record`."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from paper import figures
from paper.choices import Choice
from paper.claim import DATA, Claim
from paper.claims import Claims
from paper.evidence import Evidence
from paper.plan import Plan
from paper.published_tables import TABLE_1_HEAD, TABLE_2_HEAD, table_1, table_2
from paper.response_figures import first_units, trained
from paper.run import read_choices, read_failures
from paper.table import SCHEMA, read

PAGE: Final = Path(__file__).parents[1] / "docs" / "results.md"
_TEXT: Final = Path(__file__).with_name("page.md")

Results = Mapping[str, Mapping[str, Any]]
"""The results of claims by id."""


def write_page(results: Path) -> None:
    """Writes the page, and the figures of what was run."""
    text, drawn = page(results)
    figures.write(drawn, PAGE.parent / "images")
    PAGE.write_text(text, encoding="utf-8")


def page(results: Path) -> tuple[str, dict[str, Any]]:
    """The page, page.md with the answer, the tables and the figures; and the figures."""
    claims, rows = Claims.read(), all_rows(results)
    found = {one["id"]: one for one in stored(results, "verdicts")}
    evidence = Evidence(rows, all_choices(results))
    of_factorial = stored(results, "effects")
    drawn = figures.figures((rows, list(found.values()), of_factorial))
    parts = {
        "answer": [
            *_progress(Plan.read(), rows),
            *_headlines(claims, found, of_factorial, rows),
            *_failures(results),
        ],
        "answers": table(
            ("claim", "of", "holds for", "does not hold for", "undecided for", "no verdict"),
            _answers(claims, found),
        ),
        "table 1": _table("Table 1", TABLE_1_HEAD, table_1(evidence, claims.published["table1"])),
        "table 2": _table("Table 2", TABLE_2_HEAD, table_2(rows, claims.published["table2"][DATA])),
        "figures": _figures(drawn),
    }
    return filled(_TEXT, parts), drawn


def filled(text: Path, parts: Mapping[str, Iterable[str]]) -> str:
    """A page in Markdown with lines in place of its comments with their names."""
    page = text.read_text(encoding="utf-8")
    for name, lines in parts.items():
        page = page.replace(f"<!-- {name} -->\n", "".join(f"{line}\n" for line in lines))
    return page


def stored(results: Path, name: str) -> list[dict[str, Any]]:
    """The results of this name, none where nothing was recorded."""
    file = results / f"{name}.json"
    found: list[dict[str, Any]] = []
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return [lines[0], "|---" * len(head) + "|", *lines[1:]]


def all_rows(results: Path) -> pd.DataFrame:
    """The rows of all benchmark files."""
    files = sorted(results.glob("networks-*.parquet"))
    return read(*files) if files else SCHEMA.empty_table().to_pandas()


def all_choices(results: Path) -> list[Choice]:
    """The choices on all data sets."""
    return [one for file in sorted(results.glob("choices-*.json")) for one in read_choices(file)]


def _progress(plan: Plan, rows: pd.DataFrame) -> list[str]:
    """How many studies are run, as long as some are not."""
    planned = {one.key for one in plan.planned(DATA)}
    run = planned.intersection(rows[rows["data"] == DATA]["study"])
    if run == planned:
        return []
    if not run:
        return [
            "**None of these networks has been tested on the official test images of Fashion-MNIST yet,",
            "so there is no answer yet.**",
            "",
        ]
    return [
        f"**{len(run)} of {len(planned)} studies on Fashion-MNIST have run;** the questions of the",
        "other studies remain open.",
        "",
    ]


def _headlines(
    claims: Claims,
    found: Results,
    of_factorial: Sequence[Mapping[str, Any]],
    rows: pd.DataFrame,
) -> list[str]:
    """A sentence for each headline of which something was judged, on responses, and on effects."""
    lines = []
    for name, group in claims.groups.items():
        members = _members(claims, name)
        by_verdict = _by_verdict(members, found, _with_value)
        said = [
            f"{verdict} for {by_verdict[verdict]}" for verdict in _JUDGED if by_verdict[verdict]
        ]
        if group.headline and said:
            says = f"{group.says[0].upper()}{group.says[1:]} ({members[0].criterion})"
            lines.append(f"- *{says}:* {'; '.join(said)}.")
    lines += [*_responses(rows), *_made_of(of_factorial)]
    return [*lines, ""] if lines else []


def _responses(rows: pd.DataFrame) -> list[str]:
    """To how many classes the first units respond, before and after training, of each family."""
    own = trained(rows)
    if own.empty:
        return []
    after = int(own["epochs"].max())
    classes = own.assign(
        classes=[one[f"{first_units(one)}_selectivity"] for one in own["measured"]]
    ).pivot_table(index="family", columns="epochs", values="classes")
    ends = classes.reindex(columns=[0, after]).dropna()
    shown = [f"{family} {one[0]:.1f} and {one[after]:.1f}" for family, one in ends.iterrows()]
    text = f"- *Classes to which a first unit responds, before training and after {after} epochs:* "
    return [f"{text}{', '.join(shown)}."]


def _made_of(effects: Sequence[Mapping[str, Any]]) -> list[str]:
    """The effects over all sizes, unless a size has more of them: not all of its cells are run."""
    if not effects:
        return []
    counts = Counter(one["size"] for one in effects)
    # Of equal counts the overall one is taken, or else that of the largest size.
    size = max(counts, key=lambda one: (counts[one], one is None, int((one or "0").rstrip("k"))))
    own = [one for one in effects if one["size"] == size]
    where = (
        "on average over the sizes of an effect"
        if size is None
        else f"at {size.replace('k', ',000')} parameters"
    )
    significant = sorted(
        (one for one in own if one["p"] < _LEVEL), key=lambda one: -abs(float(one["value"]))
    )
    shown = {
        "Raises accuracy": [_effect(one) for one in significant if one["value"] > 0],
        "Lowers it": [_effect(one) for one in significant if one["value"] < 0],
        "No significant effect": [one["name"] for one in own if one["p"] >= _LEVEL],
    }
    return [
        f"- *Effects of single choices, {where}, in points of test accuracy with 95 % intervals:*",
        *(f"  - *{kind}:* {'; '.join(names)}." for kind, names in shown.items() if names),
    ]


def _effect(one: Mapping[str, Any]) -> str:
    low, high = (f"{100 * one[end]:+.2f}" for end in ("low", "high"))
    return f"{one['name']} {100 * one['value']:+.2f} ({low} to {high})"


_LEVEL: Final = 0.05
"""Below it an effect is stated, after Holm's correction of its p, which is two-sided."""


def _answers(claims: Claims, found: Results) -> Iterator[Sequence[str]]:
    """A row for each group of claims."""
    for name, group in claims.groups.items():
        own = _members(claims, name)
        by_verdict = _by_verdict(own, found)
        others = [
            f"{verdict}: {labels}"
            for verdict, labels in by_verdict.items()
            if labels and verdict not in _JUDGED
        ]
        judged = [by_verdict[verdict] for verdict in _JUDGED]
        sources = ", ".join(dict.fromkeys(one.source for one in own))
        yield [group.says, sources, *judged, "; ".join(others)]


_JUDGED: Final = ("holds", "does not hold", "undecided")
_VERDICTS: Final = (*_JUDGED, "not searched", "not run")


def _by_verdict(
    members: Sequence[Claim],
    found: Results,
    shown: Callable[[Claim, Mapping[str, Any]], str] | None = None,
) -> dict[str, str]:
    """The labels of claims by verdict, or what `shown` makes of a claim and its result.

    Of labels, `all` where all of several claims have the same verdict.
    """
    by_verdict: dict[str, list[str]] = {verdict: [] for verdict in _VERDICTS}
    for one in members:
        result = found.get(one.id, {"verdict": "not run"})
        by_verdict[result["verdict"]].append(shown(one, result) if shown else one.label)
    return {
        verdict: "all" if not shown and 1 < len(labels) == len(members) else ", ".join(labels)
        for verdict, labels in by_verdict.items()
    }


def _with_value(claim: Claim, result: Mapping[str, Any]) -> str:
    """The label of a claim and what was measured, in points or as it is."""
    value = result.get("value")
    if value is None:
        return claim.label
    return f"{claim.label} ({f'{100 * value:+.2f}' if claim.in_points else f'{value:.2f}'})"


def _members(claims: Claims, group: str) -> list[Claim]:
    return [one for one in claims.claims if one.group == group]


def _failures(results: Path) -> list[str]:
    """How many configurations could not be trained."""
    failed = [one for file in results.glob("failures-*.json") for one in read_failures(file)]
    if not failed:
        return []
    return [
        f"{len(failed)} configurations could not be trained (`paper/results/failures-DATA.json`).",
        "",
    ]


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    found = list(rows)
    return ["", *table(head, found)] if found else ["", f"{title} has not been run yet."]


def _figures(drawn: Collection[str]) -> list[str]:
    """The figures, and the questions of those that were not run."""
    shown = [
        line
        for name in drawn
        for line in ("", f"![{figures.TITLES[name]}](images/paper_{name}.png)")
    ]
    missing = [title for name, title in figures.TITLES.items() if name not in drawn]
    asked = ["", "No figures yet, since the networks have not been trained:", ""]
    return [*shown, *(asked if missing else []), *(f"- {title}" for title in missing)]
