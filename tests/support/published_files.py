"""Small files in the format of Fashion-MNIST, packed as in Debian's package."""

import gzip
import hashlib
import struct

import numpy as np

from study.training import official_files

CLASSES = 10


def made_fashion_mnist(folder, monkeypatch):
    """Writes the packed files of six images a class into a folder, which becomes the package's."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for part in ("train", "t10k"):
        labels = np.arange(6 * CLASSES) % CLASSES
        images = generator.integers(0, 256, (len(labels), 28, 28))
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            with gzip.open(folder / f"{part}-{name}-ubyte.gz", "wb") as file:
                file.write(idx_bytes(array))
    monkeypatch.setattr(official_files, "DEBIAN", {"fashion_mnist": folder})
    return folder


def as_official(folder, monkeypatch):
    """Takes the packed files in a folder for the official ones."""
    md5 = {
        file.stem: hashlib.md5(gzip.decompress(file.read_bytes())).hexdigest()  # noqa: S324  # a checksum
        for file in folder.glob("*.gz")
    }
    monkeypatch.setitem(official_files.OFFICIAL, "fashion_mnist", md5)


def idx_bytes(array):
    """The contents of an IDX file of bytes."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()
