"""Ray on this machine or on the cluster of $RAY_ADDRESS, and its capacity.

On this machine Ray would listen on every interface, and keep one token for all clusters of a user in a
file that all users can read, and let all users write into its folders. Here nothing listens beyond
127.0.0.1; the token is drawn for this cluster, is in the environment of its processes while it lasts,
and is written nowhere; its folders are the user's alone.
"""

import logging
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import joblib
import ray
import torch
from ray._common.utils import get_default_system_temp_dir
from ray._private import ray_constants
from ray._private.node import Node as RayNode
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # compiled, no types

from study.cluster.capacity import Capacity, Node, resources_of_trial
from study.cluster.ray_cleanup import cleaned_up, end_own_processes
from study.errors import ClusterError
from study.spec.sections import Resources

_REACH_S: Final = 10.0
_WORKERS_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.5
_NODE_GROUP: Final = "ray.io/node-group"
_MODE: Final = "RAY_AUTH_MODE"
_TOKEN: Final = "RAY_AUTH_TOKEN"  # noqa: S105  # the name of the variable
_OWN_BYTES: Final = 32
_PRIVATE: Final = 0o077
_LAST_LOGS_S: Final = 5.0
_STARTS: Final = 3
_TIMED_OUT: Final = "timed out during startup"  # Ray's words
_UNNEEDED: Final = ("start_log_monitor", "start_monitor", "start_api_server")


def on_cluster() -> bool:
    """Whether Ray already runs, here or on a cluster, so that only Ray knows the resources."""
    return ray.is_initialized() or bool(os.environ.get("RAY_ADDRESS"))


def check_machine(resources: Resources) -> None:
    """Raises SpecError if a trial needs more than this machine has: it would never start."""
    resources_of_trial(resources, [Node(_cpus(), _gpus())], this_machine=True)


def whole_machine() -> Resources:
    """All CPUs of this machine and one of its GPUs, for a trial that runs alone."""
    return Resources(cpus=_cpus(), gpus=min(1, _gpus()))


@contextmanager
def ray_runtime() -> Iterator[bool]:
    """Ray while the context lasts; one that was there before is left as it was.

    Gives whether it was started here for this study alone, so that its one node is this machine.
    Raises ClusterError if $RAY_ADDRESS cannot be reached.
    """
    if ray.is_initialized():
        yield False
        return
    address = os.environ.get("RAY_ADDRESS")
    if address:
        _check_reachable(address)
        try:
            ray.init(logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, RuntimeError) as error:
            raise ClusterError(f"the Ray cluster at RAY_ADDRESS={address}: {error}") from error
        try:
            yield False
        finally:
            ray.shutdown()
    else:
        with local_ray(_cpus(), _gpus()):
            yield True


def find_capacity(resources: Resources, *, alone: bool) -> Capacity:
    """The capacity of Ray, which runs, for trials of this size; `alone` is what `ray_runtime` gives.

    A cluster without an autoscaler whose head has no CPUs gets a minute for its workers to join: it may
    just have started. Raises SpecError if no node, now or later, can hold a trial.
    """
    grows = not alone and _grows()
    until = time.monotonic() + _WORKERS_S
    while not (alone or grows or any(node.cpus for node in _nodes())):
        if time.monotonic() > until:
            break
        time.sleep(_LOOK_EVERY_S)
    share = resources_of_trial(resources, _nodes(), this_machine=alone, grows=grows)
    return Capacity(share, _nodes, resources.concurrent_trials, grows=grows, alone=alone)


def _grows() -> bool:
    """Whether an autoscaler starts nodes of the cluster.

    Its nodes have the label of their type then, which Ray's cluster launcher and KubeRay give them
    (https://docs.ray.io/en/latest/ray-core/scheduling/labels.html).
    """
    return any(node["Labels"].get(_NODE_GROUP) for node in _alive())


def _nodes() -> list[Node]:
    """The nodes that are alive."""
    has = [node["Resources"] for node in _alive()]
    return [Node(float(one.get("CPU", 0)), float(one.get("GPU", 0))) for one in has]


def _alive() -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = ray.nodes()
    return [node for node in nodes if node["Alive"]]


def _cpus() -> int:
    """The processors that this process may use, also by the quota of a container."""
    count: int = joblib.cpu_count()
    return count


def _gpus() -> int:
    return torch.cuda.device_count()


def _check_reachable(address: str) -> None:
    """Raises ClusterError within seconds; Ray itself would silently try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_S).close()
    except OSError as error:
        raise ClusterError(
            f"the Ray cluster at RAY_ADDRESS={address} must answer: {error}"
        ) from error


@contextmanager
def local_ray(cpus: int, gpus: int = 0) -> Iterator[None]:
    """Starts Ray with these CPUs and GPUs for the context; restores the environment at its end.

    Where $RAY_AUTH_MODE is set, Ray's own rules hold: `disabled` asks for no token, and with `token` a
    token that the user has is taken. Raises ClusterError if Ray does not start.
    """
    with (
        _token(),
        _loopback(),
        _few_processes(),
        _private_folder() as folder,
        cleaned_up(folder.parent),
    ):
        before = os.umask(_PRIVATE)  # the processes that Ray starts keep it
        try:
            _start(cpus, gpus, folder)
        finally:
            os.umask(before)
        try:
            yield
        finally:
            ray.shutdown()


def _start(cpus: int, gpus: int, folder: Path) -> None:
    """Starts Ray; again if it timed out, as half a minute is too short for a machine under load."""
    for left in reversed(range(_STARTS)):
        try:
            ray.init(
                "local",
                num_cpus=cpus,
                num_gpus=gpus,
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
                _temp_dir=str(folder),
                # Workers for tasks, one a CPU; the actors of trials get new ones.
                _system_config={"prestart_worker_first_driver": False},
            )
        except Exception as error:  # Ray's own are of any type
            end_own_processes(folder.parent)
            if left and _TIMED_OUT in str(error):
                continue
            reason = str(error).partition("\n")[0].strip() or type(error).__name__
            raise ClusterError(
                f"Ray must start on this machine, but did not: {reason}; the same command tries again"
            ) from error
        return


@contextmanager
def _token() -> Iterator[None]:
    """A fresh token while the context lasts, unless the user decided; `ray.init` demands it then."""
    before = {name: os.environ.get(name) for name in (_MODE, _TOKEN)}
    mode = before[_MODE]
    has_one = AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True)
    if mode is None or (mode.lower() == "token" and not has_one):
        os.environ[_TOKEN] = secrets.token_hex(_OWN_BYTES)
    _read_again()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _read_again()


def _read_again() -> None:
    """Makes Ray read the environment again, which it caches within a process."""
    AuthenticationTokenLoader.instance().reset_cache()
    Config.initialize("")


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder for Ray's sockets and logs while the context lasts, which no other user can reach.

    Ray lets everybody write into the folders that it makes, so they are within one that nobody else may
    enter. It is where Ray has its own; its name is short, as the paths of sockets must be.
    """
    beside = get_default_system_temp_dir()
    folder = tempfile.mkdtemp(prefix="ray", dir=beside)
    try:
        yield Path(folder, "ray")
    finally:
        # Ray's last processes may still write their logs.
        deadline = time.monotonic() + _LAST_LOGS_S
        shutil.rmtree(folder, ignore_errors=True)
        while Path(folder).exists() and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _loopback() -> Iterator[None]:
    """The node has the address 127.0.0.1 while the context lasts, as on systems without clusters.

    An address that is given as `_node_ip_address` is not taken if it is loopback: Ray resolves it to
    that of an interface. With this all of its servers bind to loopback.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _few_processes() -> Iterator[None]:
    """Ray starts neither log monitor, autoscaler nor API server while the context lasts.

    Each is a Python process that loads libraries for one to two seconds. The driver shows no logs of
    workers, there is one node, and the API server, without a dashboard, only reports usage to Ray's
    authors. `ray start` has options for the first two, `ray.init` has none.
    """
    # The methods are private: pyproject.toml ends Ray's range with this minor version.
    before = {name: getattr(RayNode, name) for name in _UNNEEDED}
    for name in _UNNEEDED:
        setattr(RayNode, name, lambda *_, **__: None)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(RayNode, name, function)
