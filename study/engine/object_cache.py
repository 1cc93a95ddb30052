"""Keeps object code between processes, in a folder that is the user's alone.

What lies there is run. So the folder and the file must belong to the user, and nobody else may
write to them; and a file that was not written to its end must not be read.
"""

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

import llvmlite.binding as llvm

_DIGEST: Final = hashlib.sha256().digest_size  # bytes
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_code() -> bytes | None:
    """What `keep_code` has kept of these sources for this processor, None if that is nothing."""
    for folder in _folders():
        with suppress(OSError), (folder / _name()).open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid == os.getuid() and not status.st_mode & _OTHERS:
                content = file.read()
                if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
                    return content[_DIGEST:]
    return None


def keep_code(code: bytes) -> Path | None:
    """The file that now holds the code; None where no folder can be written."""
    for folder in _folders():
        with suppress(OSError):
            handle, part = tempfile.mkstemp(dir=folder)  # which nobody else may read
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(code).digest() + code)
                return Path(part).rename(folder / _name())
            except OSError:
                Path(part).unlink()
                raise
    return None


def _folders() -> list[Path]:
    """$NUMBA_CACHE_DIR, the user's cache, and a folder that lasts as long as /tmp; those that exist.

    They are made where that is possible.
    """
    places = [Path(tempfile.gettempdir()) / f"dendritic-study-{os.getuid()}"]
    with suppress(RuntimeError):  # a user without a home
        user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        places.insert(0, Path(user) / "dendritic-study")
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        places.insert(0, Path(chosen) / "dendritic-study")
    return [place for place in places if _is_own(place)]


def _is_own(folder: Path) -> bool:
    """Makes the folder, unless it exists; whether it is the user's, who then has it alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()  # a link may lead to a folder of somebody else
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            return False
        if status.st_mode & _OTHERS:
            folder.chmod(0o700)
    except OSError:
        return False
    return True


def _name() -> str:
    """A name that changes with the sources of the engine, the compilers and the processor."""
    features = llvm.get_host_cpu_features().flatten()
    processor = f"{llvm.get_host_cpu_name()} {features}"
    digest = hashlib.sha256(f"{version('numba')} {version('llvmlite')} {processor}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return f"engine-{digest.hexdigest()[:16]}.o"
