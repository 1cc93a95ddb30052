"""The methods that benchmarks/search compares, by name: where each is made, and which can run here."""

import importlib.util
import pkgutil
from typing import Final

from benchmarks.search.replay import Method
from benchmarks.search.replay_table import Space

# Where each method is made; what stands before a bracket is the name that its variants share.
METHODS: Final = {
    "ours": "benchmarks.search.replay_ours:ours",
    "random+halving": "benchmarks.search.replay_ours:random_proposals",
    "random": "benchmarks.search.peers:random",
    "random (no repeats)": "benchmarks.search.peers:random_without_repeats",
    "tpe": "benchmarks.search.peers:tpe",
    "tpe (no repeats)": "benchmarks.search.peers:tpe_without_repeats",
    "tpe+asha": "benchmarks.search.peers_asha:stock",
    "tpe+asha (pruned)": "benchmarks.search.peers_asha:pruned",
    "tpe+asha (pruned, no repeats)": "benchmarks.search.peers_asha:pruned_without_repeats",
    "nsga2 (20)": "benchmarks.search.peers:nsga2_of_20",
    "nsga2 (50)": "benchmarks.search.peers:nsga2_of_50",
    "nsga2 (20, no repeats)": "benchmarks.search.peers:nsga2_without_repeats",
    "moasha": "benchmarks.search.peers_moasha:moasha",
    "moasha (no repeats)": "benchmarks.search.peers_moasha:moasha_without_repeats",
    "moasha (as released)": "benchmarks.search.peers_moasha:moasha_as_released",
}
# Slow, and by a defect no rival (peers_moasha.py); ours without its sampler: run where they are named.
ON_REQUEST: Final = ("moasha (as released)", "random+halving")


def make(name: str, space: Space, seed: int) -> Method:
    """The method as it begins a search; only now is what it needs imported."""
    method: Method = pkgutil.resolve_name(METHODS[name])(space, seed)
    return method


def available() -> list[str]:
    """The methods that run where none is named: those whose libraries are installed."""
    without_syne_tune = importlib.util.find_spec("syne_tune") is None
    return [
        name
        for name, where in METHODS.items()
        if name not in ON_REQUEST and not (without_syne_tune and "moasha" in where)
    ]
