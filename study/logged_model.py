"""The network of a trial in MLflow."""

from pathlib import Path

from mlflow import MlflowClient

from study import layout


def log_model(store: MlflowClient, run_id: str, name: str, network: Path) -> str:
    """Stores a trial's network as an artifact of its run."""
    del name
    store.log_artifacts(run_id, str(network), layout.MODEL_FOLDER)
    return ""
