"""The best networks of the studies of studies/beyond*.toml, raced and judged.

    python -m benchmarks.beyond --record beyond beyond-dendritic
    python -m benchmarks.beyond --root data --minutes 600
    python -m benchmarks.beyond --root data --judge

With --record, the trials of studies are written beside the race, from the home in which they were run.
When all are there, the best trials under each bound on parameters, and on multiply-accumulates, are
trained with fresh seeds in rounds, dendritic networks and each kind of controls apart. The winners are
chosen on validation images and written down. The same command continues a race that was interrupted or
ran out of time; --plan prints what the searches found, and how long the rest takes. Only with --judge
are the test images read, once, when the race has ended. It writes benchmarks/results/beyond.json and
docs/images/beyond.png (for which kaleido and a Chrome or Chromium must be there). With --draw the stored
result is shown again.
"""

import argparse
import json
import os
import time
from functools import partial
from pathlib import Path
from typing import Final

import torch

from benchmarks.beyond.judgement import OUTCOMES, check_first, choose, judge, p_counts
from benchmarks.beyond.race import Race
from benchmarks.beyond.report import figure, table, table_of_searches, verdicts
from benchmarks.beyond.searches import record
from benchmarks.machine import describe
from study import load_dataset
from study.home import Home
from study.report.report import write_picture
from study.spec.sections import DatasetSpec
from study.training.train import keep_freed_memory

REPOSITORY: Final = Path(__file__).parents[2]
RESULT: Final = REPOSITORY / "benchmarks/results/beyond.json"
FOLDER: Final = RESULT.with_suffix("")
PICTURE: Final = REPOSITORY / "docs/images/beyond.png"
STUDIES: Final = (
    "beyond",
    "beyond-dendritic",
    "beyond-one-branch",
    "beyond-linear",
    "beyond-convolutions",
)


def main(words: list[str] | None = None) -> int:
    """Runs the race of the command line; returns 0, also where its time is over before its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", help="home of the studies; by default $STUDY_HOME, else ./runs")
    parser.add_argument("--tracking-uri", help="MLflow store; by default that of the home")
    parser.add_argument("--record", nargs="+", default=(), help="studies to record, from the home")
    parser.add_argument("--studies", nargs="+", default=STUDIES, help="the studies of a new race")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="state of the race")
    parser.add_argument("--root", type=Path, default=Path("data"), help="folder of the data set")
    parser.add_argument("--minutes", type=float, help="minutes of this run; by default to the end")
    parser.add_argument("--to", type=Path, default=RESULT, help="the result")
    parser.add_argument("--plan", action="store_true", help="print how long the rest takes")
    parser.add_argument("--judge", action="store_true", help="read the test images, at the end")
    parser.add_argument("--draw", action="store_true", help="show the stored result")
    arguments = parser.parse_args(words)
    if arguments.record:
        home = Home.find(arguments.home, arguments.tracking_uri)
        for name in arguments.record:
            print(record(name, home, arguments.folder))
        return 0
    if not arguments.draw and not _raced(arguments):
        return 0
    result = json.loads(arguments.to.read_text(encoding="utf-8"))
    print(table(result["rows"]))
    print(verdicts(p_counts(result["rows"])))
    if arguments.to == RESULT:
        title = f"{result['data']}: best networks under each bound, and controls"
        write_picture(figure(result["rows"]), title, PICTURE)
    return 0


def _raced(arguments: argparse.Namespace) -> bool:
    """Continues the race, and judges its winners if it has ended; returns whether they are judged."""
    race = Race.of(arguments.folder, arguments.studies)
    table_of_data = race.searches.source | {"withhold_test": True, "root": arguments.root}
    source, seed = DatasetSpec.model_validate(table_of_data), race.searches.seed
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    keep_freed_memory()
    end = time.monotonic() + 60 * (float("inf") if arguments.minutes is None else arguments.minutes)
    if arguments.plan:
        print(table_of_searches(race))
        print(f"at most about {race.core_hours():.1f} core-hours are left")
        return False
    dataset = load_dataset(source, seed)
    if not race.run(dataset, lambda: time.monotonic() > end):
        trained = sum(len(one.val_accuracy) for one in race.contenders.values())
        print(f"{trained} networks are trained; the same command continues")
        return False
    chosen = choose(race, arguments.folder)
    digest = check_first(arguments.to, arguments.folder)
    if not arguments.judge:
        print("the race has ended, and its winners are stored; --judge reads the test images, once")
        return False
    if not (arguments.folder / OUTCOMES).exists():
        for key in sorted({row["contender"] for row in chosen}):
            race.restore(race.contenders[key], dataset)
    with_test = source.model_copy(update={"withhold_test": False})
    rows = judge(race, chosen, partial(load_dataset, with_test, seed), arguments.folder)
    result = {"machine": describe(), "data": source.label, "race": digest, "rows": rows}
    arguments.to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return True


if __name__ == "__main__":
    raise SystemExit(main())
