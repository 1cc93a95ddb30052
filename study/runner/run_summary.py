"""The result of one run of a study."""

from dataclasses import dataclass

from study.errors import StudyError
from study.results.html_tables import html_facts
from study.runner.session import Session
from study.search.confirmation import confirmations_of, confirmed_front
from study.search.pareto import hypervolume


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The result of one run of a study; front and hypervolume are by pooled values.

    `stopped` is the reason if it ended before its budget was met, `signal_number` the signal, if any.
    `failed` says how many trials failed and why, if more than half of those that ended did.
    """

    name: str
    states: dict[str, int]
    failed: str | None
    front: list[int]
    hypervolume: float
    stopped: str | None
    signal_number: int | None
    seconds: float

    def _repr_html_(self) -> str:
        states = ", ".join(f"{count} {state.lower()}" for state, count in self.states.items())
        facts = {
            "study": self.name,
            "trials": states,
            "front": f"trials {', '.join(map(str, self.front))}" if self.front else "no trial yet",
            "hypervolume": f"{self.hypervolume:.4f}",
            "stopped": self.stopped or "",
            "failed": self.failed or "",
            "time": f"{self.seconds:.0f} s",
        }
        return html_facts(facts)


def summary_of(session: Session, seconds: float) -> RunSummary:
    """The result of the run; raises StudyError if it is over and has no trial that can be used."""
    board = session.scoreboard
    failed = board.states["FAIL"]
    if failed and failed == board.ended and session.stop.signal_number is None:
        raise StudyError(
            f"all {failed} trials failed; the last one: {board.last}; {board.failures}"
        )
    if session.spec.constraints and not board.ended and session.budget.met():
        raise StudyError(f"no configuration satisfies the constraints: {session.budget.met()}")
    front = confirmed_front(
        session.spec, session.storage.trials(), confirmations_of(session.storage.study)
    )
    if board.states["COMPLETE"] and not front and session.budget.met():
        raise StudyError(
            f"every complete trial of {board.states['COMPLETE']} violates a constraint "
            f"({' and '.join(session.spec.constraints)})"
        )
    return RunSummary(
        name=session.spec.name,
        states=dict(board.states),
        failed=f"of {board.ended} trials {board.failed}" if 2 * failed > board.ended else None,
        front=sorted(front),
        hypervolume=hypervolume(list(front.values()), session.spec.objectives),
        stopped=session.stop.reason,
        signal_number=session.stop.signal_number,
        seconds=seconds,
    )
