"""The paper's efficiency scores of one trial; apart from the diagnostics, which import torch.

Source: Chavlis & Poirazi, Nat Commun 2025;16:943, "Methods" (efficiency scores). A network with P
trainable parameters and the lowest validation loss after E epochs has the cost k = P x E and the cost
factor f = log10(k) / log10(k_ref). In the paper k_ref is the least k of the compared networks
(`study.results.efficiency`), so scores depend on the comparison; here k_ref is fixed.
"""

import math
from typing import Final

REFERENCE_COST: Final = 938.0
"""k_ref of a trial's own scores: the smallest network of the paper's grid (1 dendrite, 32 somata, 16
synapses, 28 x 28 images, 10 classes; 938 parameters) after one epoch."""


def cost_factor(parameters: int, epoch: float, reference: float = REFERENCE_COST) -> float:
    """The factor f, at least 1 for costs of at least the reference.

    Raises ValueError unless parameters x epoch >= 1 and reference > 1.
    """
    cost = parameters * epoch
    if not (cost >= 1 and reference > 1):
        raise ValueError(
            "`parameters * epoch >= 1` and `reference > 1` must hold, got "
            f"parameters={parameters}, epoch={epoch}, reference={reference}"
        )
    return math.log10(cost) / math.log10(reference)
