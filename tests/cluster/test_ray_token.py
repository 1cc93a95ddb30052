import pytest

from study.cluster.credentials import ray_token


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_token_is_found_where_ray_looks_in_its_order(monkeypatch, nowhere):
    assert ray_token() is None
    (nowhere / ".ray").mkdir()
    (nowhere / ".ray" / "auth_token").write_text("of the user\n")
    assert ray_token() == "of the user"
    (nowhere / "file").write_text("of the file")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(nowhere / "file"))
    assert ray_token() == "of the file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of the variable")
    assert ray_token() == "of the variable"


def test_there_is_none_where_ray_is_not_told_to_use_it(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "there")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert ray_token() is None
