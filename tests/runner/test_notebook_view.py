from study.runner.notebook_view import as_html
from study.runner.scoreboard import Scoreboard
from study.search.budget import BudgetSpent
from study.spec.study_spec import StudySpec

SPEC = StudySpec.from_dict(
    {"name": "made", "dataset": "digits", "families": ["dann-r"], "budget": {"trials": 4}}
)


def scoreboard():
    board = Scoreboard(SPEC, BudgetSpent(SPEC, None))
    for number, (accuracy, parameters) in enumerate([(0.8, 100), (0.9, 200), (0.5, 300)]):
        board.begin(number, f"dann-r {number} <b>")
        point = (accuracy, parameters)
        board.front.add(number, point)
        sizes = {"wiring_bits": 64, "stored_bytes": 4 * parameters + 1000}
        board.end(number, "COMPLETE", {"val_accuracy": accuracy, **sizes}, point)
    board.begin(3, "dann-r 3")
    return board


def test_a_notebook_shows_progress_front_and_messages_escaped():
    page = as_html(scoreboard(), ["<i>message</i>"], "0:10 left")
    assert '<progress max="4" value="3"></progress>' in page
    assert "3 of 4 (3 complete)" in page
    assert "3 dann-r 3" in page
    assert page.index("dann-r 1 &lt;b&gt;") < page.index("dann-r 0 &lt;b&gt;")  # the best first
    assert "dann-r 2" not in page  # which is dominated
    assert [">1,800<" in page, ">1,400<" in page, page.count(">64<")] == [True, True, 2]
    assert "&lt;i&gt;message" in page
    assert "<i>" not in page
