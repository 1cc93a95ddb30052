"""The paper's efficiency scores of one trial. Apart from the diagnostics, which load torch.

Source: Chavlis & Poirazi, Nat Commun 2025;16:943, "Methods" (efficiency scores). A network of P
trainable parameters whose validation loss is lowest after E epochs costs k = P x E, and its cost
factor is f = log10(k) / log10(k_ref). The paper takes the least k of the networks that it compares as
k_ref (`study.results.efficiency`), so that its scores change with what is compared; those of a
single trial have a fixed one.
"""

import math
from typing import Final

REFERENCE_COST: Final = 938.0
"""k_ref of a trial's own scores: the smallest network of the paper's grid (1 dendrite, 32 somata, 16
synapses, 28 x 28 images, 10 classes; 938 parameters) after one epoch."""


def cost_factor(parameters: int, epoch: float, reference: float = REFERENCE_COST) -> float:
    """f, at least 1 where the cost is at least the reference.

    Raises ValueError unless parameters x epoch >= 1 and reference > 1.
    """
    cost = parameters * epoch
    if not (cost >= 1 and reference > 1):
        raise ValueError(
            "`parameters * epoch >= 1` and `reference > 1` must hold, got "
            f"parameters={parameters}, epoch={epoch}, reference={reference}"
        )
    return math.log10(cost) / math.log10(reference)
