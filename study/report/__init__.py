"""Shows a study: figures, the HTML report, the description in MLflow."""
