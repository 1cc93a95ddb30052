"""The pages of a study in MLflow: its description, front and report, and the view of its runs.

MLflow stores a view of the runs table as a tag of the experiment, as its "Save view" does (MLflow
3.17): the filter, the order and the columns as JSON, within JSON with the name. A link contains the key
of the tag; a UI without support for it shows its own table.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from study.home import Home
from study.report.trial_text import table_csv
from study.results.format import count, percent
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.spec.study_spec import StudySpec
from study.tracking.provenance import Provenance
from study.tracking.store import client
from study.tracking.tags import DESCRIPTION_TAG, FRONT_TAG, ROLE_TAG, STATE_TAG
from study.tracking.trial_result import RESULT, result_names

_MOST_ROWS: Final = 40  # of the front in the description, which has at most 8,000 characters
_KEY: Final = "trials"
_CHART: Final = "study-front"  # the section of the first chart

VIEW_TAG: Final = f"mlflow.sharedViewState.{_KEY}"
"""On the experiment: the view, with MLflow's prefix."""

_PAGE: Final = "workflowType=machine_learning"  # the default page is for language model agents
_COSTS: Final = ("trainable_parameters", "macs")
_RUN: Final = ("attributes.`Run Name`", "runDateAndNestInfo", "duration")  # always shown
_WIDTHS: Final = {  # of MLflow's columns, in pixels
    "attributes.`Run Name`": 188,
    "runDateAndNestInfo": 140,
    "duration": 75,
    f"metrics.`{RESULT}val_accuracy`": 145,
    f"metrics.`{RESULT}test_accuracy`": 150,
    "metrics.`trainable_parameters`": 145,
    "metrics.`macs`": 80,
    "metrics.`epochs`": 70,
    f"tags.`{FRONT_TAG}`": 75,
    f"tags.`{STATE_TAG}`": 95,
    "params.`family`": 80,
}


def publish(name: str, home: Home, *, final: bool) -> None:
    """Updates the pages of a study from its records; the report, which takes seconds, if `final`."""
    store = client(home)
    stored = read_study(name, home)
    parent, spec = stored.parent, stored.spec
    members = stored.front()
    experiment, run = parent.info.experiment_id, parent.info.run_id
    view = {VIEW_TAG: runs_view(spec, parent.info.start_time)}
    links = {
        "trials": runs_page(experiment, view),
        "chart": runs_page(experiment, view, chart=True),
    }
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

            write_report(name, home=home, file=Path(folder) / "report.html")
        store.log_artifacts(run, folder)


def description(
    spec: StudySpec,
    members: Sequence[TrialRecord],
    tags: Mapping[str, str],
    links: Mapping[str, str],
) -> str:
    """The description in Markdown: the search, the front as a table, and how to repeat the study.

    `tags` are those of the parent run. `links` are pages of the UI by name; they are in the first line,
    which the UI shows before the description is opened.
    """
    named = ", ".join(f"[{page}]({address})" for page, address in links.items())
    pages = f" ({named})" if links else ""
    searched = ", ".join(spec.families)
    objectives = ", ".join(f"{name} ({way})" for name, way in spec.objectives.items())
    summary = (
        f"**{spec.name}**{pages} searches {searched} on {spec.dataset.label} for {objectives}; "
        f"{spec.replicates} replicates and {spec.budget.epochs} epochs per trial, "
        f"sampler {spec.sampler}."
    )
    lines = [summary, ""]
    if spec.constraints:
        lines += ["Constraints: " + ", ".join(f"`{one}`" for one in spec.constraints), ""]
    lines += [f"### Pareto front: {len(members)} trials", ""]
    if members:
        lines += [
            *_table(members[:_MOST_ROWS]),
            "",
        ]
    if len(members) > _MOST_ROWS:
        lines += [f"and {len(members) - _MOST_ROWS} more, in `front.csv` of the parent run", ""]
    files = (
        "Means over replicates with standard errors. The run with the name of the study has the whole "
        "front (`front.csv`), the report (`report.html`) and the spec (`spec.toml`)."
    )
    lines += [files, "", "### How to repeat the study", ""]
    provenance = Provenance.of(tags)
    lines.append(f"`{provenance.command or 'study run spec.toml'}`")
    facts = [f"- {name}: {fact}" for name, fact in provenance.facts.items()]
    return "\n".join([*lines, "", *facts])


def _table(members: Sequence[TrialRecord]) -> list[str]:
    """The lines of a table in Markdown; with a column for confirmed values if there are any."""
    columns: dict[str, Callable[[TrialRecord], str]] = {
        "trial": lambda record: str(record.trial),
        "network": lambda record: record.label(),
        "parameters": lambda record: count(record.trainable_parameters),
        "wiring bits": lambda record: count(record.wiring_bits),
        "bytes": lambda record: count(record.stored_bytes),
        "validation accuracy %": lambda record: percent(
            record.val_accuracy, record.val_accuracy_sem
        ),
        "with further seeds %": lambda record: record.confirmed_percent,
        "test accuracy %": lambda record: percent(record.test_accuracy, record.test_accuracy_sem),
        "epochs": lambda record: str(record.epochs),
    }
    if not any(record.confirmed_replicates for record in members):
        del columns["with further seeds %"]
    rows = [[show(record) for show in columns.values()] for record in members]
    marks = ["---" if name == "network" else "---:" for name in columns]
    rule = f"|{'|'.join(marks)}|"
    return [_line(columns), rule, *map(_line, rows)]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _files(spec: StudySpec, members: Sequence[TrialRecord]) -> dict[str, str]:
    return {
        "front.json": json.dumps([record.to_dict() for record in members], indent=2),
        "front.csv": table_csv(members),
        "spec.json": json.dumps(spec.to_dict(), indent=2),
        "spec.toml": spec.to_toml(),
    }


def runs_view(spec: StudySpec, created: int) -> str:
    """The value of `VIEW_TAG`: complete trials first, the best in the first objective before the others.

    The columns include all objectives. The charts begin with the first objective over the second.
    `created` is in milliseconds since 1970.
    """
    way = next(iter(spec.objectives.values()))
    first, *results = (f"{RESULT}{name}" for name in result_names(spec))
    columns = [
        f"metrics.`{first}`",
        *(["metrics.`confirmed_val_accuracy`"] if spec.budget.confirm else []),
        f"tags.`{FRONT_TAG}`",
        *(f"metrics.`{name}`" for name in dict.fromkeys((*_COSTS, *results, "epochs"))),
        f"tags.`{STATE_TAG}`",
        "params.`family`",
    ]
    state = {
        "searchFilter": f"tags.`{ROLE_TAG}` = 'trial'",
        "orderByKey": f"metrics.`{first}`",  # runs without this metric come last
        "orderByAsc": way == "minimize",
        "selectedColumns": columns,
        "columnOrder": [*_RUN, *columns],
        "columnWidths": _WIDTHS,
        "runsHiddenMode": "SHOW_ALL",  # in charts, which by default show ten runs
        "compareRunSections": [
            {"uuid": _CHART, "name": "Front", "display": True, "isReordered": True}
        ],
        "compareRunCharts": [_chart(spec)],
        "isAccordionReordered": True,  # else MLflow sorts its own sections before this one
    }
    return json.dumps({"name": "Trials", "createdAt": created, "state": json.dumps(state)})


def _chart(spec: StudySpec) -> dict[str, Any]:
    """MLflow's scatter plot of the first objective over the second, by default over the parameters."""
    first, *others = spec.objectives
    costs = [name for name in (*others, *_COSTS, "val_accuracy") if name != first]
    return {
        "uuid": f"{_CHART}-scatter",
        "type": "SCATTER",
        "metricSectionId": _CHART,
        "runsCountToCompare": 100,
        "deleted": False,
        "isGenerated": False,
        "xaxis": {"key": costs[0], "type": "METRIC"},
        "yaxis": {"key": f"{RESULT}{first}", "type": "METRIC"},
    }


def runs_page(experiment_id: str, tags: Mapping[str, str], *, chart: bool = False) -> str:
    """The address of the runs in MLflow's UI, with the view if the experiment's `tags` have it.

    They are shown as a table, or as charts.
    """
    view = f"&viewStateShareKey={_KEY}" if VIEW_TAG in tags else ""
    mode = "&compareRunsMode=CHART" if chart else ""
    return f"#/experiments/{experiment_id}/runs?{_PAGE}{view}{mode}"


def report_page(experiment_id: str, run_id: str) -> str:
    """The address of the report in MLflow's UI; `run_id` is that of the parent."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/report.html?{_PAGE}"
