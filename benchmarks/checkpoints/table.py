"""The table of checkpoints in docs/scaling.md, made of benchmarks/results/checkpoints.json."""

from typing import Any, Final

from benchmarks.markdown import row
from study.runner.trial_files import SHARE_OF_NODE

_BYTES: Final = 17 * 3  # of a parameter in three replicates
_MINUTE_S: Final = 60
_MB: Final = 1e6

Result = dict[str, Any]


def tables(result: Result) -> dict[str, list[str]]:
    """The rows of each table, by its name."""
    sizes = sorted(map(int, result["driver"]))
    return {
        "rates": [_rate(result, size) for size in sizes],
        "costs": [_cost(result, size) for size in sizes],
    }


def workers_a_minute(result: Result, size: int) -> int:
    """How many workers can each send a checkpoint of this size every minute, to two digits.

    The driver's node uses `1 / SHARE_OF_NODE` of its time for them.
    """
    workers = _MINUTE_S * result["driver"][str(size)]["a_second"] / SHARE_OF_NODE
    return int(float(f"{workers:.2g}"))


def _rate(result: Result, size: int) -> str:
    a_second = result["driver"][str(size)]["a_second"]
    workers = workers_a_minute(result, size)
    sent = a_second / SHARE_OF_NODE * size / _MB
    cells = [f"{size / _MB:g} MB", f"{size // _BYTES:,}", f"{a_second:.0f}"]
    return row([*cells, f"{workers:,}", f"{10 * workers:,}", f"{sent:.0f} MB"])


def _cost(result: Result, size: int) -> str:
    driver, folder, s3 = (result[way][str(size)] for way in ("driver", "folder", "s3"))
    node = driver["actor_ms"] + driver["ray_ms"]
    times = (node, driver["worker_ms"], folder["worker_ms"], s3["worker_ms"])
    return row([f"{size / _MB:g} MB", *(f"{time:.1f}" for time in times)])
