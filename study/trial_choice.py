"""Which trial of a study is meant: the one of a number, or the best."""

from collections.abc import Sequence

from study.errors import NotFoundError
from study.record import TrialRecord
from study.results import best_first


def choose(name: str, found: Sequence[TrialRecord], number: int | None) -> TrialRecord:
    """The trial of a number; by default the most accurate one on the front.

    Raises NotFoundError if the study `name` has no such trial.
    """
    if number is None:
        best = next((record for record in best_first(list(found)) if record.on_front), None)
        if best is None:
            raise NotFoundError(f"study {name!r} has no complete trial yet")
        return best
    chosen = next((record for record in found if record.trial == number), None)
    if chosen is None:
        have = f"trials 0 to {found[-1].trial}" if found else "no trials"
        raise NotFoundError(f"study {name!r} has {have}, got trial {number}")
    return chosen
