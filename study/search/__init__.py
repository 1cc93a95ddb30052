"""Searches a space: samplers, the Pareto front, the stored search, early stopping, the budget."""
