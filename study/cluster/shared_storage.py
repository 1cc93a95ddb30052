"""Checks that all nodes of a cluster share the home: trials write there what the driver reads.

Without shared storage a node writes to its own disk, and the study silently loses the files.
"""

import time
import uuid
from pathlib import Path
from typing import Any, Final

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.errors import BadInputError
from study.study_folder import NOT_SHARED

_ANSWER_S: Final = 60.0
_LATE_S: Final = 5.0  # a network file system may show a new file late


def check_shared(home: Path) -> None:
    """Raises BadInputError, with the nodes that do not see it, unless all that may run trials do.

    Ray must be running; a missing home is created. Nodes that leave or join meanwhile are ignored.
    """
    here = ray.get_runtime_context().get_node_id()
    others = [
        node
        for node in ray.nodes()  # type: ignore[no-untyped-call]  # Ray's
        if node["Alive"] and node["NodeID"] != here and node["Resources"].get("CPU")
    ]
    if not others:
        return
    home.mkdir(parents=True, exist_ok=True)
    marker = home / f".shared-{uuid.uuid4().hex}"
    marker.touch()
    try:
        without = sorted(node for node in _without(others, marker) if node)
    finally:
        marker.unlink()
    if without:
        raise BadInputError(
            f"{NOT_SHARED}, got {home}, which is not the same on {', '.join(without)} "
            "(option --home, $STUDY_HOME)"
        )


def _without(nodes: list[dict[str, Any]], marker: Path) -> list[str | None]:
    """For each node that answers, its name if it does not see the file, else None."""
    answers = {
        _sees.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(str(marker)): f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        for node in nodes
    }
    ready, _ = ray.wait(list(answers), num_returns=len(answers), timeout=_ANSWER_S)
    names: list[str | None] = []
    for answer in ready:
        try:
            names.append(None if ray.get(answer) else answers[answer])
        except RayError:
            continue
    return names


@ray.remote(num_cpus=0, max_retries=0)
def _sees(file: str) -> bool:
    deadline = time.monotonic() + _LATE_S
    while not Path(file).exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
