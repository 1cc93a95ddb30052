"""Pages whose tables name tests, beside the tests: each row names some, and they exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/faults.md"])
def test_every_row_names_tests_that_there_are(page):
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|") and not line.startswith("|---")]
    rows = [row for row in rows if not row.endswith("| tests |")]
    assert len(rows) > 12
    source = "\n".join(file.read_text(encoding="utf-8") for file in ROOT.glob("tests/**/test_*.py"))
    known = set(re.findall(r"^def (test_\w+)\(", source, flags=re.MULTILINE))
    for row in rows:
        named = set(re.findall(r"`(test_\w+)`", row))
        assert named, row
        assert named <= known, named - known
