import csv
import io

from study.report.trial_text import table_csv, table_html
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

SPEC = StudySpec.from_dict({"name": "made", "dataset": "digits", "families": ["dann-r"]})
RECORDS = [
    record(0, trial(0.9, 50), SPEC, on_front=True),
    record(1, trial(0.8, 5, sem=None), SPEC, on_front=True),
]


def test_a_table_of_the_front_has_a_row_for_each_trial():
    table = table_html(RECORDS)
    assert table.index('<th scope="row">0</th>') < table.index('<th scope="row">1</th>')
    assert "<td>90.00 ± 1.00</td>" in table
    assert "<td>80.00</td>" in table
    assert '<td class="left">dann-r D2 S50 K4</td>' in table


def test_the_copy_has_every_field():
    large, small = csv.DictReader(io.StringIO(table_csv(RECORDS)))
    assert (small["trial"], large["trial"]) == ("1", "0")
    assert (large["val_accuracy"], large["somata"], large["synapses"]) == ("0.9", "50", "4")
