"""A report as one self-contained HTML page."""

import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from importlib import resources
from typing import Final

from plotly.offline import get_plotlyjs

from study.report.style import Section
from study.report.summary import summary
from study.report.trial_text import table_csv, table_html
from study.results.record import TrialRecord
from study.results.stored_study import StoredStudy
from study.tracking.provenance import Provenance

# Browsers then reject everything that is not in the page itself.
_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def page(stored: StoredStudy, panels: Sequence[Section]) -> str:
    """The page; all text from the store is escaped."""
    name = escape(stored.spec.name)
    front = stored.front()
    parts = {
        "front": "The front",
        "table": "Table",
        **{panel.key: panel.title for panel in panels[1:]},
        "origin": "How it was made",
    }
    failures = _failures(stored.records)
    links = "".join(
        f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title in parts.items()
    )
    figures = "".join(map(_data, panels))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}: report</title>
<style>{_resource("page.css")}</style>
</head>
<body>
<header>
<h1>{name}</h1>
<p class="kind">Report of a study of dendritic and vanilla networks</p>
<p class="summary">{escape(summary(stored))}</p>
<nav aria-label="Parts of the report"><ul>{links}</ul></nav>
</header>
<main>
{_section(panels[0])}
{_table(front)}
{"".join(map(_section, panels[1:]))}
{failures}
</main>
<footer>{_origin(stored)}</footer>
{figures}
<script>{get_plotlyjs()}</script>
<script>{_resource("page.js")}</script>
</body>
</html>
"""


def _section(panel: Section) -> str:
    drawn = ""
    if panel.figure is not None:
        height = "" if panel.height is None else f' style="height: {panel.height}px"'
        drawn = (
            f'<figure role="img" aria-label="{escape(panel.alt)}">'
            f'<div class="plot" data-figure="{panel.key}"{height}></div></figure>'
            f"<noscript><p>{escape(panel.alt)} The figure needs JavaScript.</p></noscript>"
        )
    return (
        f'<section id="{panel.key}"><h2>{escape(panel.title)}</h2>'
        f"<p>{escape(panel.text)}</p>{drawn}</section>\n"
    )


def _data(panel: Section) -> str:
    if panel.figure is None:
        return ""
    # Without `<`, the text cannot end the script.
    text = panel.figure.to_json().replace("<", "\\u003c")
    return f'<script type="application/json" id="data-{panel.key}">{text}</script>\n'


def _table(front: Sequence[TrialRecord]) -> str:
    head = '<section id="table"><h2>The front as a table</h2>'
    if not front:
        return f"{head}<p>No trial is on the front yet.</p></section>\n"
    return (
        f"{head}<p>In order of parameters; ± is one standard error over replicates.</p>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="The front as a table">'
        f'{table_html(front)}</div><button type="button" id="copy">Copy as CSV</button>'
        f'<textarea id="front-csv" class="hidden" readonly tabindex="-1" aria-hidden="true">'
        f"{escape(table_csv(front))}</textarea></section>\n"
    )


def _failures(records: Sequence[TrialRecord]) -> str:
    reasons = Counter(
        (record.reason or "no reason is recorded").splitlines()[0]
        for record in records
        if record.state == "FAIL"
    )
    if not reasons:
        return ""
    items = "".join(
        f"<li>{count} x {escape(reason)}</li>" for reason, count in reasons.most_common(10)
    )
    return f'<section id="failed"><h2>Failed trials</h2><ul>{items}</ul></section>\n'


def _origin(stored: StoredStudy) -> str:
    spec = stored.spec
    provenance = Provenance.of(stored.parent.data.tags)
    spec_file = f"{spec.name}.json"
    command = f"study run {spec_file}"
    again = f"To repeat it, save the spec below as {spec_file}:"
    parts = ['<section id="origin"><h2>How it was made</h2>']
    if provenance.command is None:
        parts.append("<p>The command that ran this study was not recorded.</p>")
    else:
        parts.append(
            f'<p>It was run with:</p><pre class="command">{escape(provenance.command)}</pre>'
        )
    parts.append(f'<p>{escape(again)}</p><pre class="command">{escape(command)}</pre>')
    if provenance.facts:
        items = "".join(
            f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>"
            for name, text in provenance.facts.items()
        )
        parts.append(f"<dl>{items}</dl>")
    else:
        parts.append("<p>The versions and the machine of the run were not recorded.</p>")
    text = escape(json.dumps(spec.to_dict(), indent=2))
    parts.append(f"<details><summary>The spec</summary><pre>{text}</pre></details></section>")
    return "\n".join(parts)


def _resource(name: str) -> str:
    return resources.files("study.report").joinpath(name).read_text(encoding="utf-8")
