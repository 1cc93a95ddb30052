import json
import shutil
import sys
from importlib.metadata import version

from study.tracking import provenance


def test_versions_source_and_machine_are_known():
    found = provenance.environment_of_run()
    assert found["versions"]["torch"] == version("torch")
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["memory_gib"] > 0
    assert found["machine"]["processor"]
    json.dumps(found)


def test_changed_sources_are_marked_and_a_released_package_has_no_commit(tmp_path, monkeypatch):
    package = tmp_path / "study" / "tracking"
    package.mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    assert provenance.environment_of_run()["commit"] is None
    git = shutil.which("git")
    for arguments in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@a", "commit", "-q", "--allow-empty", "-m", "a"],
    ):
        provenance.subprocess.run([git, "-C", tmp_path, *arguments], check=True)
    commit = provenance.environment_of_run()["commit"]
    assert len(commit) == 40
    (package / "provenance.py").write_text("changed")
    provenance.subprocess.run([git, "-C", tmp_path, "add", "."], check=True)
    assert provenance.environment_of_run()["commit"] == commit + "+"


def test_the_command_is_as_one_types_it(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/some/bin/study", "run", "a b.toml", "--trials", "4"])
    assert provenance.command_of_run() == "study run 'a b.toml' --trials 4"
    monkeypatch.setattr(sys, "argv", ["/some/study/cli/__main__.py", "list"])
    assert provenance.command_of_run() == "study list"
    monkeypatch.setattr(sys, "argv", ["search.py"])
    assert provenance.command_of_run() == "python search.py"
    assert "study.command" in provenance.as_tags()
