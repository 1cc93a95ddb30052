"""The learning-rate schedule of a training."""

import torch
from torch.optim import lr_scheduler

from study.training.settings import TrainingSettings


def learning_rate_schedule(
    optimizer: torch.optim.Optimizer, settings: TrainingSettings, steps: int
) -> lr_scheduler.LRScheduler:
    """The schedule of the settings, made for so many steps: those of all epochs of a full training."""
    match settings.schedule:
        case "constant":
            return lr_scheduler.ConstantLR(optimizer, factor=1.0)
        case "cosine":
            return lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        case "one_cycle":
            return lr_scheduler.OneCycleLR(
                optimizer, max_lr=settings.learning_rate, total_steps=steps, cycle_momentum=False
            )
