"""Writes a study to MLflow: tags, provenance, the spool and its sender, the table of trials, models."""
