"""Whether all nodes of a cluster see the home: trials write there what the driver reads.

What a node does not see it would write to its own disk, and the study would lose it in silence.
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

    Ray must run; the home is made if it is not there. A node that ends or joins meanwhile is not
    waited for.
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
        blind = sorted(node for node in _asked(others, marker) if node)
    finally:
        marker.unlink()
    if blind:
        raise BadInputError(
            f"{NOT_SHARED}, got {home}, which is not the same on {', '.join(blind)} "
            "(option --home, $STUDY_HOME)"
        )


def _asked(nodes: list[dict[str, Any]], marker: Path) -> list[str | None]:
    """For each node that answers: its name if it does not see the file, else None."""
    answers = {
        _sees.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(str(marker)): f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        for node in nodes
    }
    ready, _ = ray.wait(list(answers), num_returns=len(answers), timeout=_ANSWER_S)
    found: list[str | None] = []
    for answer in ready:
        try:
            found.append(None if ray.get(answer) else answers[answer])
        except RayError:
            continue
    return found


@ray.remote(num_cpus=0, max_retries=0)
def _sees(file: str) -> bool:
    deadline = time.monotonic() + _LATE_S
    while not Path(file).exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
