"""Trains the studies of the plan for one data set: search, race, choice, and then the test.

Every step can be repeated: studies and retrainings that are done are read, interrupted ones continue.
Studies in the benchmark file are done, wherever they were trained. The test images are withheld from
searches and races. They are evaluated by retrainings alone; those of a study begin when its choices
are in a file, and what is in that file is never chosen again.
"""

import fnmatch
import json
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import final

from pydantic import BaseModel, ConfigDict

import study
from paper.choices import Choice, Role, candidates, choose, in_race
from paper.claims import Claims
from paper.plan import Plan, PlannedStudy
from paper.table import complete, replacing, retrainings
from study import Home, TrialRecord

Notify = Callable[[str], None]


class TimeUpError(Exception):
    """The minutes are over; the same command continues."""


@final
class Failure(BaseModel):
    """A configuration that could not be trained: in a search with no `seeds`, or for the test."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    study: str
    trial: int
    seeds: int
    reason: str


@final
class Replication:
    """The replication on one data set, in a home; `root` is the folder of the images.

    `choices` is the file of the choices; `recorded` are the keys of studies in the benchmark file.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what is run, on what, where, and how it is shown
        self,
        plan: Plan,
        claims: Claims,
        data: str,
        root: str,
        home: Home,
        choices: Path,
        recorded: Collection[str] = (),
        notify: Notify = print,
    ) -> None:
        self._studies = plan.planned(data, root)
        self._root = root
        self._recorded = recorded
        self._claims = claims
        self._home = home
        self._choices = choices
        self._failures = choices.with_name(f"failures-{data}.json")
        self._notify = notify

    def search(self, names: Sequence[str] = ()) -> None:
        """Runs searches and races of these studies, by default all of the plan, and stores choices."""
        for planned in self._named(names):
            self._run(planned.spec)
            if planned.plan.race:
                found = complete(planned.name, self._home)
                raced = candidates(roles_of(planned, self._claims), found, planned.plan.race)
                self._run(planned.race(raced))
            self._choose(planned)

    def test(self, names: Sequence[str] = ()) -> None:
        """Retrains chosen networks, and the others of studies that ask for it, and tests them.

        Without names, studies whose search or race is not done are left out. Raises BadInputError if
        that leaves none, or one of the names.
        """
        studies = self._named(names)
        searched = self._searched(studies)
        done = [one.key for one in searched]
        waiting = [one.key for one in studies if one.key not in done]
        if waiting and (names or not done):
            raise study.BadInputError(
                "searches and races must be done, and the choices stored, before a network is tested, "
                f"got the study {waiting[0]}, which is not in {self._home.folder}; "
                "`python -m paper run` does so"
            )
        for planned in searched:
            for name, trial, seeds in self._wanted(planned):
                self._notify(f"{name}: trial {trial}, {seeds} fresh seeds")
                self._retrain(planned, name, trial, seeds)
        if waiting:
            self._notify(f"not searched, and so not tested: {', '.join(waiting)}")

    def _retrain(self, planned: PlannedStudy, name: str, trial: int, seeds: int) -> None:
        """Tests a configuration; one whose training fails is noted, and is not tried again."""
        try:
            study.retrain(name, trial, seeds, planned.epochs, data=self._root, home=self._home)
        except study.TrialFailedError as error:
            self._notify(f"{name}: trial {trial} failed: {error}")
            self._note([Failure(study=name, trial=trial, seeds=seeds, reason=str(error))])

    def _note(self, failed: Sequence[Failure]) -> None:
        """Adds failures to their file, each once."""
        known = read_failures(self._failures)
        _store(self._failures, [*known, *(one for one in failed if one not in known)])

    def tested(self) -> list[PlannedStudy]:
        """The studies that are tested, and not recorded."""
        return [one for one in self._searched(self._named()) if self._is_tested(one)]

    def _wanted(self, planned: PlannedStudy) -> Iterator[tuple[str, int, int]]:
        """The retrainings of a study without those that failed: a name, a trial, the number of seeds."""
        failed = {(one.study, one.trial, one.seeds) for one in read_failures(self._failures)}
        return (one for one in self._planned_tests(planned) if one not in failed)

    def _planned_tests(self, planned: PlannedStudy) -> Iterator[tuple[str, int, int]]:
        search = complete(planned.name, self._home)
        chosen = self._choose(planned)
        if planned.plan.race:
            race = complete(planned.race_name, self._home)
            numbers = {
                trial: one.trial for trial, one in in_race(search, race, planned.varied).items()
            }
            for one in chosen:
                if one.role.raced and numbers.get(one.trial) != one.raced:
                    raise study.StudyError(
                        "a choice must be of the search and race in the home, got trial "
                        f"{one.trial} with number {one.raced} in the race, where it has number "
                        f"{numbers.get(one.trial)} (study {planned.key}, {self._choices})"
                    )
            for trial in sorted({one.raced for one in chosen if one.raced is not None}):
                yield planned.race_name, trial, planned.plan.seeds
        if planned.plan.others:
            for record in search:
                yield planned.name, record.trial, planned.plan.others

    def _searched(self, studies: Sequence[PlannedStudy]) -> list[PlannedStudy]:
        """Those of the studies whose searches and races are done."""
        done = {
            one.name for one in study.list_studies(home=self._home) if one.run_status == "FINISHED"
        }
        return [one for one in studies if done.issuperset({one.name, one.tested_name})]

    def _is_tested(self, planned: PlannedStudy) -> bool:
        done = {
            (name, one.retraining.trial, one.retraining.replicates)
            for name in {planned.name, planned.tested_name}
            for one in retrainings(planned, name, self._home)
        }
        return done.issuperset(self._wanted(planned))

    def _named(self, names: Sequence[str] = ()) -> list[PlannedStudy]:
        """These studies of the plan, by default all, without those in the benchmark file.

        Names can be patterns, such as `bound-10k-*`.
        """
        known = [one.key for one in self._studies]
        unknown = [name for name in names if not fnmatch.filter(known, name)]
        if unknown:
            raise study.BadInputError(
                f"unknown study {unknown[0]!r} of the plan; known: {', '.join(known)}"
            )
        wanted = [key for key in known if any(fnmatch.fnmatchcase(key, name) for name in names)]
        done = [key for key in wanted if key in self._recorded]
        if done:
            self._notify(f"in the benchmark file already: {', '.join(done)}")
        named = [one for one in self._studies if not names or one.key in wanted]
        return [one for one in named if one.key not in self._recorded]

    def _run(self, spec: study.StudySpec) -> None:
        self._notify(f"{spec.name}: {spec.budget.trials or 'all'} trials")
        summary = study.run(spec, home=self._home)
        if summary.signal_number is not None:
            raise KeyboardInterrupt
        if summary.stopped is not None:
            raise study.StudyError(f"the study {spec.name} stopped: {summary.stopped}")
        failed = [
            Failure(study=spec.name, trial=one.trial, seeds=0, reason=one.reason or "unknown")
            for one in study.records(spec.name, home=self._home, states=("FAIL",))
        ]
        if failed:
            self._note(failed)

    def _choose(self, planned: PlannedStudy) -> list[Choice]:
        """The network for each role of a study that is searched; stored ones are read, others stored."""
        stored = read_choices(self._choices)
        own = [one for one in stored if one.study == planned.name]
        if own:
            return own
        made = list(self._chosen(planned))
        _store(self._choices, [*stored, *made])
        return made

    def _chosen(self, planned: PlannedStudy) -> Iterator[Choice]:
        search = complete(planned.name, self._home)
        race: dict[int, TrialRecord] = {}
        if planned.plan.race:
            race = in_race(search, complete(planned.race_name, self._home), planned.varied)
        for role in roles_of(planned, self._claims):
            choice = choose(role, planned.name, search, race or None)
            if choice is not None:
                yield choice


def read_choices(file: Path) -> list[Choice]:
    """The choices in a file, none if there is no such file."""
    if not file.exists():
        return []
    return [Choice.model_validate(one) for one in json.loads(file.read_text(encoding="utf-8"))]


def read_failures(file: Path) -> list[Failure]:
    """The failures in a file, none if there is no such file."""
    if not file.exists():
        return []
    return [Failure.model_validate(one) for one in json.loads(file.read_text(encoding="utf-8"))]


def _store(file: Path, found: Sequence[BaseModel]) -> None:
    """Writes choices or failures in place of those of the file."""
    text = json.dumps([one.model_dump(mode="json") for one in found], indent=1)
    with replacing(file) as unfinished:
        unfinished.write_text(f"{text}\n", encoding="utf-8")


def roles_of(planned: PlannedStudy, claims: Claims) -> list[Role]:
    """The roles that a study fills: those of the claims, where there are none that of each family.

    No network of a factorial is chosen.
    """
    families = [] if planned.plan.cells else planned.spec.families
    own = claims.roles(planned.data).get(planned.key, [])
    return own or [Role(study=planned.key, family=one) for one in families]


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
