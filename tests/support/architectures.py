"""Architectures for tests, of any family: sizes that the family does not have are left out."""

from models import FAMILIES, Architecture


def architecture(family, **changes):
    sizes = {"dendrites": 3, "somata": 12, "synapses": 4} | changes
    if not FAMILIES[family].has_dendrites:
        del sizes["dendrites"]
    if not FAMILIES[family].counts_synapses:
        del sizes["synapses"]
    return Architecture(family=family, **sizes)


SPARSE = [
    name for name, family in FAMILIES.items() if family.synapses not in ("all", "convolution")
]
"""Families with a sparse first half."""

PAPER = list(FAMILIES)[:12]
"""The paper's own."""
