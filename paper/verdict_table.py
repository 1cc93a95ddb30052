"""What a study says to its claims, as a table for a terminal, with the reasons in words."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.table import Table

from paper.claim_result import ClaimResult, shown

NARROWEST: Final = 80
"""Columns of a terminal that the table needs."""


def verdict_table(findings: Sequence[ClaimResult], title: str) -> Table:
    """One row a finding, numbered as `reasons` are. Fits 80 columns, in as many lines as it takes."""
    table = Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("claim")
    table.add_column("published", justify="right", no_wrap=True)
    table.add_column("ours\n[95 %]", justify="right", no_wrap=True)
    table.add_column("seeds", justify="right", no_wrap=True)
    table.add_column("parameters\n(reference)", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for number, finding in enumerate(findings, start=1):
        table.add_row(
            str(number),
            _claim(finding),
            _published(finding, "\n"),
            _ours(finding, "\n"),
            "" if finding.seeds is None else str(finding.seeds),
            _parameters(finding, "\n"),
            finding.verdict,
        )
    return table


def reasons(findings: Sequence[ClaimResult]) -> Iterator[str]:
    """The reason of each finding, a sentence each."""
    for number, finding in enumerate(findings, start=1):
        yield f"{number}. {finding.verdict}: {finding.reason}"


def paragraphs(findings: Sequence[ClaimResult]) -> Iterator[str]:
    """All of each finding, for terminals that are too narrow for the table."""
    for number, finding in enumerate(findings, start=1):
        lines = {
            "verdict": finding.verdict,
            "published": _published(finding, " "),
            "ours": _ours(finding, " "),
            "seeds": "" if finding.seeds is None else str(finding.seeds),
            "parameters": _parameters(finding, " "),
            "reason": finding.reason,
        }
        said = [f"  {name}: {text}" for name, text in lines.items() if text]
        yield "\n".join([f"{number}. {_claim(finding)}", *said])


def _claim(finding: ClaimResult) -> str:
    return finding.statement + ("" if finding.source is None else f" ({finding.source})")


def _published(finding: ClaimResult, between: str) -> str:
    if finding.published is None:
        return ""
    text = shown(finding.published, finding.unit)
    if finding.published_sd is None:
        return text
    return f"{text}{between}± {_bare(finding.published_sd, finding.unit)}"


def _ours(finding: ClaimResult, between: str) -> str:
    if finding.ours is None:
        return ""
    text = shown(finding.ours, finding.unit)
    if finding.low is None or finding.high is None:
        return text
    return (
        f"{text}{between}[{_bare(finding.low, finding.unit)}, {_bare(finding.high, finding.unit)}]"
    )


def _bare(value: float, unit: str) -> str:
    """A bound without the sign of its unit, which stands beside the value."""
    return shown(value, unit).removesuffix(" %").removesuffix(" points")


def _parameters(finding: ClaimResult, between: str) -> str:
    own, reference = finding.trainable_parameters, finding.reference_parameters
    text = "" if own is None else f"{own:,}"
    return text if reference is None else f"{text}{between}({reference:,})".strip()
