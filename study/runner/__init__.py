"""Runs a study: the driver, the worker that trains trials, resuming, retraining."""
