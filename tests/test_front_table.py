import csv
import io

from stored_study import record, trial

from study.report.trial_text import by_size, table_csv, table_html
from study.spec.study_spec import StudySpec

SPEC = StudySpec.from_dict({"name": "made", "dataset": "digits", "families": ["dann-r"]})
RECORDS = [
    record(0, trial(0.9, 50), SPEC, on_front=True),
    record(1, trial(0.8, 5, sem=None), SPEC, on_front=True),
    record(2, trial(0.7, 9), SPEC),
]


def test_the_front_is_shown_the_smallest_first():
    front = by_size(RECORDS)
    assert [one.trial for one in front] == [1, 0]
    table = table_html(front)
    assert table.index('<th scope="row">1</th>') < table.index('<th scope="row">0</th>')
    assert "<td>90.00 ± 1.00</td>" in table
    assert "<td>80.00</td>" in table
    assert '<td class="left">dann-r D2 S50 K4</td>' in table


def test_the_copy_has_every_field():
    small, large = csv.DictReader(io.StringIO(table_csv(by_size(RECORDS))))
    assert (small["trial"], large["trial"]) == ("1", "0")
    assert (large["val_accuracy"], large["somata"], large["synapses"]) == ("0.9", "50", "4")
