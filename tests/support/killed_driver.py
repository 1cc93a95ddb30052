"""A driver that is killed when it has told all of a trial, and the start of another."""

import os
import signal
import sys
from pathlib import Path

from study import Home, environment
from tests.support.told_study import EPOCHS, begin, end, metrics_of, opened

environment.prepare()
home = Home.find(Path(sys.argv[1]))
tracker = opened(home)
tracker.wait_until_ready()
trial = begin(tracker, 0)
for epoch in range(1, EPOCHS + 1):
    tracker.log_epoch(0, metrics_of(0, epoch), worker="host:1")
end(tracker, trial, home)
begin(tracker, 1)
os.kill(os.getpid(), signal.SIGKILL)
