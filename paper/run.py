"""Trains the studies of the plan for one data set: search, race, choice, and then the test.

Every step can be repeated: studies and retrainings that are done are read, interrupted ones continue.
The test images are withheld from searches and races. They are evaluated by retrainings alone, which
begin when the choices of all studies are in a file; what is in that file is never chosen again.
"""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import final

import study
from paper.choices import Choice, Role, candidates, choose, in_race
from paper.claims import Claims
from paper.plan import Plan, PlannedStudy
from paper.table import complete
from study import Home, TrialRecord

Notify = Callable[[str], None]


class TimeUpError(Exception):
    """The minutes are over; the same command continues."""


@final
class Replication:
    """The replication on one data set, in a home; `root` is the folder of the images."""

    def __init__(  # noqa: PLR0913, PLR0917  # what is run, on what, where, and how it is shown
        self,
        plan: Plan,
        claims: Claims,
        data: str,
        root: str,
        home: Home,
        choices: Path,
        notify: Notify = print,
    ) -> None:
        self._studies = plan.planned(data, root)
        self._claims = claims
        self._data = data
        self._home = home
        self._choices = choices
        self._notify = notify

    def search(self, names: Sequence[str] = ()) -> None:
        """Runs searches and races of these studies of the plan, by default all."""
        for planned in self._named(names):
            self._run(planned.spec)
            if planned.plan.race:
                found = complete(planned.name, self._home)
                raced = candidates(roles_of(planned, self._claims), found, planned.plan.race)
                self._run(planned.race(raced))

    def choose(self) -> list[Choice]:
        """Chooses a network for each role, and stores the choices; stored ones are read.

        Raises StudyError if a study of the plan is not finished.
        """
        if self._choices.exists():
            stored = json.loads(self._choices.read_text(encoding="utf-8"))
            return [Choice.model_validate(one) for one in stored]
        made = [one for planned in self._studies for one in self._chosen(planned)]
        self._choices.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([one.model_dump(mode="json") for one in made], indent=1)
        self._choices.write_text(f"{text}\n", encoding="utf-8")
        return made

    def test(self) -> None:
        """Retrains the chosen networks, and the others of studies that ask for it, and tests them.

        Raises BadInputError if the choices are not stored.
        """
        if not self._choices.exists():
            raise study.BadInputError(
                f"the choices must be stored before a network is tested, got none in {self._choices}; "
                "`python -m paper run` stores them when all searches and races are done"
            )
        chosen = self.choose()
        for planned in self._studies:
            if planned.plan.race:
                for number in sorted(
                    {
                        one.raced
                        for one in chosen
                        if one.study == planned.name and one.raced is not None
                    }
                ):
                    self._retrain(planned.race_name, number, planned.plan.seeds)
            if planned.plan.others:
                for record in complete(planned.name, self._home):
                    self._retrain(planned.name, record.trial, planned.plan.others)

    def _named(self, names: Sequence[str]) -> list[PlannedStudy]:
        unknown = sorted(set(names) - {one.name for one in self._studies})
        if unknown:
            known = ", ".join(one.name for one in self._studies)
            raise study.BadInputError(f"unknown study {unknown[0]!r} of the plan; known: {known}")
        return [one for one in self._studies if not names or one.name in names]

    def _run(self, spec: study.StudySpec) -> None:
        self._notify(f"{spec.name}: {spec.budget.trials or 'all'} trials")
        summary = study.run(spec, home=self._home)
        if summary.signal_number is not None:
            raise KeyboardInterrupt
        if summary.stopped is not None:
            raise study.StudyError(f"the study {spec.name} stopped: {summary.stopped}")

    def _retrain(self, name: str, trial: int, seeds: int) -> None:
        self._notify(f"{name}: trial {trial}, {seeds} fresh seeds")
        study.retrain(name, trial, seeds, home=self._home)

    def _chosen(self, planned: PlannedStudy) -> Iterator[Choice]:
        status = study.status(planned.name, home=self._home)
        if status.run_status != "FINISHED":
            raise study.StudyError(f"the study {planned.name} must be finished, got {status!r}")
        search = complete(planned.name, self._home)
        race: dict[int, TrialRecord] = {}
        if planned.plan.race:
            race = in_race(search, complete(planned.race_name, self._home), planned.varied)
        for role in roles_of(planned, self._claims):
            choice = choose(role, planned.name, search, race or None)
            if choice is not None:
                yield choice


def roles_of(planned: PlannedStudy, claims: Claims) -> list[Role]:
    """The roles that a study fills: those of the claims, and that of each family.

    No network of a factorial is chosen.
    """
    own = claims.roles(planned.data).get(planned.key, [])
    families = [] if planned.plan.cells else planned.spec.families
    others = [Role(study=planned.key, family=one) for one in families]
    return [*own, *(one for one in others if one not in own)]


@contextmanager
def limited(minutes: float | None) -> Iterator[None]:
    """Interrupts what runs within after so many minutes, as Ctrl-C does: studies stop cleanly.

    Raises TimeUpError then.
    """
    if minutes is None:
        yield
        return
    over = threading.Event()

    def interrupt() -> None:
        over.set()
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(60 * minutes, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if over.is_set():
            raise TimeUpError from None
        raise
    finally:
        timer.cancel()
