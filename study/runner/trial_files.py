"""The files of trials, all on the driver's node, wherever a trial is trained.

A worker on that node writes them itself. Workers on other nodes send them through Ray to an actor
there, so the nodes of a cluster need no storage in common.
"""

import errno
import os
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.runner.checkpoint_folder import CheckpointFolder
from study.study_folder import CHECKPOINT, NETWORK, replacing, trial_folder

_NAME: Final = re.compile(rf"(?:{NETWORK}/)?[a-z]+\.(?:json|npy|safetensors)")
_SHARE_OF_TRIAL: Final = 20  # checkpoints take one part in this many of a trial's time
SHARE_OF_NODE: Final = 5  # and of the driver's node's time, those of all other nodes together
_FIRST_WRITE_S: Final = 0.005  # a guess, until one is measured
_LAST_WRITE_S: Final = 60.0


@final
class TrialFolders:
    """The folders of all trials on this machine; on a cluster an actor, which other nodes call.

    A trial belongs to the worker that took it last. Others may not write: a worker that was cut off,
    and whose trial continues elsewhere, may come back.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._workers: dict[int, str] = {}
        # How long all checkpoints took so far, and how long when each trial's last one was written.
        self._busy_s = 0.0
        self._busy_before: dict[int, float] = {}
        self._pause_s = 0.0

    def take(self, number: int, worker: str) -> None:
        """Gives a trial to a worker."""
        self._workers[number] = worker

    def open(self, number: int, worker: str, of: int | None = None) -> tuple[bytes | None, float]:
        """Gives a trial to a worker; returns its checkpoint, if any, and the pause before the next.

        The checkpoint is that of the trial `of`, if given.
        """
        self.take(number, worker)
        file = trial_folder(self._folder, number if of is None else of) / CHECKPOINT
        return (file.read_bytes() if file.exists() else None), self._pause_s

    def write(
        self,
        number: int,
        worker: str,
        files: Mapping[str, bytes],
        *,
        new: bool,
        durably: bool = False,
    ) -> None:
        """Replaces files of a trial, in this order; its folder is made if it may be `new`.

        Only files that are written `durably` survive a power cut.

        Raises OSError, and leaves the old file, if one cannot be written or another worker has the
        trial, and ValueError for a name that no file of a trial has.
        """
        if type(number) is not int or not all(map(_NAME.fullmatch, files)):
            raise ValueError(f"must be files of a trial, got {number!r}: {', '.join(files)}")
        if self._workers.get(number, worker) != worker:
            raise OSError(errno.ESTALE, "another worker has the trial", f"trial {number}")
        folder = trial_folder(self._folder, number)
        if new:
            folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            file = folder / name
            if file.parent != folder:
                file.parent.mkdir(exist_ok=True)
            with replacing(file) as beside, beside.open("wb") as opened:
                opened.write(data)
                if durably:  # otherwise a power cut could leave an empty file under the new name
                    opened.flush()
                    os.fsync(opened.fileno())

    def write_checkpoint(self, number: int, worker: str, data: bytes, *, new: bool) -> float:
        """Replaces a trial's checkpoint like `write`; returns the seconds to wait with the next one.

        They are a multiple of the time that the checkpoints of all trials took since this trial's last
        one. So all together take the same share of the time, however many trials there are.
        """
        start = time.monotonic()
        self.write(number, worker, {CHECKPOINT: data}, new=new, durably=True)
        took = time.monotonic() - start
        first = self._busy_s, self._pause_s
        before, least = (self._busy_before[number], 0.0) if number in self._busy_before else first
        self._busy_s += took
        self._busy_before[number] = self._busy_s
        self._pause_s = max(least, SHARE_OF_NODE * (self._busy_s - before))
        return self._pause_s


@final
@dataclass(frozen=True, slots=True)
class TrialStorage:
    """The place of the files of trials: `folder` on `node`, into which `actor` writes for other nodes.

    Without an actor, every worker writes into the folder itself. The actor is a handle of
    `TrialFolders`. `checkpoints` is where the checkpoints are, if not there.
    """

    folder: Path
    checkpoints: CheckpointFolder | None = None
    node: str | None = None
    actor: Any = None

    @classmethod
    def here(
        cls, folder: Path, *, alone: bool, checkpoints: CheckpointFolder | None = None
    ) -> "TrialStorage":
        """The storage in a folder of this node, with an actor unless the node is `alone` in Ray."""
        if alone:
            return cls(folder, checkpoints)
        node = ray.get_runtime_context().get_node_id()
        actor = ray.remote(TrialFolders).options(
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            # It only estimates anew after a restart.
            max_restarts=-1,
            max_task_retries=-1,
        )
        return cls(folder, checkpoints, node, actor.remote(folder))

    def files(self, number: int) -> "TrialFiles":
        """The files of a trial, which this process trains from now on."""
        worker, actor = uuid.uuid4().hex, self.actor
        if actor is not None and ray.get_runtime_context().get_node_id() == self.node:
            actor.take.remote(number, worker)
            actor = None
        return TrialFiles(self.folder, number, worker, actor, self.checkpoints)


@final
class TrialFiles:
    """The files of the trial that a worker trains, and when its next checkpoint is due.

    Checkpoints take at most a twentieth of the worker's time. An actor writes them while the trial
    goes on: at most one is under way, and the next one waits as long as the actor asks. With
    `checkpoints` the worker writes them there.
    """

    def __init__(
        self,
        folder: Path,
        number: int,
        worker: str,
        actor: Any = None,  # noqa: ANN401  # see TrialStorage
        checkpoints: CheckpointFolder | None = None,
    ) -> None:
        self.checkpoint_path: Final = trial_folder(folder, number) / CHECKPOINT
        self._checkpoints = checkpoints
        self._number = number
        self._trial = number, worker
        self._folders = TrialFolders(folder)
        self._actor = actor
        self._under_way: Any = None
        self._due_at = time.monotonic() + _SHARE_OF_TRIAL * _FIRST_WRITE_S

    def checkpoint(self, of: int | None = None) -> bytes | None:
        """The last checkpoint of the trial, whichever worker wrote it; None if there is none.

        With `of`, that of the trial which it continues. Raises OSError if it cannot be read.
        """
        data: bytes | None
        data, pause = self._result(self._call("open", of))
        if self._checkpoints is not None:
            return self._checkpoints.read(self._number if of is None else of)
        self._wait(pause)
        return data

    @property
    def checkpoint_due(self) -> bool:
        """Whether it is time for a checkpoint; raises OSError if the last one was not written."""
        if self._under_way is not None:
            if self._actor is not None and not ray.wait([self._under_way], timeout=0)[0]:
                return False
            under_way, self._under_way = self._under_way, None
            self._wait(self._result(under_way))
        return time.monotonic() >= self._due_at

    def write_checkpoint(self, contents: Callable[[], bytes], *, new: bool = True) -> None:
        """Writes a checkpoint, or starts to send it; with `new` false only if the trial has a folder.

        Raises OSError if it cannot be written here.
        """
        start = time.monotonic()
        try:
            data = contents()
            if self._checkpoints is not None:
                self._checkpoints.write(self._number, data)
            else:
                self._under_way = self._call("write_checkpoint", data, new=new)
        finally:
            self._due_at = 0.0
            self._wait(_SHARE_OF_TRIAL * (time.monotonic() - start))

    def keep_checkpoint(self, data: bytes) -> None:
        """Writes the checkpoint of a trial that has ended, or starts to send it.

        Unlike that of a running one it may be lost in a power cut. Raises OSError if it cannot be
        written here.
        """
        if self._checkpoints is not None:
            self._checkpoints.write(self._number, data)
        else:
            self._call("write", {CHECKPOINT: data}, new=True)

    def finish_checkpoint(self) -> None:
        """Waits for the checkpoint that is under way. Raises OSError if it was not written in time."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            self._result(under_way, within_s=_LAST_WRITE_S)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Writes the final files, in this order. Raises OSError if one cannot be written."""
        self._result(self._call("write", files, new=True))

    def _wait(self, seconds: float) -> None:
        self._due_at = max(self._due_at, time.monotonic() + seconds)

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # any method
        """The result of a method of `TrialFolders`, or Ray's reference to it."""
        if self._actor is None:
            return getattr(self._folders, method)(*self._trial, *arguments, **options)
        return getattr(self._actor, method).remote(*self._trial, *arguments, **options)

    def _result(self, called: Any, within_s: float | None = None) -> Any:  # noqa: ANN401  # of any method
        if self._actor is None:
            return called
        try:
            return ray.get(called, timeout=within_s)
        except RayError as error:
            reason = getattr(error, "cause", None) or error
            raise OSError(
                f"{self.checkpoint_path.parent} on the driver's node: {reason}"
            ) from error
