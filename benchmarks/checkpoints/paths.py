"""The ways of a checkpoint from a worker, measured for benchmarks/checkpoints.

    python -m benchmarks.checkpoints.paths driver 1000000
    python -m benchmarks.checkpoints.paths s3 1000000

`driver`: through Ray to `study.runner.trial_files.TrialFolders` on another node, a second Ray node of
this machine. `folder` and `s3`: by the worker itself, with `study.runner.checkpoint_folder`. The object
store is moto, in Python: what a worker computes is that of any object store, how long it waits is not.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil
import ray
import requests
from ray.cluster_utils import Cluster

from study import environment
from study.runner.checkpoint_folder import CheckpointFolder
from study.runner.trial_files import TrialFiles, TrialFolders, TrialStorage

WORKERS: Final = 4  # that send at once, so that the driver's node is busy
SECONDS: Final = 6.0
_WARM: Final = 3  # checkpoints before the first that counts
_PATIENCE_S: Final = 60.0


def to_driver(size: int) -> dict[str, float]:
    """Workers on one node that send to the actor on another, as fast as it takes checkpoints."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=WORKERS)
    ray.init(cluster.address, log_to_driver=False)
    try:
        with tempfile.TemporaryDirectory() as name:
            storage = TrialStorage.here(Path(name), alone=False)
            sender = ray.remote(num_cpus=1)(_send)
            before = _processor_s()
            sent = ray.get([sender.remote(storage, number, size) for number in range(WORKERS)])
            after = _processor_s()
            rate = sum(one["count"] / one["seconds"] for one in sent)
            count = sum(one["count"] for one in sent) + WORKERS * _WARM
    finally:
        ray.shutdown()
        cluster.shutdown()
    return {
        "a_second": rate,
        "actor_ms": 1e3 * (after["actor"] - before["actor"]) / count,
        "ray_ms": 1e3 * (after["ray"] - before["ray"]) / count,
        "worker_ms": sum(one["worker_ms"] for one in sent) / len(sent),
    }


def _send(storage: TrialStorage, number: int, size: int) -> dict[str, float]:
    """Sends one checkpoint of a trial after another, for some seconds."""
    files = TrialFiles(storage.folder, number, f"worker {number}", storage.actor)
    return _repeated(files, size)


def by_worker(uri: str, size: int) -> dict[str, float]:
    """One worker that writes into the folder at a URI, as fast as it can."""
    folder = CheckpointFolder(uri, "benchmark")
    folder.make()
    with tempfile.TemporaryDirectory() as name:
        found = _repeated(TrialFiles(Path(name), 0, "worker", None, folder), size)
    folder.clear([])
    return found


def _repeated(files: TrialFiles, size: int) -> dict[str, float]:
    """Checkpoints a second of this process, and the processor time that it takes for one."""
    data = os.urandom(size)
    for _ in range(_WARM):
        files.write_checkpoint(lambda: data)
        files.finish_checkpoint()
    start, processor, count = time.monotonic(), time.process_time(), 0
    while time.monotonic() - start < SECONDS:
        files.write_checkpoint(lambda: data)
        files.finish_checkpoint()
        count += 1
    seconds = time.monotonic() - start
    return {
        "count": float(count),
        "seconds": seconds,
        "ms": 1e3 * seconds / count,
        "worker_ms": 1e3 * (time.process_time() - processor) / count,
    }


def _processor_s() -> dict[str, float]:
    """Processor seconds of the actor, and of both nodes' own processes."""
    found = {"actor": 0.0, "ray": 0.0}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            command = " ".join(process.cmdline())
            kind = {TrialFolders.__name__: "actor", "raylet/raylet": "ray", "gcs_server": "ray"}
            for part, name in kind.items():
                if part in command:
                    used = process.cpu_times()
                    found[name] += used.user + used.system
                    break
    return found


@contextmanager
def _object_store() -> Iterator[str]:
    """The URI of a bucket, in a process of its own while the context lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(  # noqa: S603  # our own
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    until = time.monotonic() + _PATIENCE_S
    try:
        while True:
            try:
                requests.put(f"http://127.0.0.1:{port}/bucket", timeout=5).raise_for_status()
                break
            except requests.ConnectionError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield f"s3://bucket/studies?endpoint_override=127.0.0.1:{port}&scheme=http"
    finally:
        server.terminate()
        server.wait()


def measure(way: str, size: int) -> dict[str, Any]:
    environment.prepare()
    if way == "driver":
        return to_driver(size)
    if way == "folder":
        with tempfile.TemporaryDirectory() as name:
            return by_worker(Path(name).as_uri(), size)
    with _object_store() as uri:
        return by_worker(uri, size)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(sys.argv[1], int(sys.argv[2]))) + "\n")
