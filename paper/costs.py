"""Core-hours of the plan, from the epochs that `python -m benchmarks.training.costs` measured.

The seconds of an epoch are interpolated between the measured networks of a kind, by their
multiply-accumulates on logarithmic scales. Networks that stop by patience are taken to train
`PATIENT` of their epochs; a training costs `OVERHEAD` seconds besides, of Ray, MLflow and reading data.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from models import FAMILIES, Architecture
from models.counting import counts_of
from paper.plan import RACE_REPLICATES, PlannedStudy

FILE: Final = Path(__file__).with_name("costs.json")
PATIENT: Final = 0.6
OVERHEAD: Final = 2.0
_IN_DENSE_LAYERS: Final = 4_000_000  # weights; with more, torch trains the network
_MEASURED_IMAGES: Final = 54_000
_DRAWS: Final = 100  # networks of a random search that stand for all
_ARCHITECTURE: Final = tuple(Architecture.__dataclass_fields__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Core-hours of a study of the plan: its search, its race, its networks on test images."""

    name: str
    networks: int
    search: float
    race: float
    test: float

    @property
    def all(self) -> float:
        """The sum of the three."""
        return self.search + self.race + self.test


def hours(planned: PlannedStudy, roles: int) -> Hours:
    """The estimate for a study in which claims and families have so many roles to fill."""
    scale = planned.images / _MEASURED_IMAGES
    epoch = sorted(scale * seconds for seconds in _epochs(planned))
    plan, replicates = planned.plan, planned.spec.replicates
    searched = OVERHEAD + planned.spec.budget.epochs * float(np.mean(epoch))
    mean = OVERHEAD + planned.epochs * float(np.mean(epoch))
    # The most accurate networks, which are raced and chosen, are rather the large ones.
    large = OVERHEAD + planned.epochs * float(np.mean(epoch[len(epoch) // 2 :]))
    trials = len(epoch) if planned.spec.budget.trials is None else planned.spec.budget.trials
    raced = min(roles * plan.race, trials)
    chosen = roles if plan.race else 0
    trained = trials * replicates, raced * RACE_REPLICATES, chosen * plan.seeds
    others = trials * plan.others
    return Hours(
        name=planned.name,
        networks=sum(trained) + others,
        search=trained[0] * searched / 3600,
        race=trained[1] * large / 3600,
        test=(trained[2] * large + others * mean) / 3600,
    )


def _epochs(planned: PlannedStudy) -> list[float]:
    """The core-seconds of an epoch of each configuration; of a random search, those of a sample."""
    space = planned.spec.space
    found: list[float] = []
    for settings in _configurations(planned):
        if planned.spec.sampler != "grid" and len(found) == _DRAWS:
            break
        try:
            architecture = Architecture(**settings)
            parameters, macs = counts_of(architecture, planned.shape, planned.classes)
        except ValueError:
            continue
        if not _kept(planned.spec.constraints, {"trainable_parameters": parameters, "macs": macs}):
            continue
        patient = PATIENT if any(getattr(space.patience, "values", ())) else 1
        found.append(patient * epoch_seconds(architecture, macs))
    return found


def _configurations(planned: PlannedStudy) -> Iterator[dict[str, Any]]:
    space = planned.spec.space
    if planned.spec.start:
        for one in planned.spec.start:
            fixed = {
                name: getattr(space, name).values[0]
                for name in ("synapses", "layers")
                if FAMILIES[one["family"]].has(name)
            }
            yield fixed | {key: value for key, value in one.items() if key in _ARCHITECTURE}
        return
    generator = np.random.default_rng(0)
    for family in planned.spec.families:
        names = [name for name in planned.varied if FAMILIES[family].has(name)]
        if planned.spec.sampler == "grid":
            drawn: Iterator[Sequence[Any]] = product(
                *(getattr(space, name).values for name in names)
            )
        else:
            names = [name for name in names if name in _ARCHITECTURE]
            dimensions = [getattr(space, name) for name in names]
            drawn = ([_drawn(one, generator) for one in dimensions] for _ in range(100 * _DRAWS))
        for values in drawn:
            settings = dict(zip(names, values, strict=True))
            yield {"family": family} | {
                key: value for key, value in settings.items() if key in _ARCHITECTURE
            }


def _drawn(dimension: Any, generator: np.random.Generator) -> Any:  # noqa: ANN401  # a value of any type
    if hasattr(dimension, "values"):
        return dimension.values[generator.integers(len(dimension.values))]
    low, high = float(dimension.low), float(dimension.high)
    value = math.exp(generator.uniform(math.log(low), math.log(high)))
    return round(value) if dimension.integer else value


def _kept(constraints: Sequence[str], counts: Mapping[str, int]) -> bool:
    """Whether counts satisfy the constraints of the plan, each a bound of one count."""
    for text in constraints:
        name, sign, bound = text.split()
        if (counts[name] > float(bound)) if sign == "<=" else (counts[name] < float(bound)):
            return False
    return True


def epoch_seconds(architecture: Architecture, macs: int) -> float:
    """The core-seconds of an epoch of Fashion-MNIST."""
    family = FAMILIES[architecture.family]
    if family.synapses == "convolution":
        kind = "shared dendrites" if family.has_dendrites else "convolution"
    elif family.synapses == "all" or family.cables == "all":
        kind = "torch dense" if macs > _IN_DENSE_LAYERS else "dense"
    else:
        kind = "sparse"
    sizes, seconds = _measured(kind)
    if len(sizes) == 1:
        return math.exp(seconds[0]) * macs / math.exp(sizes[0])
    return math.exp(float(np.interp(math.log(macs), sizes, seconds))) * _beyond(macs, sizes)


def _beyond(macs: int, sizes: Sequence[float]) -> float:
    """Beyond the largest network that was measured, the time grows as the multiply-accumulates do."""
    return max(1.0, macs / math.exp(sizes[-1]))


@cache
def _measured(kind: str) -> tuple[list[float], list[float]]:
    """Logarithms of multiply-accumulates and of seconds."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))["epoch"][kind]
    return [math.log(one["macs"]) for one in rows], [math.log(one["seconds"]) for one in rows]
