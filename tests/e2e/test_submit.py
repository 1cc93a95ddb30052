"""A study submitted to a head that was started by hand and demands a token."""

import json

import pytest

pytestmark = pytest.mark.slow

SPEC = ("studies/digits.toml", "--trials", 4, "--set", "budget.epochs=3", "--name", "submitted")


def test_a_submitted_study_is_followed_and_its_front_is_readable(study_command, ray_head, tmp_path):
    home = ray_head.home / "studies"
    done = study_command(
        *("submit", *SPEC, "--address", ray_head.address, "--wait", "--home", home),
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN=ray_head.token,
        HOME=str(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4/4 trials | 0 running" in done.stdout
    assert "submitted: Pareto front" in done.stdout
    assert f"  study best submitted --limit 5 --home {home}" in done.stdout
    assert "job study-submitted-" in done.stdout
    assert ray_head.token not in done.stdout + done.stderr

    front = study_command("pareto", "submitted", "--json", "--home", home)
    assert front.returncode == 0, front.stderr
    assert all(trial["on_front"] for trial in json.loads(front.stdout))


def test_without_a_home_the_head_says_where_studies_are(study_command, ray_head, tmp_path):
    done = study_command(
        *("submit", *SPEC, "--address", ray_head.address, "--wait"),
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN=ray_head.token,
        HOME=str(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ray_head.home / "dendritic-study/runs/studies/submitted/search.journal").exists()


def test_a_job_that_fails_is_an_error(study_command, ray_head, tmp_path):
    done = study_command(
        *("submit", *SPEC, "--address", ray_head.address, "--wait"),
        *("--home", ray_head.home / "failing", "--set", "dataset.name=mnist"),
        *("--set", "dataset.validation_size=300", "--set", "dataset.root=/nowhere"),
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN=ray_head.token,
        HOME=str(tmp_path),
    )
    assert done.returncode == 1
    assert "the data set mnist is not in /nowhere/MNIST/raw" in done.stdout
    assert "must succeed, got FAILED" in done.stderr


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_a_missing_or_wrong_token_is_refused_with_what_to_set(
    token, study_command, ray_head, tmp_path
):
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
    done = study_command(
        *("submit", *SPEC, "--address", ray_head.address),
        HOME=str(tmp_path),
        **settings,
    )
    assert done.returncode == 1
    assert "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
