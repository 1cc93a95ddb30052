"""The nodes of a Ray cluster, and those that its autoscaler may still bring.

Ray has no public call for the latter. What is private of Ray, and how its head is laid out, is used here
alone; where it fails, the answer is that nobody knows.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import ray
import yaml
from ray._private.state import state
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.cluster.capacity import AutoscalerLimits, Node

_ANSWER_WITHIN_S: Final = 30.0
_MONITOR: Final = "monitor.py"  # of autoscaler/_private and of autoscaler/v2
_HEAD: Final = "node:__internal_head__"
_OPTION: Final = "--autoscaling-config="
_UNLIMITED: Final = 10**6


def autoscaler_limits() -> AutoscalerLimits | None:
    """What the autoscaler of the cluster that this process is connected to may bring.

    None if nobody knows: it runs outside the head, as that of KubeRay does, or it finds out the
    sizes of its nodes only when they come.
    """
    reported = _reported()
    return _growth_of(_config_of_head()) if reported is None else reported


def _reported() -> AutoscalerLimits | None:
    """What the autoscaler has told the cluster; Ray's own two do not, others do."""
    config = state.get_cluster_config()
    if config is None or not config.node_group_configs:
        return None
    kinds = tuple(
        (_node(group.resources), _UNLIMITED if group.max_count < 0 else int(group.max_count))
        for group in config.node_group_configs
    )
    return AutoscalerLimits(kinds, sum(count for _, count in kinds))


def _config_of_head() -> Mapping[str, Any] | None:
    """The autoscaler's file, which lies on the head; empty if it has none, None if it is not known."""
    head = next((node for node in _nodes() if _HEAD in node["Resources"]), None)
    if head is None:
        return None
    context = ray.get_runtime_context()
    address = str(context.gcs_address)
    if head["NodeID"] == context.get_node_id():
        return read_config(address)
    there = NodeAffinitySchedulingStrategy(node_id=head["NodeID"], soft=False)
    task = ray.remote(read_config).options(num_cpus=0, scheduling_strategy=there)
    try:
        found: Mapping[str, Any] | None = ray.get(task.remote(address), timeout=_ANSWER_WITHIN_S)
    except RayError:
        return None
    return found


def nodes() -> list[Node]:
    """The nodes that are there now."""
    return [_node(node["Resources"]) for node in _nodes()]


def _nodes() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray's
    return [node for node in found if node["Alive"]]


def read_config(address: str) -> dict[str, Any] | None:
    """On the head: the file that its autoscaler was started with, {} if it has none.

    None if no autoscaler of this head runs here, or its file cannot be read. `address` is that of the
    cluster's store (GCS), by which several heads on one machine are told apart.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(encoding="utf-8").split("\0")
        except (OSError, UnicodeDecodeError):
            continue  # it has ended, or is nobody's business
        if f"--gcs-address={address}" not in words or not any(_MONITOR in word for word in words):
            continue
        files = [word.partition("=")[2] for word in words if word.startswith(_OPTION)]
        if not files or not files[0]:
            return {}
        try:
            content = Path(os.path.expanduser(files[0])).read_text(encoding="utf-8")  # noqa: PTH111  # ~user too
            config = yaml.safe_load(content)
        except (OSError, yaml.YAMLError):
            return None
        return config if isinstance(config, dict) else None
    return None


def _growth_of(config: Mapping[str, Any] | None) -> AutoscalerLimits | None:
    """What a file of Ray's cluster launcher allows, by its own rules for what is left out."""
    if config is None:
        return None
    types = config.get("available_node_types") or {}
    most = int(config.get("max_workers", 0))
    kinds = []
    for name, node in types.items():
        default = 0 if name == config.get("head_node_type") else most
        count = int(node.get("max_workers", default))
        resources = node.get("resources") or {}
        if count and not resources:
            return None
        kinds.append((_node(resources), count))
    return AutoscalerLimits(tuple(kinds), most)


def _node(resources: Mapping[str, float]) -> Node:
    return Node(float(resources.get("CPU", 0)), float(resources.get("GPU", 0)))
