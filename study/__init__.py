"""Distributed studies of dendritic and vanilla networks: their execution, records and queries.

Public names load on first use, so that `import study` does not import Ray, MLflow and torch.
"""

import importlib
from typing import TYPE_CHECKING, Final

from study import environment

if TYPE_CHECKING:
    from study.cluster.delivery import Delivery as Delivery
    from study.cluster.submission import submit as submit
    from study.errors import BadInputError as BadInputError
    from study.errors import ClusterError as ClusterError
    from study.errors import DataError as DataError
    from study.errors import NotFoundError as NotFoundError
    from study.errors import SpecError as SpecError
    from study.errors import StoppedError as StoppedError
    from study.errors import StudyError as StudyError
    from study.errors import TrackingError as TrackingError
    from study.errors import TrialFailedError as TrialFailedError
    from study.home import Home as Home
    from study.report import figures as figures
    from study.report.report import write_picture as write_picture
    from study.report.report import write_report as write_report
    from study.report.style import MetricFormat as MetricFormat
    from study.report.style import family_style as family_style
    from study.report.style import figure_layout as figure_layout
    from study.results.answers import best_configs as best_configs
    from study.results.answers import knee as knee
    from study.results.answers import pareto_front as pareto_front
    from study.results.answers import records as records
    from study.results.answers import smallest as smallest
    from study.results.answers import trials as trials
    from study.results.comparison import Comparison as Comparison
    from study.results.comparison import compare as compare
    from study.results.curves import curves as curves
    from study.results.efficiency import efficiency_scores as efficiency_scores
    from study.results.efficiency import parameters_to_reach as parameters_to_reach
    from study.results.export import export_model as export_model
    from study.results.network import load_model as load_model
    from study.results.network import promote as promote
    from study.results.outcomes import outcomes as outcomes
    from study.results.prediction import Prediction as Prediction
    from study.results.prediction import predict as predict
    from study.results.record import TrialRecord as TrialRecord
    from study.results.retrained_run import Retrained as Retrained
    from study.results.retrained_run import retrainings as retrainings
    from study.results.seeds import seeds as seeds
    from study.results.study_status import StudyStatus as StudyStatus
    from study.results.study_status import list_studies as list_studies
    from study.results.study_status import status as status
    from study.results.study_status import study_spec as study_spec
    from study.runner.driver import run as run
    from study.runner.retraining import retrain as retrain
    from study.runner.run_summary import RunSummary as RunSummary
    from study.search.ehvi import EHVISampler as EHVISampler
    from study.search.objective import Known as Known
    from study.spec.dimensions import Space as Space
    from study.spec.metrics import is_metric as is_metric
    from study.spec.metrics import metric_names as metric_names
    from study.spec.study_spec import StudySpec as StudySpec
    from study.training.dataset import Dataset as Dataset
    from study.training.dataset import load_dataset as load_dataset
    from study.training.evaluation import evaluate as evaluate

_NAMES: Final = {
    "study.cluster.delivery": "Delivery",
    "study.cluster.submission": "submit",
    "study.errors": (
        "BadInputError ClusterError DataError NotFoundError SpecError StoppedError StudyError "
        "TrackingError TrialFailedError"
    ),
    "study.home": "Home",
    "study.report.report": "write_picture write_report",
    "study.report.style": "MetricFormat family_style figure_layout",
    "study.results.answers": "best_configs knee pareto_front records smallest trials",
    "study.results.comparison": "Comparison compare",
    "study.results.curves": "curves",
    "study.results.efficiency": "efficiency_scores parameters_to_reach",
    "study.results.export": "export_model",
    "study.results.network": "load_model promote",
    "study.results.outcomes": "outcomes",
    "study.results.prediction": "Prediction predict",
    "study.results.record": "TrialRecord",
    "study.results.retrained_run": "Retrained retrainings",
    "study.results.seeds": "seeds",
    "study.results.study_status": "StudyStatus list_studies status study_spec",
    "study.runner.driver": "run",
    "study.runner.run_summary": "RunSummary",
    "study.runner.retraining": "retrain",
    "study.search.ehvi": "EHVISampler",
    "study.search.expected_improvement": "Known",
    "study.spec.dimensions": "Space",
    "study.spec.metrics": "is_metric metric_names",
    "study.spec.study_spec": "StudySpec",
    "study.training.dataset": "Dataset load_dataset",
    "study.training.evaluation": "evaluate",
}
_SOURCES: Final = {name: module for module, names in _NAMES.items() for name in names.split()}
_SOURCES["figures"] = "study.report"

__all__ = sorted(_SOURCES)  # noqa: PLE0605  # the names above


def __getattr__(name: str) -> object:
    """The public name, from its module (PEP 562)."""
    if name not in _SOURCES:
        raise AttributeError(f"module 'study' has no attribute {name!r}")
    with environment.IMPORT:
        if name == "figures":  # the one module among functions and classes
            return importlib.import_module("study.report.figures")
        return getattr(importlib.import_module(_SOURCES[name]), name)


def __dir__() -> list[str]:
    return __all__
