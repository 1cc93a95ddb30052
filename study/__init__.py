"""Distributed studies of dendritic and vanilla networks: to run, look at and ask.

The names below are loaded when they are first used, so that importing `study` does not wait for
Ray, MLflow and torch.
"""

import importlib
from typing import TYPE_CHECKING, Final

from study import environment

if TYPE_CHECKING:
    from paper.claim_result import Finding as Finding
    from paper.verdict import verdict as verdict
    from study.cluster.delivery import Delivery as Delivery
    from study.cluster.submission import submit as submit
    from study.errors import BadInputError as BadInputError
    from study.errors import StudyError as StudyError
    from study.home import Home as Home
    from study.report.report import write_report as write_report
    from study.results.answers import StudyStatus as StudyStatus
    from study.results.answers import best_configs as best_configs
    from study.results.answers import knee as knee
    from study.results.answers import list_studies as list_studies
    from study.results.answers import pareto_front as pareto_front
    from study.results.answers import smallest as smallest
    from study.results.answers import status as status
    from study.results.answers import study_spec as study_spec
    from study.results.answers import trials as trials
    from study.results.comparison import Comparison as Comparison
    from study.results.comparison import compare as compare
    from study.results.efficiency import efficiency_scores as efficiency_scores
    from study.results.efficiency import parameters_to_reach as parameters_to_reach
    from study.results.export import export_model as export_model
    from study.results.network import load_model as load_model
    from study.results.network import promote as promote
    from study.results.prediction import Prediction as Prediction
    from study.results.prediction import predict as predict
    from study.results.record import TrialRecord as TrialRecord
    from study.results.retrained_run import Retrained as Retrained
    from study.runner.driver import RunSummary as RunSummary
    from study.runner.driver import run as run
    from study.runner.retraining import retrain as retrain
    from study.spec.study_spec import StudySpec as StudySpec
    from study.training.dataset import Dataset as Dataset
    from study.training.dataset import load_dataset as load_dataset
    from study.training.evaluation import evaluate as evaluate

_SOURCES: Final = {
    "BadInputError": "study.errors",
    "Comparison": "study.results.comparison",
    "Dataset": "study.training.dataset",
    "Delivery": "study.cluster.delivery",
    "Finding": "paper.claim_result",
    "Home": "study.home",
    "Prediction": "study.results.prediction",
    "Retrained": "study.results.retrained_run",
    "RunSummary": "study.runner.driver",
    "StudyError": "study.errors",
    "StudySpec": "study.spec.study_spec",
    "StudyStatus": "study.results.answers",
    "TrialRecord": "study.results.record",
    "best_configs": "study.results.answers",
    "compare": "study.results.comparison",
    "efficiency_scores": "study.results.efficiency",
    "evaluate": "study.training.evaluation",
    "export_model": "study.results.export",
    "knee": "study.results.answers",
    "list_studies": "study.results.answers",
    "load_dataset": "study.training.dataset",
    "load_model": "study.results.export",
    "parameters_to_reach": "study.results.efficiency",
    "pareto_front": "study.results.answers",
    "predict": "study.results.prediction",
    "promote": "study.results.network",
    "retrain": "study.runner.retraining",
    "run": "study.runner.driver",
    "smallest": "study.results.answers",
    "status": "study.results.answers",
    "study_spec": "study.results.answers",
    "submit": "study.cluster.submission",
    "trials": "study.results.answers",
    "verdict": "paper.verdict",
    "write_report": "study.report.report",
}

__all__ = sorted(_SOURCES)  # noqa: PLE0605  # the names stand above


def __getattr__(name: str) -> object:
    """The public name, from its module (PEP 562)."""
    if name not in _SOURCES:
        raise AttributeError(f"module 'study' has no attribute {name!r}")
    environment.prepare()
    return getattr(importlib.import_module(_SOURCES[name]), name)


def __dir__() -> list[str]:
    return __all__
