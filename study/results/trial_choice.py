"""Which trial of a study is meant, as it was searched or as it was retrained."""

from study.errors import NotFoundError
from study.home import Home
from study.results.answers import best_first
from study.results.reader import StoredStudy, client, translated
from study.results.record import TrialRecord


def choose(stored: StoredStudy, number: int | None) -> TrialRecord:
    """The trial of a number; by default the most accurate one on the front.

    Raises NotFoundError if the study has no such trial.
    """
    name, found = stored.spec.name, stored.records
    if number is None:
        best = next((record for record in best_first(found) if record.on_front), None)
        if best is None:
            raise NotFoundError(f"study {name!r} has no complete trial yet")
        return best
    chosen = next((record for record in found if record.trial == number), None)
    if chosen is None:
        have = f"trials 0 to {found[-1].trial}" if found else "no trials"
        raise NotFoundError(f"study {name!r} has {have}, got trial {number}")
    return chosen


def choose_retrained(stored: StoredStudy, number: int | None, home: Home) -> TrialRecord:
    """The same trial as it was retrained last: with that run, its metrics and its replicates.

    Raises NotFoundError like `choose`, or if it was not retrained.
    """
    from study.results.retrained_run import latest  # noqa: PLC0415  # torch loads only when it is needed

    searched = choose(stored, number)
    with translated(home):
        found = latest(client(home), stored.parent.info.experiment_id, searched)
    if found is None:
        raise NotFoundError(
            f"trial {searched.trial} of study {stored.spec.name!r} was not retrained; "
            f"study retrain {stored.spec.name} {searched.trial} --replicates N does it"
        )
    return found.record
