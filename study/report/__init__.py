"""Reports of a study: figures, the HTML page, the description in MLflow, `study ui`."""
