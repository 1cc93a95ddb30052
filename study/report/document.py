"""A self-contained HTML document: sections with figures, which browsers draw without a network."""

import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Final, final

from study.report.style import Section

# Browsers then reject everything that is not in the document itself.
_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
_PLOTLY: Final = "plotly-basic.min.js"
"""Plotly's bundle of scatter and bar plots, which are all of a report, in a quarter of its size."""

PACKED: Final = "application/gzip;base64"
"""The type of scripts with packed text, which browsers do not run."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a document; with a title it is in the list of links at the top."""

    key: str
    title: str | None
    html: str


def document(
    title: str, kind: str, summary: str, parts: Sequence[Part], figures: Sequence[Section]
) -> str:
    """The document. The HTML of `parts` shows `figures`; all else is plain text."""
    links = "".join(
        f'<li><a href="#{part.key}">{escape(part.title)}</a></li>' for part in parts if part.title
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}: report</title>
<style>{_resource("page.css")}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="kind">{escape(kind)}</p>
<p class="summary">{escape(summary)}</p>
<nav aria-label="Parts of the report"><ul>{links}</ul></nav>
</header>
<main>
{"".join(part.html for part in parts)}
</main>
{"".join(map(_data, figures))}
{_packed("plotly", _resource(_PLOTLY))}
<script>{_resource("page.js")}</script>
</body>
</html>
"""


def figure_part(section: Section) -> Part:
    """A part with a figure and its explanation."""
    drawn = ""
    if section.figure is not None:
        height = "" if section.height is None else f' style="height: {section.height}px"'
        drawn = (
            f'<figure role="img" aria-label="{escape(section.alt)}">'
            f'<div class="plot" data-figure="{section.key}"{height}></div></figure>'
            f"<noscript><p>{escape(section.alt)} The figure needs JavaScript.</p></noscript>"
        )
    html = (
        f'<section id="{section.key}"><h2>{escape(section.title)}</h2>'
        f"<p>{escape(section.text)}</p>{drawn}</section>\n"
    )
    return Part(key=section.key, title=section.title, html=html)


def table(cells: Mapping[str, Sequence[str]], *, rows: str, left: Sequence[str], label: str) -> str:
    """A table with a column for each heading, which scrolls by itself; on a phone each row is a card.

    The cells of the column `rows` name the rows, the columns in `left` are left-aligned, and `label` is
    for screen readers. All texts are escaped.
    """
    head = "".join(
        f'<th scope="col"{_class(heading, left)}>{escape(heading)}</th>' for heading in cells
    )
    body = []
    for texts in zip(*cells.values(), strict=True):
        row = []
        for heading, text in zip(cells, texts, strict=True):
            title = f'data-heading="{escape(heading)}"{_class(heading, left)}'
            row.append(
                f'<th scope="row" {title}>{escape(text)}</th>'
                if heading == rows
                else f'<td role="cell" {title}>{escape(text)}</td>'
            )
        body.append(f'<tr role="row">{"".join(row)}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table role="table"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
        "</div>"
    )


def copied(csv: str) -> str:
    """A button that copies CSV."""
    return (
        '<button type="button" id="copy">Copy as CSV</button>'
        '<textarea id="front-csv" class="hidden" readonly tabindex="-1" aria-hidden="true">'
        f"{escape(csv)}</textarea>"
    )


def _class(heading: str, left: Sequence[str]) -> str:
    return ' class="left"' if heading in left else ""


def _data(section: Section) -> str:
    return (
        "" if section.figure is None else _packed(f"data-{section.key}", section.figure.to_json())
    )


def _packed(key: str, text: str) -> str:
    """A text that page.js unpacks: figures repeat the text of hover labels, so a tenth is left."""
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return f'<script type="{PACKED}" id="{key}">{packed}</script>\n'


def _resource(name: str) -> str:
    return resources.files("study.report").joinpath(name).read_text(encoding="utf-8")
