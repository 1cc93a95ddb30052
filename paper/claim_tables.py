"""Findings in words and tables, as docs/results.md has them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from paper.claim_result import shown
from paper.files import Summary
from paper.tables import table

VERDICTS: Final = ("holds", "does not", "undecided")

Finding = dict[str, Any]


def tally(findings: Sequence[Finding]) -> str:
    """How many hold, do not, and are undecided, in words; and how many were not measured."""
    counts = Counter(one["verdict"] for one in findings)
    holds, not_, open_ = (counts[verdict] for verdict in VERDICTS)
    said = f"{holds} {_verb(holds, 'hold')}, {not_} {'does' if not_ == 1 else 'do'} not, "
    said += f"{open_} {'is' if open_ == 1 else 'are'} undecided"
    missing = len(findings) - len(measured(findings))
    return said + (f" ({missing} of these were not measured)" if missing else "")


def tally_table(summaries: Sequence[Summary], titles: Sequence[str]) -> list[str]:
    """One row a study: how many of its claims have which verdict, and how many were not measured."""
    rows = []
    for summary, title in zip(summaries, titles, strict=True):
        findings = summary["findings"]
        known = measured(findings)
        counts = Counter(one["verdict"] for _, one in known)
        numbers = [counts[verdict] for verdict in VERDICTS]
        missing = len(findings) - len(known)
        rows.append([title, *map(str, [len(findings), *numbers, missing])])
    return table(["study", "claims", "hold", "do not", "undecided", "not measured"], rows)


def measured(findings: Sequence[Finding]) -> list[tuple[int, Finding]]:
    """The findings that say something, with their numbers in `study verdict`."""
    return [(number, one) for number, one in enumerate(findings, 1) if not _is_open(one)]


def finding_table(findings: Sequence[Finding]) -> list[str]:
    """One row a claim that was measured: what was published, what was found, and the verdict."""
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
        for number, one in measured(findings)
    ]
    return table(["", "claim", "source", "paper", "ours [95 %]", "seeds", "verdict"], rows, left=3)


def explained(findings: Sequence[Finding]) -> list[str]:
    """What agrees, what does not and what is uncertain, with reasons; and what was not measured."""
    lines = []
    for verdict, title in zip(VERDICTS, ("Agrees", "Does not agree", "Uncertain"), strict=True):
        group = [(number, one) for number, one in measured(findings) if one["verdict"] == verdict]
        if not group:
            lines += [f"**{title}:** nothing.", ""]
        elif verdict == "holds":
            lines += [f"**{title}:** {', '.join(str(number) for number, _ in group)}.", ""]
        else:
            lines += [f"**{title}:**", ""]
            lines += [f"- {number}: {one['reason']}." for number, one in group]
            lines.append("")
    missing = [one for one in findings if _is_open(one)]
    if missing:
        reasons = "; ".join(dict.fromkeys(one["reason"] for one in missing))
        lines.append(f"**Not measured:** {len(missing)} of {len(findings)} claims ({reasons}).")
    return lines[:-1] if lines[-1] == "" else lines


def _is_open(one: Finding) -> bool:
    """Whether nothing was measured; a claim may also fail because no network reaches a value."""
    return one["ours"] is None and one["verdict"] == "undecided"


def _published(one: Finding) -> str:
    if one["published"] is None:
        return ""
    text = shown(one["published"], one["unit"])
    if one["published_sd"] is None:
        return text
    return f"{text} ± {shown(one['published_sd'], one['unit'])}".replace(" % ±", " ±")


def _ours(one: Finding) -> str:
    if one["ours"] is None:
        return ""
    text = shown(one["ours"], one["unit"])
    if one["low"] is None or one["high"] is None:
        return text
    bounds = ", ".join(shown(one[end], one["unit"]).split()[0] for end in ("low", "high"))
    return f"{text} [{bounds}]"


def _verb(count: int, verb: str) -> str:
    return f"{verb}s" if count == 1 else verb
