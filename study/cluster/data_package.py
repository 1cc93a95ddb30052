"""A data set that goes along with a submission: packed here, unpacked by the job on the cluster's head.

Ray keeps the package, by the hash of its contents, for ten minutes by default, so that several jobs can
unpack it. From the head the arrays travel to each node once, through Ray's object store
(`study.runner.tuner`).
"""

import hashlib
import itertools
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled, no types
from ray.job_submission import JobSubmissionClient

from study.errors import BadInputError, ClusterError, DataError
from study.spec.sections import OWN_DATA, DatasetSpec
from study.training.data_sources import TORCHVISION, check_files
from study.training.image_folder import part_folders

_HASH_DIGITS: Final = 16
_FETCH_S: Final = 300.0
_MIB: Final = 2**20
# Ray's dashboard takes up to 100 MiB at once; a slow connection must send a part within the time limit.
_PART_BYTES: Final = 4 * _MIB
_PART_S: Final = 120.0
# Equal files make equal packages, whoever packs them, and a zip has no time before 1980.
_TIME: Final = (1980, 1, 1, 0, 0, 0)


@final
@dataclass(frozen=True, slots=True)
class DataPackage:
    """The files of a data set, by their names below `dataset.root`, or as `dataset.path`."""

    files: dict[str, Path]
    sha256: str

    @classmethod
    def of(cls, spec: DatasetSpec, place: Path) -> "DataPackage":
        """The data set of the spec at a place on this machine, which is that of `path` or of `root`.

        Raises BadInputError for the digits, which need no files, and DataError if files are missing.
        """
        if spec.name in OWN_DATA:
            check_files(spec.model_copy(update={"path": place}))
            if place.is_file():
                return cls._hashed({_own_name(spec): place}, place)
            named = {
                f"{_own_name(spec)}/{file.relative_to(place)}": file for file in _files_in(place)
            }
            return cls._hashed(named, place)
        if spec.name not in TORCHVISION:
            raise BadInputError(
                f"the data set {spec.name} has no files to send, so --data must not be given, "
                f"got {str(place)!r}"
            )
        check_files(spec.model_copy(update={"root": place, "download": False}))
        _, arguments, folder, _ = TORCHVISION[spec.name]
        # Those that torchvision reads: neither the archives that it unpacked nor other splits.
        names = f"*-{arguments['split']}-*" if "split" in arguments else "*"
        found = sorted(file for file in (place / folder).glob(names) if file.is_file())
        unpacked = [file for file in found if file.suffix not in {".gz", ".zip"}]
        return cls._hashed({f"{folder}/{file.name}": file for file in unpacked}, place / folder)

    @classmethod
    def _hashed(cls, files: dict[str, Path], place: Path) -> "DataPackage":
        if not files:
            raise DataError(
                f"a data set that is sent must have files, got none in {place} (--data)"
            )
        digest = hashlib.sha256()
        for name, file in files.items():
            with file.open("rb") as opened:
                content = hashlib.file_digest(opened, "sha256").hexdigest()
            digest.update(f"{name} {content}\n".encode())
        return cls(files, digest.hexdigest()[:_HASH_DIGITS])

    def upload(self, client: JobSubmissionClient, say: Callable[[str], None]) -> None:
        """Stores the package in the cluster, in parts, unless it is there; `say` hears of a large one.

        Raises BadInputError if it is too large, and RuntimeError if the cluster refuses it.
        """

        def request(method: str, part: int, **options: Any) -> Any:  # noqa: ANN401  # as of Ray's client
            address = f"/api/packages/gcs/{_name(self.sha256, part)}"
            return client._do_request(method, address, **options)  # noqa: SLF001  # Ray has no public upload

        # The first part comes last: if it is there, so are the others, each kept anew by a request.
        if request("GET", 0).ok:
            next(part for part in itertools.count(1) if not request("GET", part).ok)
            return
        with tempfile.TemporaryFile() as packed:
            size = self._pack(packed)
            if size > _PART_BYTES:
                say(f"sending {size / _MIB:.0f} MiB of data\n")
            for part in reversed(range(math.ceil(size / _PART_BYTES))):
                packed.seek(part * _PART_BYTES)
                answer = request("PUT", part, data=packed.read(_PART_BYTES), timeout=_PART_S)
                if not answer.ok:
                    raise RuntimeError(f"it did not take the data set: {answer.text[:200]}")

    def _pack(self, file: IO[bytes]) -> int:
        """Writes the package into a file; returns its bytes. Raises BadInputError if it is too large."""
        with ZipFile(file, "w", ZIP_DEFLATED) as archive:
            for name, source in self.files.items():
                with source.open("rb") as opened, archive.open(ZipInfo(name, _TIME), "w") as member:
                    shutil.copyfileobj(opened, member, _MIB)
                if file.tell() >= GCS_STORAGE_MAX_SIZE:
                    raise BadInputError(
                        f"`size of the compressed data < {GCS_STORAGE_MAX_SIZE // _MIB} MiB` must hold, "
                        "got more: copy it to the cluster's head, and name its place there in the spec "
                        "(keys dataset.root, dataset.path)"
                    )
        return file.tell()


def unpacked(sha256: str, home: Path) -> Path:
    """The folder of a data set that was sent with this job, in the home; fetched unless it is there.

    Raises ClusterError if Ray does not have it any more.
    """
    folder = home / "data" / sha256
    if folder.exists():
        return folder
    client = GcsClient(address=os.environ["RAY_ADDRESS"])
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Of its own, since another job may unpack the same data set now.
    with tempfile.TemporaryDirectory(dir=folder.parent) as new:
        with (Path(new) / "packed").open("wb") as packed:
            for part in itertools.count():
                data = client.internal_kv_get(
                    f"gcs://{_name(sha256, part)}".encode(), None, _FETCH_S
                )
                if data is None:
                    break
                packed.write(data)
        try:
            with ZipFile(Path(new) / "packed") as archive:
                archive.extractall(Path(new) / sha256)
        except BadZipFile as error:  # parts are missing
            raise ClusterError(
                f"the cluster no longer has the data set {sha256}, which Ray keeps for ten minutes by "
                "default: submit it again"
            ) from error
        try:
            (Path(new) / sha256).rename(folder)
        except OSError:
            if not folder.exists():
                raise
    return folder


def placed(spec: DatasetSpec, folder: Path) -> DatasetSpec:
    """The data set of the spec in a folder that has the files of a package."""
    if spec.name in OWN_DATA:
        return spec.model_copy(update={"path": folder / _own_name(spec)})
    return spec.model_copy(update={"root": folder, "download": False})


def _files_in(place: Path) -> list[Path]:
    """The files below a folder, also those of its parts and classes that are links to folders."""
    parts = [place, *part_folders(place).values()]
    below = [one for part in parts for one in part.iterdir()]
    folders = [place, *(one for one in below if one.is_symlink() and one.is_dir())]
    return sorted(file for folder in folders for file in folder.rglob("*") if file.is_file())


def _own_name(spec: DatasetSpec) -> str:
    """The name of a user's own data in a package: a folder, or a file whose end says what it is."""
    return "data" if spec.name == "folder" else f"data.{spec.name}"


def _name(sha256: str, part: int) -> str:
    return f"study_data_{sha256}_{part}.zip"
