"""docs/scaling.md beside the result that it shows."""

import json
from pathlib import Path

from benchmarks.scaling.table import ceilings, rate, tables

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs/scaling.md").read_text(encoding="utf-8").split())
RESULT = json.loads((ROOT / "benchmarks/results/scaling.json").read_text(encoding="utf-8"))


def test_every_table_and_number_is_the_committed_result():
    for name, rows in tables(RESULT).items():
        for row in rows:
            assert " ".join(row.split()) in PAGE, name
    storage, machine = RESULT["storage"], RESULT["machine"]
    one = storage["a_trial"]
    checkpoint = storage["checkpoint_bytes_a_parameter"]
    for said in (
        f"images of {RESULT['memory']['more_mb']:.0f} MB",
        f"a trial of {storage['epochs']} epochs has {one['rows_metrics']:.0f} points",
        f"{one['rows_metrics']:.0f} rows of metrics, {one['rows_latest_metrics']:.0f} of latest",
        f"{one['rows_params']:.0f} parameters and {one['rows_tags']:.0f} tags",
        f"{checkpoint:.0f} bytes a parameter and replicate",
        f"{checkpoint * 3 * 100_000 * 1000 / 1e6:,.0f} MB for 1,000 trials",
        machine["processor"],
        *(f"{name} {version}" for name, version in machine["versions"].items()),
    ):
        assert said in PAGE, said


def test_a_simulated_gpu_that_never_waits_trains_more_trials_than_are_trained_in_full():
    assert 60 < rate(RESULT, 1) < 120
    assert 1 < rate(RESULT, 60) < 2
    assert min(ceilings(RESULT).values()) > 0
