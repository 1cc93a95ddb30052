"""The teachers of a training: stored trials whose outputs it learns, as a spec names them."""

import re
from typing import Final

from study.errors import echo
from study.home import is_name

NO_TEACHER: Final = "none"
_LONGEST: Final = 10  # trials
_TRIAL: Final = re.compile(r"(.+)/(0|[1-9]\d{0,6})")


def teacher_trials(text: object) -> tuple[tuple[str, int], ...]:
    """The trials of `STUDY/TRIAL`, or of several joined by ` + `; none of `none`.

    Raises ValueError with the rule for anything else.
    """
    if text == NO_TEACHER:
        return ()
    parts = text.split(" + ") if isinstance(text, str) else []
    found = [_TRIAL.fullmatch(part) for part in parts]
    trials = tuple((one[1], int(one[2])) for one in found if one is not None and is_name(one[1]))
    if not 0 < len(trials) == len(parts) <= _LONGEST or len(set(trials)) < len(trials):
        raise ValueError(
            f"must be none, or STUDY/TRIAL, or up to {_LONGEST} different ones joined by ' + ', "
            f"got {echo(text)}"
        )
    return trials
