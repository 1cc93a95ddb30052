"""The report of one study as an HTML page."""

import json
from collections import Counter
from collections.abc import Sequence
from html import escape

from study.report.document import Part, copied, document, figure_part, table
from study.report.style import Section
from study.report.summary import summary
from study.report.trial_text import front_cells, table_csv
from study.results.record import TrialRecord
from study.results.stored_study import StoredStudy
from study.tracking.provenance import Provenance


def page(stored: StoredStudy, sections: Sequence[Section]) -> str:
    """The page; all text from the store is escaped."""
    first, *others = map(figure_part, sections)
    parts = [
        first,
        Part(key="table", title="Table", html=_table(stored.front())),
        *others,
        Part(key="failed", title=None, html=_failures(stored.records)),
        Part(key="origin", title="How it was made", html=_origin(stored)),
    ]
    kind = "Report of a study of dendritic and vanilla networks"
    return document(stored.spec.name, kind, summary(stored), parts, sections)


def _table(front: Sequence[TrialRecord]) -> str:
    head = '<section id="table"><h2>The front as a table</h2>'
    if not front:
        return f"{head}<p>No trial is on the front yet.</p></section>\n"
    return (
        f"{head}<p>In order of parameters; ± is one standard error over replicates.</p>"
        f"{table(front_cells(front), rows='trial', left=('network',), label='The front as a table')}"
        f"{copied(table_csv(front))}</section>\n"
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
