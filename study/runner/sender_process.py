"""The process that sends a study's records, beside its driver.

It is a process of its own, so that neither MLflow's work nor a store that is slow or away holds up
Tune's loop, and so that it outlives a driver that is killed. It ends when its standard input does, as
that of a dead driver does. What the sender has to say it prints, a JSON object a line, and at last
`{"left": n}`, the number of events that could not be sent.
"""

import contextlib
import json
import select
import signal
import sys
from pathlib import Path
from typing import Any

from study import environment
from study.home import Home
from study.report.mlflow_page import publish
from study.study_folder import StudyFolder
from study.tracking.sender import Sender


def main() -> None:
    """The process: its arguments are the study's folder, its name, and the home's folder.

    The tracking URI is in its environment, for it may hold a password, and arguments are seen by all.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    environment.prepare()
    folder, name, home_folder = sys.argv[1:]
    home = Home.find(home_folder)

    answers = sys.stdout
    # MLflow prints where runs can be seen.
    sys.stdout = sys.stderr

    def say(message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            answers.write(json.dumps(message) + "\n")
            answers.flush()

    def ending(seconds: float) -> bool:
        """Nothing is ever written to standard input, so that it is readable says that it ended."""
        return bool(select.select([sys.stdin], [], [], seconds)[0])

    say({"left": Sender(StudyFolder(Path(folder), name), home, say, ending, publish).run()})


if __name__ == "__main__":
    main()
