"""Reads a study back from MLflow, and answers what is asked of it."""
