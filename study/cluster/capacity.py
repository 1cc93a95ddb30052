"""How many trials a machine or a cluster has room for, now and with the nodes that may still come."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, final

from study.errors import SpecError
from study.spec.sections import Resources

_LOOK_EVERY_S: Final = 3.0
_SHARE_OF_TIME: Final = 200  # a look takes at most one part in so many
_WAITING: Final = 32  # trials that may wait for nodes that are still to come, however few there are
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Node:
    """What a node has to give: CPUs and GPUs, as Ray counts them."""

    cpus: float
    gpus: float

    def holds(self, cpus: float, gpus: float) -> int:
        """How many trials of this size it has room for; a trial never gets parts of two GPUs."""
        count = math.floor(self.cpus / cpus + _ROUNDING)
        if gpus >= 1:
            count = min(count, math.floor(self.gpus / gpus + _ROUNDING))
        elif gpus > 0:
            count = min(count, int(self.gpus) * math.floor(1 / gpus + _ROUNDING))
        return count

    def __str__(self) -> str:
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"


@dataclass(frozen=True, slots=True)
class AutoscalerLimits:
    """What an autoscaler may bring: of each kind of node up to so many, and `most` of all together."""

    kinds: tuple[tuple[Node, int], ...] = ()
    most: int = 0

    def nodes(self) -> list[Node]:
        """The kinds of which at least one may come."""
        return [node for node, count in self.kinds if min(count, self.most)]


NO_AUTOSCALER: Final = AutoscalerLimits()


@dataclass(frozen=True, slots=True)
class TrialResources:
    """What each trial gets. `notice` says why that is not what the spec asks for, if so."""

    cpus: float
    gpus: float
    notice: str | None = None


def resources_of_trial(
    wanted: Resources,
    nodes: Iterable[Node],
    growth: AutoscalerLimits | None,
    *,
    alone: bool = False,
) -> TrialResources:
    """What a trial gets of these nodes and those that may come; `growth` None: nobody knows which.

    Without a GPU, now and ever, it runs on CPUs, with a notice. Raises SpecError if no node can ever
    hold one trial: it would wait for ever. `alone`: the one node is this machine.
    """
    has = [*nodes, *(() if growth is None else growth.nodes())]
    gpus = wanted.gpus
    notice = None
    if gpus and not any(node.gpus for node in has):
        if growth is None:
            notice = (
                f"resources.gpus={gpus:g}, but no node of this cluster has a GPU now, and whether one "
                "can come is not known: trials wait for it"
            )
        else:
            notice = (
                f"resources.gpus={gpus:g}, but this {'machine' if alone else 'cluster'} has no GPU and "
                "can get none: trials run on CPUs"
            )
            gpus = 0.0
    if not any(node.holds(wanted.cpus, gpus) for node in has):
        if growth is not None:
            raise SpecError(_too_large(wanted.cpus, gpus, has, alone=alone))
        notice = notice or (
            f"resources.cpus={wanted.cpus:g} and resources.gpus={gpus:g}, but no node of this cluster "
            "can hold such a trial now, and whether one can come is not known: trials wait for it"
        )
    return TrialResources(wanted.cpus, gpus, notice)


def _too_large(cpus: float, gpus: float, nodes: Sequence[Node], *, alone: bool) -> str:
    place, has = ("this machine", "it has") if alone else ("a node", "the largest node has")
    for name, wanted in {"cpus": cpus, "gpus": gpus}.items():
        most = max((getattr(node, name) for node in nodes), default=0.0)
        if wanted > most:
            return (
                f"`resources.{name} <= {name} of {place}` must hold, got resources.{name}={wanted:g}, "
                f"{has} {most:g} (key resources.{name})"
            )
    sizes = ", ".join(dict.fromkeys(map(str, nodes)))
    return (
        f"a trial must fit on one node, got resources.cpus={cpus:g} and resources.gpus={gpus:g}, the "
        f"nodes have {sizes} (keys resources.cpus, resources.gpus)"
    )


def most_trials(
    share: TrialResources, nodes: Iterable[Node], growth: AutoscalerLimits | None, asked: int | None
) -> int:
    """How many trials may run or wait: what these nodes hold, and some that make more nodes come.

    Trials that wait were proposed without what the running ones will tell, so as many wait as run, or
    a few where few run, and never more than the autoscaler can ever bring nodes for; where nobody
    knows that, `asked` (the spec's `concurrent_trials`, otherwise the upper bound) says it, or one
    waits. At least one: Ray Tune looks at nothing else while nothing runs and nothing waits.
    """
    now = sum(node.holds(share.cpus, share.gpus) for node in nodes)
    unknown = now + 1 if asked is None else asked
    later = unknown if growth is None else _brought(share, growth)
    room = min(max(now, later), max(2 * now, _WAITING))
    return max(1, room if asked is None else min(room, asked))


def _brought(share: TrialResources, growth: AutoscalerLimits) -> int:
    """How many trials fit on the nodes of an autoscaler at its limits, those that hold most first."""
    kinds = [(node.holds(share.cpus, share.gpus), count) for node, count in growth.kinds]
    left, found = growth.most, 0
    for held, most in sorted(kinds, reverse=True):
        count = min(most, left)
        left, found = left - count, found + count * held
    return found


@final
class Capacity:
    """How many trials may run or wait, looked up anew every few seconds: nodes come and go.

    `look` gives the nodes that are there; it is called from Tune's loop and takes its time, for a
    thousand nodes some ten milliseconds, so what it takes is kept to a small share.
    """

    def __init__(
        self,
        share: TrialResources,
        look: Callable[[], Sequence[Node]],
        growth: AutoscalerLimits | None = NO_AUTOSCALER,
        asked: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share = share
        self._look = look
        self._growth = growth
        self._asked = asked
        self._clock = clock
        self._next_look = -math.inf
        self._most = 1

    @property
    def share(self) -> TrialResources:
        """What each trial gets."""
        return self._share

    def __call__(self) -> int:
        """How many trials may run or wait now."""
        start = self._clock()
        if start >= self._next_look:
            self._most = most_trials(self._share, self._look(), self._growth, self._asked)
            took = self._clock() - start
            self._next_look = start + max(_LOOK_EVERY_S, _SHARE_OF_TIME * took)
        return self._most
