"""The settings of a training; apart from the training itself, which imports torch."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, Literal

from study.engine.recipe import Recipe
from study.spec.teachers import NO_TEACHER

RECIPES: Final = ("label_smoothing", "weight_decay", "average", "shift", "flip")
"""The settings that change how a network learns from a batch; by default none does."""

OF_TEACHER: Final = ("teacher_weight", "temperature")
"""The settings that only a training with a teacher has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """The settings of a training with AdamW; `epochs` is the full length of the schedule.

    `schedule`: `constant`, `cosine` (down to zero), or `one_cycle` (up, then down). `keep`: the
    weights to evaluate and store, those of the `best` validation epoch of each replicate or of the
    `last`. `patience`: the epochs without a new lowest validation loss after which a replicate stops
    and keeps the weights of the lowest; 0 disables this. `noise`: the standard deviation of the noise
    on all images (`study.training.noise`). `batch_order`: `shuffled` in each epoch, or `by_class`
    (`study.training.batch_order`). `label_smoothing`, `weight_decay`, `average`, `shift` and `flip`: as
    in `study.engine.recipe`; with an average, it is what is evaluated and kept. `teacher`: the trials
    whose logits are distilled (`study.spec.teachers`), with this weight and temperature.
    """

    epochs: int
    learning_rate: float
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    batch_size: int = 128
    keep: Literal["best", "last"] = "best"
    patience: int = 0
    noise: float = 0.0
    batch_order: Literal["shuffled", "by_class"] = "shuffled"
    label_smoothing: float = 0.0
    weight_decay: float = 0.0
    average: float = 0.0
    shift: int = 0
    flip: float = 0.0
    teacher: str = NO_TEACHER
    teacher_weight: float = 0.5
    temperature: float = 4.0

    @property
    def recipe(self) -> Recipe:
        """The settings of each step."""
        settings = {name: getattr(self, name) for name in (*RECIPES, *OF_TEACHER)}
        if self.teacher == NO_TEACHER:
            settings["teacher_weight"] = 0.0
        return Recipe(**settings)


DEFAULTS: Mapping[str, Any] = {
    field.name: field.default for field in fields(TrainingSettings) if field.default is not MISSING
}
"""The settings with a default."""
