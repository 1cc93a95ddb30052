"""Which settings matter for reaching the front: Optuna's PED-ANOVA over the complete trials.

Watanabe, Bansal and Hutter, PED-ANOVA (arXiv 2304.10255); settings that only some families have are
weighed by how many trials have them (arXiv 2601.20800).
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import optuna
import plotly.graph_objects as go
from optuna.trial import TrialState, create_trial

from study.report.style import BLUE, Section, evenly, figure_layout, in_words
from study.results.record import TrialRecord
from study.search.configuration import Configuration
from study.spec.dimensions import bounds
from study.spec.study_spec import StudySpec

_FEWEST_BEST: Final = 5  # Optuna's advice for a stable result
_FEWEST: Final = 12
_MANY: Final = 50
_BEST: Final = 0.1
_MOST: Final = 3000  # of more, evenly so many: ranking takes time that grows with their square


def best_count(trials: int) -> int:
    """How many of the complete trials count as the best: a tenth, and at least five."""
    return max(math.ceil(_BEST * trials), _FEWEST_BEST)


def importances(spec: StudySpec, records: Sequence[TrialRecord]) -> dict[str, float]:
    """The share of each searched setting in what sets the best trials apart, the largest first.

    The best are the tenth (at least five) of the lowest Pareto rank among the complete, feasible
    trials. Shares add up to 1. Empty where there are fewer than 12 of them, or nothing was searched.
    """
    study = optuna.create_study(directions=list(spec.objectives.values()))
    trials = [trial for trial in (_trial(record, spec) for record in records) if trial is not None]
    study.add_trials(evenly(trials, _MOST))
    count = min(len(trials), _MOST)
    if count < _FEWEST or not any(trial.params for trial in trials):
        return {}
    # It loads scikit-learn, for other evaluators, which takes a second.
    from optuna.importance import (  # noqa: PLC0415  # as above
        PedAnovaImportanceEvaluator,
        get_param_importances,
    )

    evaluator = PedAnovaImportanceEvaluator(target_quantile=best_count(count) / count)
    with warnings.catch_warnings():
        # That a setting is rare is said on the page.
        warnings.simplefilter("ignore")
        found = get_param_importances(study, evaluator=evaluator)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def importance_figure(shares: Mapping[str, float]) -> go.Figure:
    """A bar a setting, the most important on top."""
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
    figure.update_xaxes(
        title={"text": "share of the importance (%)"}, range=[0, 1.15 * max(percents)]
    )
    return figure


def importance_section(spec: StudySpec, records: Sequence[TrialRecord]) -> Section:
    """The importances with what they mean."""
    key, title = "importance", "Which settings matter"
    count = sum(record.point(spec.objectives) is not None for record in records)
    shares = importances(spec, records)
    if not shares:
        text = (
            f"This needs {_FEWEST} complete trials of the spec's space, in which some setting has "
            f"several values; there are {count} complete trials."
        )
        return Section(key=key, title=title, text=text)
    best = best_count(min(count, _MOST))
    text = (
        f"By PED-ANOVA: how much the values of a setting among the best {best} trials (by Pareto rank) "
        f"differ from its values among {min(count, _MOST):,} complete ones. The longer the bar, the "
        f"more it takes the right value of the setting to reach the front; which value that is the "
        f"figure above shows. Trials that were stopped early are not counted."
    )
    if count < _MANY:
        text += " Of so few trials it is no more than a hint."
    if count > _MOST:
        text += f" These are taken evenly from all {count:,}."
    first = next(iter(shares))
    alt = f"Bars: {in_words(first)} matters most, with {100 * shares[first]:.0f} %."
    height = 120 + 44 * len(shares)
    figure = importance_figure(shares)
    return Section(key=key, title=title, text=text, alt=alt, figure=figure, height=height)


def _trial(record: TrialRecord, spec: StudySpec) -> optuna.trial.FrozenTrial | None:
    """The trial as a sampler saw it; None if it has no point, or its space was another."""
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
    if record.family == "cnn":
        # Its kernel is the largest square that the asked synapses allow: any that leads there will do.
        low, high = bounds(spec.space.synapses)
        area = int(given["synapses"])
        wanted = [
            number
            for number in range(int(low), int(high) + 1)
            if math.isqrt(number) ** 2 == area and _is_offered(number, spec)
        ]
        given |= {"synapses": wanted[0] if wanted else area}
    return given


def _is_offered(number: int, spec: StudySpec) -> bool:
    values = getattr(spec.space.synapses, "values", None)
    return values is None or number in values
