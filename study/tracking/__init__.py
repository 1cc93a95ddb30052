"""The records of a study in MLflow: tags, provenance, spool and sender, table of trials, models."""
