"""Writes a study to MLflow: tags, provenance, the spool, its sender, the writer, the table of trials, models."""
