"""Explanation of an empty result, with the trials closest to the filters."""

from dataclasses import replace

from study.home import Home
from study.results.format import number
from study.results.query import (
    COMPLETE,
    Bound,
    Filters,
    Order,
    Query,
)
from study.results.reader import read_study
from study.results.stored_study import StoredStudy


def explain_no_match(
    name: str,
    home: Home,
    filters: Filters,
    *,
    states: tuple[str, ...] | None = None,
    fresh: bool = False,
) -> str:
    """Explains in one line why no trial passed, with the closest trials.

    `states` are those of the query, () for any; by default complete, feasible trials.
    """
    stored = read_study(name, home, fresh=fresh)
    families, feasible = filters.families(stored.spec.families), states is None
    states = COMPLETE.states if states is None else states
    query = Query(states=states, families=families, feasible=feasible)
    complete = states == COMPLETE.states
    kind = "complete trial" if complete else f"trial in state {' or '.join(states)}"
    kind = f"{kind if states else 'trial'} of {name!r}"
    if filters.dendritic is not None and stored.select(replace(query, limit=1)):
        query = replace(query, dendritic=filters.dendritic)
        word = "dendritic" if filters.dendritic else "a control"
        if not stored.select(replace(query, limit=1)):
            return f"no {kind}{_of(families)} is {word}"
        kind = f"{kind} that is {word}"
    if not stored.select(replace(query, limit=1)):
        return _none_at_all(stored, query, kind)
    bounds = filters.bounds()
    closest = [text for bound in bounds if (text := _closest(stored, query, bound, bounds))]
    hint = (
        f"the closest: {'; '.join(closest)}"
        if closest
        else "but now there is one: repeat the query"
    )
    return f"no {kind}{_of(families)} has {' and '.join(map(str, bounds))}; {hint}"


def _none_at_all(stored: StoredStudy, query: Query, kind: str) -> str:
    states = stored.tally().states
    has = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no trial yet"
    if not query.states or any(states.get(state) for state in query.states):
        if query.families and stored.select(replace(query, families=(), limit=1)):
            return f"no {kind} is{_of(query.families)}"
        if query.feasible:
            constraints = " and ".join(stored.spec.constraints)
            return f"every {kind}{_of(query.families)} violates a constraint ({constraints})"
    return f"there is no {kind}; it has {has}"


def _closest(
    stored: StoredStudy, query: Query, bound: Bound, bounds: tuple[Bound, ...]
) -> str | None:
    """The trial closest to a bound, among those that satisfy the other bounds if there are any.

    None if a trial satisfies this bound.
    """
    others = tuple(other for other in bounds if other != bound)
    order = (Order(bound.metric, descending=bound.sign == ">="),)
    for satisfied in dict.fromkeys((others, ())):
        closest = stored.select(replace(query, bounds=satisfied, order=order, limit=1))
        value = closest[0].pooled(bound.metric)[0] if closest else None
        if value is not None:
            if bound.holds(value):
                return None
            condition = f" with {' and '.join(map(str, satisfied))}" if satisfied else ""
            return f"{bound.metric} {number(value)}{condition} (trial {closest[0].trial})"
    return None


def _of(families: tuple[str, ...]) -> str:
    return f" of family {' or '.join(families)}" if families else ""
