"""The results of claims in words and tables, for docs/results.md."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from paper.claim_result import shown
from paper.files import Summary
from paper.tables import table

VERDICTS: Final = ("holds", "does not", "undecided")

Result = dict[str, Any]


def tally(results: Sequence[Result]) -> str:
    """The numbers of claims that hold, do not and are undecided, in words, and of those not measured."""
    counts = Counter(one["verdict"] for one in results)
    holds, not_, open_ = (counts[verdict] for verdict in VERDICTS)
    text = f"{holds} {_verb(holds, 'hold')}, {not_} {'does' if not_ == 1 else 'do'} not, "
    text += f"{open_} {'is' if open_ == 1 else 'are'} undecided"
    missing = len(results) - len(measured(results))
    return text + (f" ({missing} of these were not measured)" if missing else "")


def tally_table(summaries: Sequence[Summary], titles: Sequence[str]) -> list[str]:
    """One row a study: the number of its claims, of each verdict, and of those not measured."""
    rows = []
    for summary, title in zip(summaries, titles, strict=True):
        results = summary["findings"]
        known = measured(results)
        counts = Counter(one["verdict"] for _, one in known)
        numbers = [counts[verdict] for verdict in VERDICTS]
        missing = len(results) - len(known)
        rows.append([title, *map(str, [len(results), *numbers, missing])])
    return table(["study", "claims", "hold", "do not", "undecided", "not measured"], rows)


def measured(results: Sequence[Result]) -> list[tuple[int, Result]]:
    """The results of claims that were measured, with their numbers in `python -m paper verdict`."""
    return [(number, one) for number, one in enumerate(results, 1) if not _is_open(one)]


def result_table(results: Sequence[Result]) -> list[str]:
    """One row a claim that was measured: published value, ours, and the verdict."""
    rows = [
        [
            str(number),
            one["statement"],
            one["source"] or "ours",
            _published(one),
            _ours(one),
            "" if one["seeds"] is None else str(one["seeds"]),
            one["verdict"],
        ]
        for number, one in measured(results)
    ]
    return table(["", "claim", "source", "paper", "ours [95 %]", "seeds", "verdict"], rows, left=3)


def explained(results: Sequence[Result]) -> list[str]:
    """The claims that hold, do not, are undecided (with reasons), and were not measured."""
    lines = []
    for verdict, title in zip(VERDICTS, ("Holds", "Does not hold", "Undecided"), strict=True):
        group = [(number, one) for number, one in measured(results) if one["verdict"] == verdict]
        if not group:
            lines += [f"**{title}:** none.", ""]
        elif verdict == "holds":
            lines += [f"**{title}:** {', '.join(str(number) for number, _ in group)}.", ""]
        else:
            lines += [f"**{title}:**", ""]
            lines += [f"- {number}: {one['reason']}." for number, one in group]
            lines.append("")
    missing = [one for one in results if _is_open(one)]
    if missing:
        reasons = "; ".join(dict.fromkeys(one["reason"] for one in missing))
        lines.append(f"**Not measured:** {len(missing)} of {len(results)} claims ({reasons}).")
    return lines[:-1] if lines[-1] == "" else lines


def _is_open(one: Result) -> bool:
    """Whether nothing was measured; a claim may also fail because no network reaches a value."""
    return one["ours"] is None and one["verdict"] == "undecided"


def _published(one: Result) -> str:
    if one["published"] is None:
        return ""
    text = shown(one["published"], one["unit"])
    if one["published_sd"] is None:
        return text
    return f"{text} ± {shown(one['published_sd'], one['unit'])}".replace(" % ±", " ±")


def _ours(one: Result) -> str:
    if one["ours"] is None:
        return ""
    text = shown(one["ours"], one["unit"])
    if one["low"] is None or one["high"] is None:
        return text
    bounds = ", ".join(shown(one[end], one["unit"]).split()[0] for end in ("low", "high"))
    return f"{text} [{bounds}]"


def _verb(count: int, verb: str) -> str:
    return f"{verb}s" if count == 1 else verb
