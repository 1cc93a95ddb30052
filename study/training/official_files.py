"""The files of a published data set: where they are, and whether they are the official ones."""

import gzip
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

FASHION_MNIST: Final = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
"""MD5 of the contents of the files whose packed form torchvision checks (`FashionMNIST.resources`)."""

OFFICIAL: Final[dict[str, Mapping[str, str]]] = {"fashion_mnist": FASHION_MNIST}
"""By the name of a data set the MD5 of its unpacked files."""

DEBIAN: Final[dict[str, Path]] = {"fashion_mnist": Path("/usr/share/datasets/fashion-mnist")}
"""By the name of a data set the folder of Debian's package with its packed files.

For Fashion-MNIST the package is dataset-fashion-mnist.
"""


@final
@dataclass(frozen=True, slots=True)
class FilesRead:
    """The files of a published data set in `folder`: their MD5 when unpacked, and the official ones."""

    folder: Path
    md5: Mapping[str, str]
    official: Mapping[str, str]

    @property
    def differing(self) -> list[str]:
        """The names of the files that are not the official ones."""
        return [name for name, md5 in self.md5.items() if md5 != self.official[name]]

    def __str__(self) -> str:
        """Whether the files are the official ones, with the MD5 of those that are not."""
        if not self.differing:
            return f"the files in {self.folder} are the official ones (MD5)"
        found = ", ".join(
            f"{name} has MD5 {self.md5[name]}, officially {self.official[name]}"
            for name in self.differing
        )
        return (
            f"notice: the files in {self.folder} are not the official ones: {found}; results cannot "
            "be compared with published ones"
        )


def packed_folder(name: str) -> Path | None:
    """The folder of Debian's package of a data set, None unless all its files are there."""
    folder = DEBIAN.get(name)
    if folder is None or not all(_packed(folder, file).is_file() for file in OFFICIAL[name]):
        return None
    return folder


@contextmanager
def unpacked(name: str, folder: Path, inside: str) -> Iterator[Path]:
    """A temporary root whose folder `inside` has the unpacked files of `folder`.

    Raises OSError, EOFError or zlib.error for damaged files.
    """
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as root:
        (Path(root) / inside).mkdir(parents=True)
        for file in OFFICIAL[name]:
            with (
                gzip.open(_packed(folder, file)) as source,
                (Path(root) / inside / file).open("wb") as copy,
            ):
                shutil.copyfileobj(source, copy)
        yield Path(root)


def checksums(name: str, folder: Path) -> dict[str, str]:
    """The MD5 of the unpacked files of a data set in `folder`; none of one without official ones."""
    return {file: _md5(folder / file) for file in OFFICIAL.get(name, ())}


def _packed(folder: Path, file: str) -> Path:
    return folder / f"{file}.gz"


def _md5(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
