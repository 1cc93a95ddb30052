"""The cross-entropy of the softmax of the logits, (classes, lanes), and its gradient."""

import numpy as np
from numpy.typing import NDArray

from study.engine.arrays import Floats, Size, Workspace
from study.engine.compilation import inner

_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_LOWEST = np.float32(-87.0)  # its exponential is the least normal number


@inner
def cross_entropy(
    logits: Floats,
    order: NDArray[np.int64],
    first: Size,
    count: int,
    labels: NDArray[np.int64],
    work: Workspace,
    lanes: int,
) -> tuple[float, int]:
    """The summed losses (nats), and how many are right, of the tile's first `count` lanes.

    `work.total` then has the sums of the exponentials of the logits less their largest, `work.peak`.
    """
    classes = len(logits)
    for lane in range(lanes):
        work.peak[lane] = logits[0, lane]
        work.total[lane] = 0.0
    for label in range(1, classes):
        for lane in range(lanes):
            value = logits[label, lane]
            work.peak[lane] = max(work.peak[lane], value)
    for label in range(classes):
        for lane in range(lanes):
            work.total[lane] += exponential(logits[label, lane] - work.peak[lane])
    loss, right = 0.0, 0
    for lane in range(count):
        label = labels[order[first + lane]]
        below_peak = logits[label, lane] - work.peak[lane]
        loss += np.log(work.total[lane]) - below_peak
        # Of equal logits the first one counts.
        first_peak = below_peak == 0.0
        for other in range(label):
            first_peak &= logits[other, lane] != work.peak[lane]
        right += first_peak
    return loss, right


@inner
def cross_entropy_gradient(
    logits: Floats,
    order: NDArray[np.int64],
    first: Size,
    count: int,
    labels: NDArray[np.int64],
    work: Workspace,
    through: Floats,
    scale: float,
    smoothing: float,
    lanes: int,
) -> None:
    """The gradient of the losses times `scale`; of lanes from `count` on it is zero.

    `smoothing`: the share of the target that all classes have in equal parts.
    """
    single = np.float32(scale)
    whole = np.float32(scale * (1.0 - smoothing))
    part = np.float32(scale * smoothing / len(logits))
    for lane in range(lanes):
        work.total[lane] = single / work.total[lane] if lane < count else np.float32(0.0)
    for label in range(len(logits)):
        for lane in range(lanes):
            share = exponential(logits[label, lane] - work.peak[lane])
            through[label, lane] = share * work.total[lane]
    for lane in range(count):
        through[labels[order[first + lane]], lane] -= whole
    if smoothing > 0.0:
        for label in range(len(logits)):
            for lane in range(count):
                through[label, lane] -= part


@inner
def add_teacher_gradient(
    logits: Floats,
    order: NDArray[np.int64],
    first: Size,
    count: int,
    targets: Floats,
    work: Workspace,
    through: Floats,
    scale: float,
    temperature: float,
    lanes: int,
) -> None:
    """Adds the gradient of T^2 times the cross-entropy with the targets at temperature T, times `scale`.

    `targets` are probabilities at this temperature, (images, classes). `work.peak` is that of the loss.
    """
    inverse = np.float32(1.0 / temperature)
    single = np.float32(scale * temperature)
    for lane in range(lanes):
        work.total[lane] = 0.0
    for label in range(len(logits)):
        for lane in range(lanes):
            work.total[lane] += exponential((logits[label, lane] - work.peak[lane]) * inverse)
    for lane in range(lanes):
        work.total[lane] = single / work.total[lane] if lane < count else np.float32(0.0)
    for label in range(len(logits)):
        for lane in range(lanes):
            share = exponential((logits[label, lane] - work.peak[lane]) * inverse)
            through[label, lane] += share * work.total[lane]
    for lane in range(count):
        image = order[first + lane]
        for label in range(len(logits)):
            through[label, lane] -= single * targets[image, label]


@inner
def exponential(x: np.float32) -> np.float32:
    """E to the x <= 0 in single precision, to two units in the last place (Cephes, expf)."""
    x = max(x, _LOWEST)
    power = np.floor(x * _LOG2_E + np.float32(0.5))
    r = (x - power * _LN2_HIGH) - power * _LN2_LOW
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    bits = np.int32(np.int32(power) + np.int32(127)) << np.int32(23)
    scaled: np.float32 = p * np.int32(bits).view(np.float32)
    return scaled
