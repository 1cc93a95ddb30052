import json
import threading

import pytest
import ray

from study.cluster import client, jobs
from study.errors import BadInputError, ClusterError, NotFoundError
from tests.support.stand_in import server


def details(job, study, status, started):
    return {
        "type": "SUBMISSION",
        "submission_id": job,
        "status": status,
        "entrypoint": "python -m study.cluster.job",
        "start_time": started,
        "metadata": {"study": study, "fingerprint": "f"},
    }


def dashboard(listed, silent=None, seen=None):
    """A dashboard with these jobs; `silent` is an event until which it answers nothing about them."""

    def answer(path):
        if seen is not None:
            seen.append(path)
        if path.startswith("/api/version"):
            return 200, json.dumps({"version": "4", "ray_version": ray.__version__}).encode()
        if silent is not None:
            silent.wait(60)
        return 200, json.dumps({"stopped": True} if path.endswith("/stop") else listed).encode()

    return server(answer)


STRANGE = {"type": "DRIVER", "status": "RUNNING", "entrypoint": "", "metadata": {}}
RUNS = details("study-a-1", "a", "RUNNING", 1_000)
STOPPED = details("study-a-2", "a", "STOPPED", 2_000)
OTHER = details("study-a-3", "a", "RUNNING", 3_000)


def test_jobs_of_studies_alone_are_listed_the_newest_first():
    with dashboard([STRANGE, RUNS, STOPPED]) as address:
        found = jobs.study_jobs(address)
    assert [job.job for job in found] == ["study-a-2", "study-a-1"]
    assert found[1].submitted == "1970-01-01T00:00:01.000+00:00"


def test_the_job_of_a_study_is_the_one_that_runs():
    with dashboard([RUNS, STOPPED]) as address:
        assert jobs.study_job(address, "a").job == "study-a-1"
        assert jobs.study_job(address, "study-a-2").job == "study-a-2"
        with pytest.raises(NotFoundError, match="no job of a study 'b'"):
            jobs.study_job(address, "b")


def test_of_several_that_run_one_must_be_named():
    with dashboard([RUNS, STOPPED, OTHER]) as address:
        with pytest.raises(BadInputError, match="give the id of one instead: study-a-3, study-a-1"):
            jobs.study_job(address, "a")
        assert jobs.study_job(address, "study-a-3").job == "study-a-3"


def test_a_job_that_has_not_started_is_not_waited_for():
    said = []
    with dashboard([details("study-a-1", "a", "PENDING", 1_000)]) as address:
        assert jobs.stop(address, "a", said.append).status == "PENDING"
    assert said[0].startswith("job study-a-1 has not started; Ray ends it when it starts")


@pytest.mark.parametrize("variable", ["RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"])
def test_the_cluster_that_is_asked_is_the_one_that_was_named(variable, monkeypatch):
    seen = []
    with dashboard([RUNS], seen=seen) as other, dashboard([STOPPED]) as address:
        monkeypatch.setenv(variable, other)
        assert [job.job for job in jobs.study_jobs(address)] == ["study-a-2"]
    assert seen == []


@pytest.mark.slow
def test_a_head_that_falls_silent_is_given_up(monkeypatch):
    again = threading.Event()
    with dashboard([RUNS], silent=again) as address:
        connected = client.connect(address)  # which asks for the version of Ray
        monkeypatch.setattr(client, "_REQUEST_S", 0.3)
        monkeypatch.setattr(jobs, "_SILENT_S", 0.1)
        try:
            with pytest.raises(ClusterError, match="must answer"):
                jobs.study_jobs(address)
            with pytest.raises(jobs.LostJobError, match="can no longer be followed"):
                list(jobs.output(connected, "study-a-1"))
        finally:
            again.set()
