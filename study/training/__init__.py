"""Trains and measures networks: data sets, the training loop, evaluation, diagnostics."""
