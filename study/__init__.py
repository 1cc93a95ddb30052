"""Distributed studies of dendritic and vanilla networks: to run, look at and ask.

The names below are loaded when they are first used, so that importing `study` does not wait for
Ray, MLflow and torch.
"""

import importlib
from typing import TYPE_CHECKING, Final

from study import environment

if TYPE_CHECKING:
    from study.comparison import Comparison as Comparison
    from study.comparison import compare as compare
    from study.confirmation import retrain as retrain
    from study.data import Dataset as Dataset
    from study.data import load_dataset as load_dataset
    from study.delivery import Delivery as Delivery
    from study.errors import BadInputError as BadInputError
    from study.errors import StudyError as StudyError
    from study.evaluation import evaluate as evaluate
    from study.export import export_model as export_model
    from study.export import load_model as load_model
    from study.finding import Finding as Finding
    from study.home import Home as Home
    from study.prediction import Prediction as Prediction
    from study.prediction import predict as predict
    from study.promotion import promote as promote
    from study.record import TrialRecord as TrialRecord
    from study.relative_efficiency import efficiency_scores as efficiency_scores
    from study.relative_efficiency import parameters_to_reach as parameters_to_reach
    from study.report import write_report as write_report
    from study.results import StudyStatus as StudyStatus
    from study.results import best_configs as best_configs
    from study.results import knee as knee
    from study.results import list_studies as list_studies
    from study.results import pareto_front as pareto_front
    from study.results import smallest as smallest
    from study.results import status as status
    from study.results import study_spec as study_spec
    from study.results import trials as trials
    from study.retrained_run import Retrained as Retrained
    from study.runner import RunSummary as RunSummary
    from study.runner import run as run
    from study.spec import StudySpec as StudySpec
    from study.submission import submit as submit
    from study.verdicts import verdict as verdict

_SOURCES: Final = {
    "BadInputError": "study.errors",
    "Comparison": "study.comparison",
    "Dataset": "study.data",
    "Delivery": "study.delivery",
    "Finding": "study.finding",
    "Home": "study.home",
    "Prediction": "study.prediction",
    "Retrained": "study.retrained_run",
    "RunSummary": "study.runner",
    "StudyError": "study.errors",
    "StudySpec": "study.spec",
    "StudyStatus": "study.results",
    "TrialRecord": "study.record",
    "best_configs": "study.results",
    "compare": "study.comparison",
    "efficiency_scores": "study.relative_efficiency",
    "evaluate": "study.evaluation",
    "export_model": "study.export",
    "knee": "study.results",
    "list_studies": "study.results",
    "load_dataset": "study.data",
    "load_model": "study.export",
    "parameters_to_reach": "study.relative_efficiency",
    "pareto_front": "study.results",
    "predict": "study.prediction",
    "promote": "study.promotion",
    "retrain": "study.confirmation",
    "run": "study.runner",
    "smallest": "study.results",
    "status": "study.results",
    "study_spec": "study.results",
    "submit": "study.submission",
    "trials": "study.results",
    "verdict": "study.verdicts",
    "write_report": "study.report",
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
