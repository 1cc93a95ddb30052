"""How each step of a training learns from a batch, besides the learning rate."""

from typing import NamedTuple


class Recipe(NamedTuple):
    """Settings of a step; 0 disables each. A tuple of numbers, which compiled functions read.

    `label_smoothing`: the share of the target that is spread evenly over all classes (Szegedy et al.,
    CVPR 2016). `weight_decay`: decoupled, so a step of rate r first scales each parameter by 1 - r times
    this (AdamW; Loshchilov & Hutter, ICLR 2019). `average`: the decay of the exponential average of the
    weights (after Polyak & Juditsky, SIAM J. Control Optim. 1992;30:838); step n, from 1, keeps
    min(average, (1 + n) / (10 + n)) of it, the rule of TensorFlow's `ExponentialMovingAverage`, so that
    the initial weights are soon forgotten. `shift` and `flip`: the pixels by which images move at most,
    and the share of mirror images (`study.engine.augmentation`). `teacher_weight`: the share of the loss
    that is the cross-entropy with the softened outputs of a teacher, at a `temperature`, times its
    square (Hinton et al., arXiv 1503.02531).
    """

    label_smoothing: float = 0.0
    weight_decay: float = 0.0
    average: float = 0.0
    shift: float = 0
    flip: float = 0.0
    teacher_weight: float = 0.0
    temperature: float = 1.0
