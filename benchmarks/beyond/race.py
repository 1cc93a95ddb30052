"""The race: the best trials of some studies under each bound are trained with fresh seeds, in rounds.

After each round the best third of a heat remains (successive halving), by the accuracy over the seeds of
the search and the fresh ones, at last one network with ten fresh seeds. Only validation images are
evaluated. The state is a JSON file, with which an interrupted race continues, also on another machine:
networks that do not lie beside it are trained again before they are judged.
"""

import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias, final

from benchmarks.beyond.contender import CONVOLUTIONS, GROUPS, SHARED, Contender
from benchmarks.beyond.searches import Searches, read
from benchmarks.trained import trained
from models import Architecture, save_network
from models.storage import DESCRIPTION
from paper.costs import epoch_seconds
from study import Dataset, StudyError
from study.study_folder import replace_file

BOUNDS: Final = (
    ("trainable_parameters", 8_000),
    ("trainable_parameters", 30_000),
    ("trainable_parameters", 100_000),
    ("trainable_parameters", 300_000),
    ("macs", 50_000),
)
"""Upper bounds of a metric that is known before training."""

CONTENDERS: Final = {100_000: 5, 300_000: 3}
"""Of a heat, by its bound; ten by default. Large networks take minutes a seed, and differ less."""

SHARED_CONTENDERS: Final = 4
"""At most so many in the groups that share weights, whose epochs take longer."""

SEEDS_A_ROUND: Final = 2  # trained together, on two threads
ROUNDS: Final = 5
REMAINING: Final = 3  # one part in so many

Heat: TypeAlias = tuple[str, int, str]
"""The metric of a bound, its value, and the group."""


@final
class Race:
    """The race, whose state is in a folder.

    `heats` are the contenders of each bound and group; a trial under several bounds is trained once.
    """

    def __init__(self, folder: Path, contenders: list[Contender], searches: Searches) -> None:
        self._folder = folder
        self._file = folder / "race.json"
        self.contenders = {one.key: one for one in contenders}
        self.searches = searches

    @classmethod
    def of(cls, folder: Path, studies: Sequence[str]) -> "Race":
        """The race in a folder; a new one has the best trials of the studies that are recorded there.

        It is stored with its first training. Raises StudyError if a study is not recorded.
        """
        file = folder / "race.json"
        if file.exists():
            stored = json.loads(file.read_text(encoding="utf-8"))
            contenders = [Contender(**one) for one in stored["contenders"]]
            return cls(folder, contenders, Searches(**stored["searches"]))
        searches, ranked = read(folder, studies)
        return cls(folder, _best(ranked), searches)

    def heats(self) -> dict[Heat, list[Contender]]:
        """The contenders of each bound and group, the most accurate in the search first."""
        heats: dict[Heat, list[Contender]] = {}
        for metric, bound in BOUNDS:
            for group in GROUPS:
                inside = [
                    one
                    for one in self.contenders.values()
                    if getattr(one, metric) <= bound and one.group == group
                ]
                inside.sort(key=lambda one: (-one.search[0], one.trainable_parameters))
                if inside:
                    heats[metric, bound, group] = inside[: _contenders(bound, group)]
        return heats

    def due(self) -> tuple[Contender, list[int]] | None:
        """The next training: a contender that still races, and its next seeds; None at the end."""
        waiting = [
            one
            for heat in self.heats().values()
            for racing, seeds in [_state(heat)]
            for one in racing
            if len(one.val_accuracy) < seeds
        ]
        if not waiting:
            return None
        one = min(waiting, key=lambda one: (len(one.val_accuracy), one.trainable_parameters))
        first = one.first_seed + len(one.val_accuracy)
        return one, list(range(first, first + SEEDS_A_ROUND))

    def core_hours(self) -> float:
        """What the rest takes, about, if the largest contenders remain."""
        wanted: dict[str, int] = {}  # fresh seeds
        for heat in self.heats().values():
            racing, seeds = _state(heat)
            racing = sorted(racing, key=lambda one: -one.macs)
            while seeds <= SEEDS_A_ROUND * ROUNDS:
                wanted |= {one.key: max(seeds, wanted.get(one.key, 0)) for one in racing}
                racing = racing[: -(-len(racing) // REMAINING)]
                seeds += SEEDS_A_ROUND
        seconds = sum(
            (seeds - len(one.val_accuracy))
            * one.training["epochs"]
            * epoch_seconds(Architecture(**one.architecture), one.macs)
            for key, seeds in wanted.items()
            for one in [self.contenders[key]]
        )
        return float(seconds / 3600)

    def run(self, dataset: Dataset, over: Callable[[], bool]) -> bool:
        """Trains and prints what is due until `over` or the end; returns whether the race has ended."""
        while (due := self.due()) is not None:
            if over():
                return False
            contender, seeds = due
            accuracies = self._train(contender, seeds, dataset)
            contender.val_accuracy |= dict(zip(map(str, seeds), accuracies, strict=True))
            self.store()
            percents = " ".join(f"{100 * one:.2f}" for one in accuracies)
            print(
                f"{contender.label}: {percents} % with seeds {seeds[0]} to {seeds[-1]}; "
                f"at most about {self.core_hours():.1f} core-hours are left",
                flush=True,
            )
        return True

    def winners(self) -> dict[Heat, Contender]:
        """The finalist of each heat with the highest validation accuracy over all its seeds.

        Raises RuntimeError before the end of the race.
        """
        if self.due() is not None:
            raise RuntimeError("a race has winners only at its end")
        return {
            place: max(_state(heat)[0], key=lambda one: one.pooled()[0])
            for place, heat in self.heats().items()
        }

    def networks(self, contender: Contender) -> list[Path]:
        """The folders of the networks of a contender, with the replicates of a round each."""
        return [self._network(contender, seed) for seed in contender.seeds[::SEEDS_A_ROUND]]

    def restore(self, contender: Contender, dataset: Dataset) -> None:
        """Trains those networks of a contender again that are not in the folder.

        Raises StudyError if they are not as accurate as they were, on another kind of processor.
        """
        for first in contender.seeds[::SEEDS_A_ROUND]:
            if (self._network(contender, first) / DESCRIPTION).exists():
                continue
            seeds = list(range(first, first + SEEDS_A_ROUND))
            before = [contender.val_accuracy[str(seed)] for seed in seeds]
            after = self._train(contender, seeds, dataset)
            if after != before:
                raise StudyError(
                    "a network that is trained again must have the validation accuracies of the race, "
                    f"{before}, got {after} ({contender.key}, seeds {seeds}): the race must be judged "
                    "on a processor of the kind that ran it, or with its networks"
                )

    def store(self) -> None:
        """Stores the state, which replaces the former at once."""
        contenders = [vars(one) for one in self.contenders.values()]
        state = {"searches": vars(self.searches), "contenders": contenders}
        replace_file(self._file, json.dumps(state, indent=1) + "\n", durably=False)

    def _network(self, contender: Contender, first_seed: int) -> Path:
        return self._folder / "networks" / contender.key / str(first_seed)

    def _train(self, contender: Contender, seeds: list[int], dataset: Dataset) -> list[float]:
        architecture = Architecture(**contender.architecture)
        done = trained(architecture, contender.training, dataset, seeds)
        save_network(done.network, self._network(contender, seeds[0]))
        return done.accuracies


def _best(ranked: Sequence[Contender]) -> list[Contender]:
    """The best under each bound, of each group."""
    found: dict[str, Contender] = {}
    for metric, bound in BOUNDS:
        for group in GROUPS:
            inside = (one for one in ranked if one.group == group and getattr(one, metric) <= bound)
            found |= {one.key: one for one in islice(inside, _contenders(bound, group))}
    return list(found.values())


def _contenders(bound: int, group: str) -> int:
    contenders = CONTENDERS.get(bound, 10)
    return min(contenders, SHARED_CONTENDERS) if group in (SHARED, CONVOLUTIONS) else contenders


def _state(heat: list[Contender]) -> tuple[list[Contender], int]:
    """Those of a heat that still race, and the number of fresh seeds that each gets in this round."""
    racing = heat
    for round_ in range(1, ROUNDS):
        seeds = SEEDS_A_ROUND * round_
        if any(len(one.val_accuracy) < seeds for one in racing):
            return racing, seeds
        remain = -(-len(racing) // REMAINING)
        racing = sorted(racing, key=lambda one: -one.pooled(seeds)[0])[:remain]
    return racing, SEEDS_A_ROUND * ROUNDS
