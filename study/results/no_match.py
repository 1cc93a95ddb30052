"""Explains an empty result: how far the closest trials are from the filters."""

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
    states: tuple[str, ...] = COMPLETE.states,
    fresh: bool = False,
) -> str:
    """One line that explains why no trial passed, with the closest ones.

    `states` are those of the query, () for any; by default complete, feasible trials.
    """
    stored = read_study(name, home, fresh=fresh)
    chosen = states == COMPLETE.states
    families = filters.families(stored.spec.families)
    query = Query(states=states, families=families, feasible=chosen)
    kind = "complete trial" if chosen else f"trial in state {' or '.join(states)}"
    kind = f"{kind if states else 'trial'} of {name!r}"
    if not stored.select(replace(query, limit=1)):
        return _none_at_all(stored, query, kind)
    bounds = filters.bounds()
    found = [text for bound in bounds if (text := _closest(stored, query, bound, bounds))]
    closest = f"the closest: {'; '.join(found)}" if found else "but by now one has: ask again"
    wanted = " and ".join(map(str, bounds))
    return f"no {kind}{_of(families)} has {wanted}; {closest}"


def _none_at_all(stored: StoredStudy, query: Query, kind: str) -> str:
    states = stored.tally().states
    has = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "no trial yet"
    if not query.states or any(states.get(state) for state in query.states):
        if query.families and stored.select(replace(query, families=(), limit=1)):
            return f"no {kind} is{_of(query.families)}"
        if query.feasible:
            constraints = " and ".join(stored.spec.constraints)
            return f"every {kind}{_of(query.families)} breaks a constraint ({constraints})"
    return f"there is no {kind}; it has {has}"


def _closest(
    stored: StoredStudy, query: Query, bound: Bound, bounds: tuple[Bound, ...]
) -> str | None:
    """The trial that comes closest to a bound, of those that keep the others if any does.

    None if the trials keep this bound.
    """
    others = tuple(other for other in bounds if other != bound)
    order = (Order(bound.metric, descending=bound.sign == ">="),)
    for kept in dict.fromkeys((others, ())):
        found = stored.select(replace(query, bounds=kept, order=order, limit=1))
        value = found[0].value(bound.metric) if found else None
        if value is not None:
            if bound.holds(value):
                return None
            beside = f" with {' and '.join(map(str, kept))}" if kept else ""
            return f"{bound.metric} {number(value)}{beside} (trial {found[0].trial})"
    return None


def _of(families: tuple[str, ...]) -> str:
    return f" of family {' or '.join(families)}" if families else ""
