import csv
import io

from study.report.document import table
from study.report.trial_text import front_cells, table_csv
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

SPEC = StudySpec.from_dict({"name": "made", "dataset": "digits", "families": ["dann-r"]})
RECORDS = [
    record(0, trial(0.9, 50), SPEC, on_front=True),
    record(1, trial(0.8, 5, sem=None), SPEC, on_front=True),
]


def test_a_table_of_the_front_has_a_row_for_each_trial():
    made = table(front_cells(RECORDS), rows="trial", left=("network",), label="front")
    first, second = (f'<th scope="row" data-heading="trial">{trial}</th>' for trial in (0, 1))
    assert made.index(first) < made.index(second)
    assert '<td role="cell" data-heading="validation %">90.00 ± 1.00</td>' in made
    assert '<td role="cell" data-heading="validation %">80.00</td>' in made
    assert 'data-heading="wiring bits"' in made
    assert 'data-heading="bytes"' in made
    network = 'data-heading="network" class="left">dann-r D2 S50 K4</td>'
    assert network in made


def test_the_copy_has_every_field():
    large, small = csv.DictReader(io.StringIO(table_csv(RECORDS)))
    assert (small["trial"], large["trial"]) == ("1", "0")
    assert (large["val_accuracy"], large["somata"], large["synapses"]) == ("0.9", "50", "4")
