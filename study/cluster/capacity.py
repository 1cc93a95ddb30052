"""The number of trials that a machine or a cluster holds, now or with nodes that may join it.

Ray has no public call for the nodes that an autoscaler may start, so with one any node may join.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, final

from study.errors import SpecError
from study.spec.sections import Resources

_LOOK_EVERY_S: Final = 3.0
_SHARE_OF_TIME: Final = 200  # the look-ups take at most 1/200 of the time
_AT_LEAST: Final = 8  # trials that run or wait on a cluster, however few nodes it has now
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Node:
    """The CPUs and GPUs of a node, as Ray counts them."""

    cpus: float
    gpus: float

    def holds(self, cpus: float, gpus: float) -> int:
        """The number of trials of this size that fit; a trial never gets parts of two GPUs."""
        count = math.floor(self.cpus / cpus + _ROUNDING)
        if gpus >= 1:
            count = min(count, math.floor(self.gpus / gpus + _ROUNDING))
        elif gpus > 0:
            count = min(count, int(self.gpus) * math.floor(1 / gpus + _ROUNDING))
        return count

    def __str__(self) -> str:
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"


@dataclass(frozen=True, slots=True)
class TrialResources:
    """The resources of each trial. `notice` explains a difference from the spec, if there is one."""

    cpus: float
    gpus: float
    notice: str | None = None


def resources_of_trial(
    wanted: Resources, nodes: Sequence[Node], *, this_machine: bool, grows: bool = False
) -> TrialResources:
    """The resources of a trial on these nodes; `this_machine`: the one node is this machine.

    Where the cluster `grows`, a trial that no node holds waits for one that does, with a notice.
    Elsewhere SpecError is raised, and where no node has a GPU trials run on CPUs, with a notice.
    """
    gpus, notice = wanted.gpus, None
    if gpus and not grows and not any(node.gpus for node in nodes):
        place = "this machine" if this_machine else "this cluster"
        notice = f"resources.gpus={gpus:g}, but {place} has no GPU: trials run on CPUs"
        gpus = 0.0
    if not any(node.holds(wanted.cpus, gpus) for node in nodes):
        if not grows:
            raise SpecError(_too_large(wanted.cpus, gpus, nodes, this_machine=this_machine))
        notice = (
            f"resources.cpus={wanted.cpus:g} and resources.gpus={gpus:g}, but no node of this cluster "
            "can hold such a trial now: trials wait until one joins"
        )
    return TrialResources(wanted.cpus, gpus, notice)


def _too_large(cpus: float, gpus: float, nodes: Sequence[Node], *, this_machine: bool) -> str:
    place, has = ("this machine", "it") if this_machine else ("a node", "the largest node")
    for name, wanted in {"cpus": cpus, "gpus": gpus}.items():
        most = max((getattr(node, name) for node in nodes), default=0.0)
        if wanted > most:
            return (
                f"`resources.{name} <= {name} of {place}` must hold, got resources.{name}={wanted:g}, "
                f"{has} has {most:g} (key resources.{name})"
            )
    sizes = ", ".join(dict.fromkeys(map(str, nodes)))
    return (
        f"a trial must fit on one node, got resources.cpus={cpus:g} and resources.gpus={gpus:g}, the "
        f"nodes have {sizes} (keys resources.cpus, resources.gpus)"
    )


def most_trials(
    resources: TrialResources, nodes: Iterable[Node], asked: int | None, *, grows: bool
) -> int:
    """The number of trials that may run or wait; `asked` is the spec's `concurrent_trials`.

    As many as the nodes hold, at most `asked`. Where the cluster `grows`, `asked`, or twice what it
    holds now, at least 8: waiting trials make the autoscaler start nodes, but they are proposed
    without the results of those that run. At least one: Ray Tune does nothing while no trial runs or
    waits.
    """
    now = sum(node.holds(resources.cpus, resources.gpus) for node in nodes)
    if not grows:
        return max(1, now if asked is None else min(now, asked))
    return max(2 * now, _AT_LEAST) if asked is None else asked


@final
class Capacity:
    """The number of trials that may run or wait, looked up every few seconds: nodes come and go.

    `look` returns the current nodes. It is called from Tune's loop and takes some ten milliseconds for a
    thousand nodes, so its share of the time is limited.
    """

    def __init__(  # noqa: PLR0913  # each has a name of its own
        self,
        share: TrialResources,
        look: Callable[[], Sequence[Node]],
        asked: int | None = None,
        *,
        grows: bool = False,
        alone: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share = share
        self._look = look
        self._asked = asked
        self._grows = grows
        self._alone = alone
        self._clock = clock
        self._next_look = -math.inf
        self._most = 1

    @property
    def share(self) -> TrialResources:
        """The resources of each trial."""
        return self._share

    @property
    def alone(self) -> bool:
        """Whether this machine is the one node, which no other can join."""
        return self._alone

    def __call__(self) -> int:
        """The number of trials that may run or wait now."""
        start = self._clock()
        if start >= self._next_look:
            self._most = most_trials(self._share, self._look(), self._asked, grows=self._grows)
            took = self._clock() - start
            self._next_look = start + max(_LOOK_EVERY_S, _SHARE_OF_TIME * took)
        return self._most
