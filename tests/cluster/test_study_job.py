import pytest

from study.cluster.study_job import StudyJob


def job(status, exit_code=None, error=None):
    return StudyJob(
        job="study-a-1",
        study="a",
        status=status,
        submitted=None,
        ended=None,
        exit_code=exit_code,
        error=error,
        message=None,
        fingerprint="",
        home=None,
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
    ("status", "exit_code", "error", "died"),
    [
        ("FAILED", None, "JOB_SUPERVISOR_ACTOR_DIED", True),  # with its node
        ("FAILED", None, "RUNTIME_ENV_SETUP_FAILURE", False),  # it would fail again
        ("FAILED", None, "JOB_SUPERVISOR_ACTOR_START_TIMEOUT", False),  # no node has the resources
        ("FAILED", -9, "JOB_ENTRYPOINT_COMMAND_ERROR", True),
        ("FAILED", 137, "JOB_ENTRYPOINT_COMMAND_ERROR", True),  # as a shell says it
        ("FAILED", 1, "JOB_ENTRYPOINT_COMMAND_ERROR", False),  # the study failed
        ("FAILED", 2, "JOB_ENTRYPOINT_COMMAND_ERROR", False),  # bad input
        ("STOPPED", None, None, False),
        ("SUCCEEDED", 0, None, False),
    ],
)
def test_a_job_that_was_ended_from_outside_died(status, exit_code, error, died):
    assert job(status, exit_code, error).died == died
