"""What people look at in MLflow: the description of a study, its front and its report."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from study.home import Home
from study.report.front_table import table_csv
from study.report.runs_view import VIEW_TAG, report_page, runs_page, runs_view
from study.report.trial_text import count, label, percent
from study.results.answers import front
from study.results.reader import client, read_study
from study.results.record import TrialRecord
from study.spec.study_spec import StudySpec
from study.tracking.provenance import Provenance

DESCRIPTION_TAG: Final = "mlflow.note.content"
"""MLflow's own tag, whose Markdown its UI shows."""

_MOST_ROWS: Final = 40  # of the front in the description; MLflow takes 8,000 characters


def show(name: str, home: Home, *, final: bool) -> None:
    """Brings them up to date; the report only in the `final` state, since it takes seconds.

    Everything is read from the tracking store, so any process can do it.
    """
    store = client(home)
    stored = read_study(name, home)
    parent, spec = stored.parent, stored.spec
    members = front(name, home)
    experiment, run = parent.info.experiment_id, parent.info.run_id
    view = {VIEW_TAG: runs_view(spec, parent.info.start_time)}
    links = {"trials": runs_page(experiment, view)}
    if final:
        links["report"] = report_page(experiment, run)
    text = description(spec, members, parent.data.tags, links)
    for tag, value in {DESCRIPTION_TAG: text, **view}.items():
        store.set_experiment_tag(experiment, tag, value)
    store.set_tag(run, DESCRIPTION_TAG, text)
    with tempfile.TemporaryDirectory() as folder:
        for file, content in _files(spec, members).items():
            (Path(folder) / file).write_text(content, encoding="utf-8")
        if final:
            from study.report.report import write_report  # noqa: PLC0415  # plotly and optuna take seconds

            write_report(name, home, Path(folder) / "report.html")
        store.log_artifacts(run, folder)


def description(
    spec: StudySpec,
    members: Sequence[TrialRecord],
    tags: Mapping[str, str],
    links: Mapping[str, str],
) -> str:
    """Markdown: what was searched, the front as a table, and how to do it again.

    `tags` are those of the parent run; `links` are pages of the UI by their name, which the first
    line has: it is what the UI shows before the description is opened.
    """
    named = ", ".join(f"[{page}]({address})" for page, address in links.items())
    pages = f" ({named})" if links else ""
    searched = ", ".join(spec.families)
    objectives = ", ".join(f"{name} ({way})" for name, way in spec.objectives.items())
    summary = (
        f"**{spec.name}**{pages} searches {searched} on {spec.dataset.name} for {objectives}; "
        f"{spec.replicates} replicates a trial, {spec.budget.epochs} epochs each, "
        f"sampler {spec.sampler}."
    )
    lines = [summary, ""]
    if spec.constraints:
        lines += ["Constraints: " + ", ".join(f"`{one}`" for one in spec.constraints), ""]
    lines += [f"### Pareto front: {len(members)} trials", ""]
    if members:
        lines += [
            "| trial | network | parameters | validation accuracy % | test accuracy % | epochs |",
            "|---:|---|---:|---:|---:|---:|",
            *(_row(record) for record in members[:_MOST_ROWS]),
            "",
        ]
    if len(members) > _MOST_ROWS:
        lines += [f"and {len(members) - _MOST_ROWS} more, in `front.csv` of the parent run", ""]
    files = (
        "Means over replicates with standard errors. The run that is named like the study has the "
        "whole front (`front.csv`), the report (`report.html`) and the spec (`spec.toml`)."
    )
    lines += [files, "", "### How to do it again", ""]
    provenance = Provenance.of(tags)
    lines.append(f"`{provenance.command or 'study run spec.toml'}`")
    facts = [f"- {name}: {fact}" for name, fact in provenance.facts.items()]
    return "\n".join([*lines, "", *facts])


def _row(record: TrialRecord) -> str:
    cells = [
        str(record.trial),
        label(record),
        count(record.trainable_parameters),
        percent(record.val_accuracy, record.val_accuracy_sem),
        percent(record.test_accuracy, record.test_accuracy_sem),
        str(record.epochs),
    ]
    return f"| {' | '.join(cells)} |"


def _files(spec: StudySpec, members: Sequence[TrialRecord]) -> dict[str, str]:
    return {
        "front.json": json.dumps([record.to_dict() for record in members], indent=2),
        "front.csv": table_csv(members),
        "spec.json": json.dumps(spec.to_dict(), indent=2),
        "spec.toml": spec.to_toml(),
    }
