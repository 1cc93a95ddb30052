"""Reads arrays from an npz file, without pickles and within the memory of the machine."""

import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from study.errors import DataError
from study.study_folder import replacing
from study.training.pool import Pools, check_memory

_NPY_MAGIC: Final = b"\x93NUMPY"
_HOW: Final = "numpy.savez('mine.npz', x=images, y=labels) writes a file that can be read"


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Reads the arrays of an npz file by name.

    Raises DataError if it is unreadable, has pickles, or needs more memory than is available.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_NPY_MAGIC)) == _NPY_MAGIC:
                raise DataError(f"cannot read the arrays in {path}: it has one array (npy); {_HOW}")
        with zipfile.ZipFile(path) as archive:
            # As stored in the archive, beyond which Python unpacks nothing; then as bytes, and split.
            size = sum(member.file_size for member in archive.infolist())
        check_memory(2 * size, path)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, NotImplementedError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"cannot read the arrays in {path}: {reason}") from error
    except MemoryError as error:
        raise DataError(f"cannot read the arrays in {path}: they need too much memory") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"cannot read the arrays in {path}: {error}; {_HOW}") from error


def read_npz(path: Path) -> Pools:
    """The images and labels in the arrays x, y, and optionally x_test and y_test.

    Raises DataError if the file or its arrays are invalid.
    """
    try:
        arrays = read_arrays(path)
    except DataError as error:
        raise DataError(f"{error} (key dataset.path)") from error
    if set(arrays) not in ({"x", "y"}, {"x", "y", "x_test", "y_test"}):
        raise DataError(
            f"{path} must hold the arrays x and y, and may hold x_test and y_test, "
            f"got {', '.join(sorted(arrays)) or 'none'} (key dataset.path)"
        )
    test = (arrays["x_test"], arrays["y_test"]) if "x_test" in arrays else None
    return Pools.of_arrays((arrays["x"], arrays["y"]), test)


def write_npz(pools: Pools, file: Path) -> None:
    """Writes images and labels for `read_npz`, replacing the file as a whole. Raises OSError."""
    arrays: dict[str, NDArray[Any]] = {}
    for ending, pool in (("", pools.train), ("_test", pools.test)):
        if pool is not None:
            arrays[f"x{ending}"] = pool.images.transpose(0, 2, 3, 1)
            names = np.array(pools.class_names)
            arrays[f"y{ending}"] = names[pool.labels] if pools.class_names else pool.labels
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as new, new.open("wb") as opened:
        np.savez(opened, allow_pickle=False, **arrays)
