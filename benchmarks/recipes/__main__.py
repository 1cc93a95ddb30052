"""What each training recipe changes, for dendritic networks and controls of three sizes.

    python -m benchmarks.recipes --root FOLDER [--jobs J] [--minutes M] [--seeds N] [--bounds B]
                                 [--families F] [--to FILE] [--plan]
    python -m benchmarks.recipes --picture

On Fashion-MNIST. Trains replicates of one network each, seed by seed, `--jobs` at a time, for up to
`--minutes`, and writes each into benchmarks/results/recipes.json; the same command continues.
Validation accuracy is that of the kept weights on the 6,000 images of the split with seed 0. Test images
are not read. Prints the table of docs/recipes.md; `--picture` draws its picture, and `--plan` prints how
long the rest takes; both train nothing.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.recipes.effects import table, verdicts
from benchmarks.recipes.protocol import NETWORKS, SEEDS, TRAINING, Case, cases
from benchmarks.recipes.training import begin, dataset_of, rows_of
from models.counting import counts_of
from study import BadInputError, StudyError
from study.study_folder import replace_file

RESULT = Path(__file__).parents[1] / "results" / "recipes.json"
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "recipes.png"


def main() -> None:
    given = _arguments()
    if given.picture:
        from benchmarks.recipes.figure import draw  # noqa: PLC0415  # needs what training does not

        draw(json.loads(RESULT.read_text(encoding="utf-8")), PICTURE)
        return
    start = time.monotonic()
    stored = _stored(given.to)
    done = {_key(row) for row in stored.get("rows", [])}
    left = [
        case
        for case in cases(given.bounds, given.families, given.seeds)
        if (case.seed, case.bound, case.family, case.recipe) not in done
    ]
    if given.plan:
        hours = sum(case.core_hours for case in left)
        print(f"{len(left):,} trainings are left, about {hours:.1f} core-hours")
        return
    try:
        result = _checked(stored, dataset_of(given.root).sha256(), given.to)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_status) from error
    with ProcessPoolExecutor(given.jobs, get_context("spawn"), begin, (given.root,)) as workers:
        for row in rows_of(left, workers, given.jobs, start + 60 * given.minutes):
            result["rows"].append(row)
            _write(result, given.to)
            print(json.dumps(row), flush=True)
    print(table(result["rows"]))
    print(verdicts(result["rows"]))


def _stored(file: Path) -> dict[str, Any]:
    """The stored result, empty if there is none."""
    result: dict[str, Any] = {}
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else result


def _checked(stored: dict[str, Any], images: str, file: Path) -> dict[str, Any]:
    """The stored result, a new one if it is empty. Raises BadInputError if it is of other images."""
    if stored:
        if stored["images"] != images:
            raise BadInputError(
                f"{file} must hold results of the same images, with SHA-256 {stored['images']}, "
                f"got {images}"
            )
        return stored
    parameters = {
        str(bound): {
            family: counts_of(Case(0, bound, family, "bare").architecture, (1, 28, 28), 10)[0]
            for family in networks
        }
        for bound, networks in NETWORKS.items()
    }
    return {
        # Of several runs, whose arguments say when they stopped and where the data were.
        "machine": describe() | {"command": "python -m benchmarks.recipes"},
        "data": "official Fashion-MNIST, 54,000 training and 6,000 validation images",
        "images": images,
        "training": TRAINING,
        "parameters": parameters,
        "rows": [],
    }


def _key(row: dict[str, Any]) -> tuple[int, int, str, str]:
    return row["seed"], row["bound"], row["family"], row["recipe"]


def _write(result: dict[str, Any], file: Path) -> None:
    """Writes a row in each line; never a part of the file."""
    rows = ",\n  ".join(json.dumps(row) for row in result["rows"])
    head = json.dumps({name: value for name, value in result.items() if name != "rows"}, indent=1)
    text = f'{head[:-2]},\n "rows": [\n  {rows}\n ]\n}}\n'
    replace_file(file, text, durably=False)


def _arguments() -> argparse.Namespace:
    families = list(NETWORKS[8_000])
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--root", type=Path, default=Path("data"), help="folder of FashionMNIST/raw"
    )
    parser.add_argument("--to", type=Path, default=RESULT, metavar="FILE", help="the result")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="none begins later")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--bounds", type=int, nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--families", nargs="+", choices=families, default=families)
    parser.add_argument("--plan", action="store_true", help="how long the rest takes")
    parser.add_argument("--picture", action="store_true", help="draws the picture alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
