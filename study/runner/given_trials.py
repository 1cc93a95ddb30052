"""The searcher of a confirmation: hands given trials to Ray Tune, which proposes none."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

from ray.tune.search import Searcher

from study.search.searcher import StatelessSearcher
from study.search.trial import Outcome, TrialConfig, judge, last_metrics

_MOST_NOT_BEGUN: Final = 3  # times that a worker may be gone before its trial begins

OnEnd = Callable[[TrialConfig, Outcome, Mapping[str, float]], None]


@final
class GivenTrials(StatelessSearcher):
    """Hands given trials to Ray Tune, as many at once as `capacity` says, and tells how each ends.

    The callback reports errors, with their reasons. `begun` are the trials that a worker had.
    """

    def __init__(
        self, configs: Sequence[TrialConfig], on_end: OnEnd, capacity: Callable[[], int]
    ) -> None:
        super().__init__()
        self._waiting = deque(configs)
        self._on_end = on_end
        self._capacity = capacity
        self._running: dict[str, TrialConfig] = {}
        self._one_by_one = False
        self._not_begun: Counter[int] = Counter()
        self.begun: set[int] = set()

    @property
    def running(self) -> list[TrialConfig]:
        """The trials that Ray has."""
        return list(self._running.values())

    @property
    def left(self) -> int:
        """The number of trials that Ray does not have yet."""
        return len(self._waiting)

    def is_left(self, number: int) -> bool:
        """Whether a trial waits to be handed out, perhaps again."""
        return any(config.number == number for config in self._waiting)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a str
        if not self._waiting:
            return None if self._running else str(Searcher.FINISHED)
        if len(self._running) >= (1 if self._one_by_one else self._capacity()):
            return None  # Ray asks again after its next event
        config = self._running[trial_id] = self._waiting.popleft()
        return config.to_dict()

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Nothing: no trial is compared with others."""

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,  # noqa: FBT001, FBT002  # Ray's signature
    ) -> None:
        config = self._running.pop(trial_id, None)
        if config is None:
            return
        if not error:
            report = result or {}
            self._on_end(config, judge(report, objectives=()), last_metrics(report))
        elif config.number not in self.begun:
            # Ray does not retry a trial that waits for a worker of an earlier one which turns out dead.
            self._not_begun[config.number] += 1
            if self._not_begun[config.number] <= _MOST_NOT_BEGUN:
                self._waiting.append(config)

    def on_lost_memory(self, reason: str) -> list[int]:
        """Memory ran out and ended the running trials; returns their numbers.

        A single one has failed; several are handed out again, one by one.
        """
        lost = list(self._running.values())
        self._running.clear()
        if len(lost) == 1:
            self._on_end(lost[0], Outcome(state="FAIL", reason=reason), {})
        else:
            self._waiting.extendleft(reversed(lost))
            self._one_by_one = True
        return [config.number for config in lost]
