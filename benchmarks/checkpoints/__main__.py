"""What a checkpoint costs on its way to the driver's node, to a folder, and to an object store.

    python -m benchmarks.checkpoints
    python -m benchmarks.checkpoints --ways s3 --bytes 1000000

For each size: how many checkpoints a second one driver takes, and the processor time of each side.
It prints the tables of docs/scaling.md. What was measured before is kept; `--again` measures it anew.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.checkpoints.table import tables
from benchmarks.machine import describe
from benchmarks.process import measured

RESULT: Final = Path(__file__).parents[1] / "results" / "checkpoints.json"
WAYS: Final = ("driver", "folder", "s3")
SIZES: Final = (100_000, 1_000_000, 5_000_000, 25_000_000)


def main() -> None:
    options = _options()
    found: dict[str, Any] = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    for way in options.ways:
        for size in options.bytes:
            known = found.setdefault(way, {})
            if options.again or str(size) not in known:
                known[str(size)] = measured("checkpoints.paths", way, size)
                sys.stderr.write(f"{way}, {size:,} bytes: {json.dumps(known[str(size)])}\n")
                found["machine"] = describe()
                RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if all(way in found for way in WAYS):
        print("\n\n".join("\n".join(rows) for rows in tables(found).values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.checkpoints", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--bytes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--again", action="store_true", help="measure all of them")
    return parser.parse_args()


if __name__ == "__main__":
    main()
