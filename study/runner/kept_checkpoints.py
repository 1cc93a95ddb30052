"""The checkpoints of ended trials, from which they continue when the budget of their study grows.

Workers write them when a trial ends (`study.runner.trial_worker`). Together they take at most a share of
the disk (key `storage.checkpoint_share`); beyond it those of the least promising trials are deleted.
"""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, final

import torch

from study.runner.checkpoint_folder import CheckpointFolder
from study.search.promotion import by_promise
from study.search.storage import SearchStorage
from study.search.stored_trial import config_of, continues_of, epochs_of
from study.spec.study_spec import StudySpec
from study.study_folder import CHECKPOINT, delete_files, trial_folder
from study.training import checkpoint

_LOOK_AFTER: Final = 20  # ended trials, or a tenth of all checkpoints: a look costs a call for each


@final
class KeptCheckpoints:
    """The checkpoints in the folder of all trials, or in the `remote` folder of the spec."""

    def __init__(
        self,
        spec: StudySpec,
        storage: SearchStorage,
        store: Path,
        remote: CheckpointFolder | None = None,
    ) -> None:
        self._spec = spec
        self._storage = storage
        self._store = store
        self._remote = remote
        self._look_in = _LOOK_AFTER

    def on_end(self) -> None:
        """Deletes what is too much, now and then; those in a remote folder only when the study ends."""
        self._look_in -= 1
        if self._look_in <= 0 and self._remote is None:
            self._look_in = max(_LOOK_AFTER, len(self._limit(self._sizes())) // 10)

    def clean_up(self) -> None:
        """Deletes the files of all trials but those that continue, and checkpoints beyond the share.

        Raises OSError if those in a remote folder cannot be deleted.
        """
        running = self._running()
        own = {trial_folder(self._store, number) for number in running}
        kept = self._limit(self._sizes())
        folders = {trial_folder(self._store, number) for number in kept}
        for folder in self._store.glob("trial-*"):
            if folder not in own:
                delete_files(folder, keep_checkpoint=folder in folders)
                # Of a worker that was killed while it wrote.
                (folder / f"{CHECKPOINT}.new").unlink(missing_ok=True)
        if self._remote is not None:
            self._remote.clear({*running, *kept})

    def readable(self, number: int) -> bool:
        """Whether a trial has a checkpoint that it can continue from.

        It must be of the trial's last epoch, so that none is trained twice, and of an engine that the
        spec allows: a state of the compiled one does not fit the other. Raises OSError if it cannot be
        read.
        """
        trial, data = self._storage.trials()[number], self._read(number)
        if data is None:
            return False
        try:
            config = config_of(trial, self._spec)
            _, numbers = checkpoint.from_bytes(data, config.accepts, torch.device("cpu"))
            state = numbers["training"]
            resources = self._spec.resources
            needs_torch = resources.engine == "torch" or resources.gpus > 0
            fits = not (needs_torch and state["engine"] == "compiled")
            return fits and int(state["epoch"]) >= epochs_of(trial)
        except (ValueError, KeyError, TypeError):
            return False

    def _limit(self, sizes: Mapping[int, int]) -> list[int]:
        """Deletes checkpoints of ended trials beyond the share; returns the trials that keep theirs."""
        needed = self._needed()
        held = sum(sizes.values())
        share = self._spec.storage.checkpoint_share
        left = share * (shutil.disk_usage(self._store).free + held) if sizes else 0.0
        kept = []
        order = by_promise(self._spec, self._storage.trials())
        for number in sorted(needed) + [one for one in order if one not in needed]:
            if number in sizes:
                left -= sizes[number]
                if left >= 0 or number in needed:
                    kept.append(number)
        if self._remote is None:
            running = self._running()
            for number in sizes.keys() - kept - running:
                (trial_folder(self._store, number) / CHECKPOINT).unlink(missing_ok=True)
        return kept

    def _needed(self) -> set[int]:
        """The ended trials that will be continued, or are by a running one."""
        trials = self._storage.trials()
        continued = {continues_of(trials[number]) for number in self._running()}
        return {*self._storage.promoted, *(one for one in continued if one is not None)}

    def _running(self) -> set[int]:
        return {trial.number for trial in self._storage.trials() if not trial.state.is_finished()}

    def _sizes(self) -> dict[int, int]:
        if self._remote is not None:
            return self._remote.sizes()
        sizes = {}
        for file in self._store.glob(f"trial-*/{CHECKPOINT}"):
            number = file.parent.name.removeprefix("trial-")
            if number.isdecimal():
                with suppress(FileNotFoundError):  # the sender deletes folders meanwhile
                    sizes[int(number)] = file.stat().st_size
        return sizes

    def _read(self, number: int) -> bytes | None:
        if self._remote is not None:
            return self._remote.read(number)
        file = trial_folder(self._store, number) / CHECKPOINT
        return file.read_bytes() if file.exists() else None
