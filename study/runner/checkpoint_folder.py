"""Checkpoints of trials in a folder that every node reaches, such as a bucket of an object store.

An option for studies whose checkpoints are too many for the driver's node (docs/scaling.md). All other
files of a trial are still sent there.
"""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, final

from pyarrow.fs import FileSelector, FileSystem, LocalFileSystem

from study.errors import BadInputError


@final
@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """The checkpoints of one study, a file for each trial, in a folder at a URI that pyarrow opens.

    `study` tells it from all other studies.
    """

    uri: str
    study: str

    def make(self) -> None:
        """Makes the folder. Workers do not: on a node that does not share it, they must fail."""
        system, folder = self._opened()
        system.create_dir(folder, recursive=True)

    def read(self, number: int) -> bytes | None:
        """The checkpoint of a trial, None if there is none; raises OSError if it cannot be read."""
        system, folder = self._opened()
        try:
            with system.open_input_stream(f"{folder}/{_name(number)}") as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def write(self, number: int, data: bytes) -> None:
        """Replaces the checkpoint of a trial as a whole; raises OSError if it cannot be written."""
        system, folder = self._opened()
        file = f"{folder}/{_name(number)}"
        # Object stores show a file when it is complete; a disk shows the part that is written.
        new = f"{file}.new" if isinstance(system, LocalFileSystem) else file
        with system.open_output_stream(new) as stream:
            stream.write(data)
        if new != file:
            system.move(new, file)

    def sizes(self) -> dict[int, int]:
        """The bytes of each checkpoint, by trial; raises OSError if the folder cannot be read."""
        system, folder = self._opened()
        files = system.get_file_info(FileSelector(folder, allow_not_found=True))
        found = {file: _NAME.fullmatch(file.base_name) for file in files}
        return {int(name[1]): file.size or 0 for file, name in found.items() if name}

    def clear(self, kept: Iterable[int]) -> None:
        """Deletes the checkpoints of all trials but these, and a folder without any."""
        system, folder = self._opened()
        files = system.get_file_info(FileSelector(folder, allow_not_found=True))
        kept_names = {_name(number) for number in kept}
        others = [file for file in files if file.base_name not in kept_names]
        for file in others:
            system.delete_file(file.path)
        if files and len(others) == len(files):
            system.delete_dir(folder)

    def _opened(self) -> tuple[FileSystem, str]:
        system, folder = _open(self.uri)
        return system, f"{folder.rstrip('/')}/{self.study}"


_NAME: Final = re.compile(r"trial-(\d+)\.safetensors")


def check_folder(uri: str) -> None:
    """Raises BadInputError if checkpoints cannot be written into a folder at the URI."""
    probe = f"probe-{uuid.uuid4().hex}"
    try:
        system, folder = _open(uri)
        system.create_dir(f"{folder.rstrip('/')}/{probe}", recursive=True)
        system.delete_dir(f"{folder.rstrip('/')}/{probe}")
    except (OSError, ValueError, NotImplementedError) as error:  # as pyarrow raises
        reason = str(error).partition("\n")[0]
        raise BadInputError(
            "`storage.checkpoints` must be the URI of a folder that can be written, got "
            f"{uri!r}: {reason} (key storage.checkpoints)"
        ) from error


@cache
def _open(uri: str) -> tuple[FileSystem, str]:
    """The file system and the path; a client of an object store takes a while to start."""
    opened: tuple[FileSystem, str] = FileSystem.from_uri(uri)
    return opened


def _name(number: int) -> str:
    return f"trial-{number}.safetensors"
