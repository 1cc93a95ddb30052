"""The results of claims as a table for a terminal, and their reasons in words."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.table import Table

from paper.claim_result import ClaimResult, shown

NARROWEST: Final = 80
"""Columns of a terminal that the table needs."""


def verdict_table(results: Sequence[ClaimResult], title: str) -> Table:
    """One row a result, numbered as `reasons` are. Fits 80 columns, in as many lines as it takes."""
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
    for number, result in enumerate(results, start=1):
        table.add_row(
            str(number),
            _claim(result),
            _published(result, "\n"),
            _ours(result, "\n"),
            "" if result.seeds is None else str(result.seeds),
            _parameters(result, "\n"),
            result.verdict,
        )
    return table


def reasons(results: Sequence[ClaimResult]) -> Iterator[str]:
    """The reason of each result, a sentence each."""
    for number, result in enumerate(results, start=1):
        yield f"{number}. {result.verdict}: {result.reason}"


def paragraphs(results: Sequence[ClaimResult]) -> Iterator[str]:
    """Each result as a paragraph, for terminals that are too narrow for the table."""
    for number, result in enumerate(results, start=1):
        lines = {
            "verdict": result.verdict,
            "published": _published(result, " "),
            "ours": _ours(result, " "),
            "seeds": "" if result.seeds is None else str(result.seeds),
            "parameters": _parameters(result, " "),
            "reason": result.reason,
        }
        texts = [f"  {name}: {text}" for name, text in lines.items() if text]
        yield "\n".join([f"{number}. {_claim(result)}", *texts])


def _claim(result: ClaimResult) -> str:
    return result.statement + ("" if result.source is None else f" ({result.source})")


def _published(result: ClaimResult, between: str) -> str:
    if result.published is None:
        return ""
    text = shown(result.published, result.unit)
    if result.published_sd is None:
        return text
    return f"{text}{between}± {_bare(result.published_sd, result.unit)}"


def _ours(result: ClaimResult, between: str) -> str:
    if result.ours is None:
        return ""
    text = shown(result.ours, result.unit)
    if result.low is None or result.high is None:
        return text
    return f"{text}{between}[{_bare(result.low, result.unit)}, {_bare(result.high, result.unit)}]"


def _bare(value: float, unit: str) -> str:
    """A bound without its unit, which the value has."""
    return shown(value, unit).removesuffix(" %").removesuffix(" points")


def _parameters(result: ClaimResult, between: str) -> str:
    own, reference = result.trainable_parameters, result.reference_parameters
    text = "" if own is None else f"{own:,}"
    return text if reference is None else f"{text}{between}({reference:,})".strip()
