"""docs/testing.md beside the result that it shows."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
RESULT = json.loads((ROOT / "benchmarks/results/suite.json").read_text(encoding="utf-8"))


def test_its_shares_and_seconds_are_the_committed_result():
    seconds = RESULT["processor_seconds"]
    for name, used in seconds.items():
        (row,) = (
            line for line in PAGE.splitlines() if line.startswith((f"| {name}", f"| `{name}`"))
        )
        assert row.endswith(f"| {used / sum(seconds.values()):.0%} |".replace("%", " %")), row
    run, text = RESULT["suite"], " ".join(PAGE.split())
    took = f"{run['seconds']:,.0f} s and {run['processor_seconds']:,} processor seconds"
    assert f"{run['tests']:,} tests took {took}" in text
    assert RESULT["machine"]["processor"] in PAGE
