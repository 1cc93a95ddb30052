import pytest

from study.cluster.study_job import last_line

LOG = """2026-01-01 10:00:00,000\tINFO job_manager.py:581 -- Runtime env is setting up.
study digits: 4 trials

1/4 trials | 2 running
"""
RAY = """\x1b[33m(raylet)\x1b[0m The node with node id: 5 has been marked dead
\t(2) raylet has lagging heartbeats due to slow network or busy workload.
"""


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", ""),
        (LOG, "1/4 trials | 2 running"),
        (LOG + RAY, "1/4 trials | 2 running"),
        (LOG + RAY + "2/4 trials\n", "2/4 trials"),
        (
            LOG + "stopped; continue with:\n  study submit mine\n",
            "stopped; continue with:\n  study submit mine",
        ),
        ("x" * 300, "x" * 200),
        ("all:\n" + " a\n" * 9, "all:\n a\n a\n a\n a"),
    ],
)
def test_the_last_that_the_study_said_is_found(log, expected):
    assert last_line(log) == expected
