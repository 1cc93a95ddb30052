"""Queries of studies in MLflow, and their results: trials, fronts, networks, comparisons."""
