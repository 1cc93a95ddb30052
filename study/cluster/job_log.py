"""What a job printed, with what Ray says in between."""

import re
from typing import Final

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST_LINE: Final = 200
_MOST_LINES: Final = 5


def last_said(log: str) -> str:
    """The last that the study said, with the commands below it, cut to what a table can show.

    Ray's own lines begin with the name of a process in brackets; they, and what is indented below
    them, are left out.
    """
    said: list[str] = []
    is_rays = False
    for line in _COLOUR.sub("", log).splitlines():
        shown = line.rstrip()[:_LONGEST_LINE]
        if not line.startswith((" ", "\t")):
            is_rays = line.startswith("(")
            if shown and not is_rays:
                said = [shown]
        elif shown and not is_rays:
            said.append(shown)
    return "\n".join(said[:_MOST_LINES])
