"""The importance of settings for reaching the front: Optuna's PED-ANOVA on the complete trials.

Watanabe, Bansal and Hutter, PED-ANOVA (arXiv 2304.10255); settings of only some families are weighted
by the number of trials with them (arXiv 2601.20800).
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import optuna
import plotly.graph_objects as go
from optuna.trial import TrialState, create_trial

from models.architecture import FAMILIES
from study.report.style import BLUE, Section, figure_layout, in_words
from study.results.record import TrialRecord
from study.search.configuration import Configuration
from study.search.observations import even
from study.spec.dimensions import bounds
from study.spec.study_spec import StudySpec

_FEWEST_BEST: Final = 5  # Optuna's advice for a stable result
_FEWEST: Final = 12
_MANY: Final = 50
_BEST: Final = 0.1
_MOST: Final = 3000  # trials, an even subset: the time of the ranking is quadratic


def best_count(trials: int) -> int:
    """The number of trials that count as the best: a tenth, but at least five."""
    return max(math.ceil(_BEST * trials), _FEWEST_BEST)


def importances(spec: StudySpec, records: Sequence[TrialRecord]) -> dict[str, float]:
    """The importance of each searched setting, the largest first; they sum to 1.

    The best trials are the tenth (at least five) with the lowest Pareto rank among the complete,
    feasible ones. Empty for fewer than 12 of these, or if nothing was searched.
    """
    study = optuna.create_study(directions=list(spec.objectives.values()))
    trials = [trial for trial in (_trial(record, spec) for record in records) if trial is not None]
    study.add_trials(even(trials, _MOST))
    count = min(len(trials), _MOST)
    if count < _FEWEST or not any(trial.params for trial in trials):
        return {}
    from optuna.importance import (  # noqa: PLC0415  # takes a second: it imports scikit-learn
        PedAnovaImportanceEvaluator,
        get_param_importances,
    )

    evaluator = PedAnovaImportanceEvaluator(target_quantile=best_count(count) / count)
    with warnings.catch_warnings():
        # Of settings with few values, and of an experimental class.
        warnings.simplefilter("ignore")
        shares = get_param_importances(study, evaluator=evaluator)
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def importance_figure(shares: Mapping[str, float]) -> go.Figure:
    """A bar for each setting, the most important at the top."""
    names = list(shares)[::-1]
    percents = [100 * shares[name] for name in names]
    figure = go.Figure(layout=figure_layout())
    figure.add_bar(
        x=percents,
        y=[in_words(name) for name in names],
        orientation="h",
        marker={"color": BLUE},
        text=[f"{percent:.0f} %" for percent in percents],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
    )
    figure.update_xaxes(title={"text": "share of importance (%)"}, range=[0, 1.15 * max(percents)])
    return figure


def importance_section(spec: StudySpec, records: Sequence[TrialRecord]) -> Section:
    """The section on importances."""
    key, title = "importance", "Importance of settings"
    count = sum(record.point(spec.objectives) is not None for record in records)
    shares = importances(spec, records)
    if not shares:
        text = (
            f"This needs {_FEWEST} complete trials within the space of the spec, with several values "
            f"of some setting; there are {count} complete trials."
        )
        return Section(key=key, title=title, text=text)
    best = best_count(min(count, _MOST))
    text = (
        f"PED-ANOVA compares the values of a setting among the best {best} trials (by Pareto rank) with "
        f"those among {min(count, _MOST):,} complete ones. The longer the bar, the more the setting "
        "decides whether a trial reaches the front; the figure above shows the values. Trials that were "
        "stopped early are not included."
    )
    if count < _MANY:
        text += " With so few trials it is only an indication."
    if count > _MOST:
        text += f" These are an even subset of all {count:,}."
    first = next(iter(shares))
    alt = f"Bars: {in_words(first)} matters most, with {100 * shares[first]:.0f} %."
    height = 120 + 44 * len(shares)
    figure = importance_figure(shares)
    return Section(key=key, title=title, text=text, alt=alt, figure=figure, height=height)


def _trial(record: TrialRecord, spec: StudySpec) -> optuna.trial.FrozenTrial | None:
    """The trial as proposed by a sampler; None without a point, or for values outside the space."""
    point = record.point(spec.objectives)
    if point is None:
        return None
    try:
        answers = Configuration(spec, given=_given(record, spec))
        return create_trial(
            state=TrialState.COMPLETE,
            values=[float(value) for value in point],
            params=answers.view_params,
            distributions=answers.view_distributions,
        )
    except (KeyError, ValueError):
        return None


def _given(record: TrialRecord, spec: StudySpec) -> dict[str, Any]:
    given = record.architecture | record.training
    if FAMILIES[record.family].synapses == "convolution":
        # Its kernel is the largest square of at most the proposed area: any such proposal is equal.
        low, high = bounds(spec.space.synapses)
        choices = getattr(spec.space.synapses, "values", range(int(low), int(high) + 1))
        area = int(given["synapses"])
        equal = [number for number in sorted(choices) if math.isqrt(number) ** 2 == area]
        given |= {"synapses": equal[0] if equal else area}
    return given
