"""Ray, on this machine or on the cluster that $RAY_ADDRESS names."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import ray
import torch

from study.errors import ClusterError, SpecError
from study.local_ray import local_ray
from study.spec import StudySpec

_REACH_S: Final = 10.0


def check_resources(spec: StudySpec) -> None:
    """Raises SpecError if a trial wants more than this machine has: it would wait for ever.

    Of a cluster nothing is known beforehand, it may grow.
    """
    if ray.is_initialized() or os.environ.get("RAY_ADDRESS"):
        return
    has = {"cpus": _cpus(), "gpus": torch.cuda.device_count()}
    for name, available in has.items():
        wanted = getattr(spec.resources, name)
        if wanted > available:
            raise SpecError(
                f"`resources.{name} <= {name} of this machine` must hold, "
                f"got resources.{name}={wanted:g}, this machine has {available}"
            )


@contextmanager
def ray_runtime() -> Iterator[None]:
    """Ray while the context lasts; one that was there before is left as it was.

    Raises ClusterError if $RAY_ADDRESS cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _check_reachable(address)
        try:
            ray.init(logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, RuntimeError) as error:
            raise ClusterError(f"the Ray cluster at RAY_ADDRESS={address}: {error}") from error
        try:
            yield
        finally:
            ray.shutdown()
    else:
        with local_ray(_cpus()):
            yield


def room_for_trials(spec: StudySpec) -> int:
    """How many trials the machine or the cluster has room for now, at least one."""
    total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray's
    room = total.get("CPU", 1.0) / spec.resources.cpus
    if spec.resources.gpus:
        room = min(room, total.get("GPU", 0.0) / spec.resources.gpus)
    return max(1, int(room))


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _check_reachable(address: str) -> None:
    """Ray itself would try for minutes, without a word."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_S).close()
    except OSError as error:
        raise ClusterError(
            f"the Ray cluster at RAY_ADDRESS={address} must answer: {error}"
        ) from error
