"""The process that sends a study's records, beside its driver; apart because it is run with `-m`.

In a process of its own neither MLflow nor a slow or absent store delays Tune's loop, and it outlives a
driver that is killed. It ends when its standard input does, as after the driver's death. It prints the
sender's messages, a JSON object a line, and at last `{"left": n}`, the number of unsent events.
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
    """Sends until no more events come; the arguments are study folder, study name and home folder.

    The tracking URI is in the environment: it may hold a password, and all users see arguments.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    environment.prepare()
    folder, name, home_folder = sys.argv[1:]
    home = Home.find(home_folder)

    messages = sys.stdout
    # MLflow prints links to runs.
    sys.stdout = sys.stderr

    def notify(message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):
            messages.write(json.dumps(message) + "\n")
            messages.flush()

    def ending(seconds: float) -> bool:
        """Standard input, to which nothing is written, is readable once it has ended."""
        return bool(select.select([sys.stdin], [], [], seconds)[0])

    notify({"left": Sender(StudyFolder(Path(folder), name), home, notify, ending, publish).run()})


if __name__ == "__main__":
    main()
