"""Does it search better? Replayed searches on tables of learning curves, ours beside its peers."""
