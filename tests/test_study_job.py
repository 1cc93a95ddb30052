import pytest

from study.study_job import StudyJob


def job(status, exit_code=None):
    return StudyJob(
        job="study-a-1",
        study="a",
        status=status,
        submitted=None,
        ended=None,
        exit_code=exit_code,
        message=None,
        fingerprint="",
    )


@pytest.mark.parametrize(
    ("status", "over"),
    [
        ("PENDING", False),
        ("RUNNING", False),
        ("STOPPED", True),
        ("SUCCEEDED", True),
        ("FAILED", True),
    ],
)
def test_a_job_is_over_when_ray_says_so(status, over):
    assert job(status).over == over


@pytest.mark.parametrize(
    ("status", "exit_code", "died"),
    [
        ("FAILED", None, True),  # the supervisor of the job, with its node
        ("FAILED", -9, True),
        ("FAILED", 137, True),  # as a shell says it
        ("FAILED", 1, False),  # the study failed
        ("FAILED", 2, False),  # bad input
        ("STOPPED", None, False),
        ("SUCCEEDED", 0, False),
    ],
)
def test_a_job_that_was_ended_from_outside_died(status, exit_code, died):
    assert job(status, exit_code).died == died
