import re

from study.record import TrialRecord
from study.report import front_figure, write_report


def record(number, family, parameters, accuracy, *, on_front, state="COMPLETE"):
    values = dict.fromkeys(TrialRecord.__dataclass_fields__)
    values |= {
        "trial": number,
        "run_id": "r",
        "state": state,
        "family": family,
        "architecture": {"family": family, "somata": 8, "synapses": None},
        "training": {"learning_rate": 0.01},
        "trainable_parameters": parameters,
        "val_accuracy": accuracy,
        "val_accuracy_sem": 0.01,
        "on_front": on_front,
    }
    return TrialRecord(**values)


RECORDS = [
    record(0, "vann", 5000, 0.9, on_front=True),
    record(1, "dann-r", 500, 0.8, on_front=True),
    record(2, "dann-r", 900, 0.7, on_front=False),
    record(3, "dann-r", 100, 0.6, on_front=False, state="FAIL"),
]


def test_the_figure_shows_complete_trials_by_family_and_the_front_with_errors():
    line, behind, dendritic, vanilla = front_figure("made", RECORDS).data
    assert [trace.name for trace in (line, behind, dendritic, vanilla)] == [
        "Pareto front",
        "dann-r",
        "dann-r",
        "vann",
    ]
    assert list(line.x) == [500, 5000]
    assert list(line.y) == [80, 90]
    assert list(behind.x) == [900]
    assert list(dendritic.x) == [500]
    assert dendritic.error_y.visible
    assert not behind.error_y.visible
    assert [behind.showlegend, dendritic.showlegend] == [False, None]
    assert "somata: 8" in vanilla.text[0]


def test_the_report_needs_nothing_from_elsewhere(tmp_path):
    write_report("made", RECORDS, tmp_path / "deep" / "report.html")
    page = (tmp_path / "deep" / "report.html").read_text()
    assert "plotly" in page
    outside_of_scripts = re.sub(r"(?s)(<script[^>]*>).*?</script>", r"\1", page)
    assert outside_of_scripts.count("<script") >= 2
    assert "http" not in outside_of_scripts
