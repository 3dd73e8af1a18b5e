"""Which queued step begins next, and why another one does not yet. Pure: nothing here waits or asks.

A step begins while none of the limits is reached. Within a run steps go in the order of their
submission; one that its adapter's limit holds back holds back those behind it. Between runs the
higher priority goes first, then the run with the fewest attempts under way, then the older step.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codencer.config import AtOnce
from codencer.model.run import BY_HAND
from codencer.model.step import FrozenSettings
from codencer.model.waiting import ABOUT_TO_BEGIN


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What matters of a step for its turn.

    `adapter` is the one that will really be started; `behind` the unsettled step whose
    snapshot is the base.
    """

    run_id: str
    adapter: str
    priority: int = 0
    behind: str | None = None

    @classmethod
    def turn(cls, run_id: str, frozen: FrozenSettings, behind: str | None, *, fallback: int = 0) -> "Waiting":
        adapter = frozen.agent(fallback).name
        return cls(run_id=run_id, adapter=adapter, priority=frozen.priority, behind=behind)


@dataclass(frozen=True)
class _Load:
    """How many attempts each run and each adapter has under way."""

    runs: Counter[str]
    adapters: Counter[str]


@dataclass(frozen=True, kw_only=True)
class Admission:
    """The rules over a queue (step ids, oldest first), all of which the scheduler changes meanwhile.

    `paused` are runs, with the reason.
    """

    limits: AtOnce
    queue: Mapping[str, Waiting]
    under_way: Mapping[str, Waiting]
    paused: Mapping[str, str]

    def next(self) -> str | None:
        """The step that may begin now."""
        if len(self.under_way) >= self.limits.overall:
            return None
        load = self._load()
        candidates = (
            (-each.priority, load.runs[each.run_id], order, step_id)
            for order, (step_id, each) in enumerate(self._heads())
            if self._limit_reached(each, load) is None
        )
        best = min(candidates, default=None)
        return None if best is None else best[3]

    def reason(self, step_id: str, memory: str | None = None) -> str | None:
        """Why a queued step has not begun; None for one that is not queued.

        Args:
            memory: what the guard of the machine's memory has against another attempt.
        """
        each = self.queue.get(step_id)
        if each is None:
            return None
        if each.behind is not None:
            return f"waiting for step {each.behind}, whose snapshot is the base"
        if each.run_id in self.paused:
            reason = self.paused[each.run_id]
            return f"run {each.run_id} is paused" + (f": {reason}" if reason != BY_HAND else "")
        ahead = self._ahead(step_id, each)
        count = len(self.under_way)
        if all(head != step_id for head, _ in self._heads()):
            why = None
        elif count >= self.limits.overall:
            why = f"{count} of {self.limits.overall} attempts under way"
        else:
            why = self._limit_reached(each, self._load()) or memory
        return "; ".join(filter(None, (f"queued behind {ahead}" if ahead else None, why))) or ABOUT_TO_BEGIN

    def _heads(self) -> Iterator[tuple[str, Waiting]]:
        """Of each run the step whose turn it is, oldest first."""
        seen = set(self.paused)
        for step_id, each in self.queue.items():
            # One that is tried again may still be giving back the workspace of its last attempt.
            if each.behind is None and each.run_id not in seen and step_id not in self.under_way:
                seen.add(each.run_id)
                yield step_id, each

    def _load(self) -> _Load:
        under_way = self.under_way.values()
        return _Load(Counter(each.run_id for each in under_way), Counter(each.adapter for each in under_way))

    def _limit_reached(self, each: Waiting, load: _Load) -> str | None:
        """The limit of the run or the adapter that is reached, as words."""
        for kind, name, count, most in (
            ("run", each.run_id, load.runs[each.run_id], self.limits.per_run),
            ("adapter", each.adapter, load.adapters[each.adapter], self.limits.per_adapter),
        ):
            if most is not None and count >= most:
                return f"its {kind} {name} has {count} of {most} attempts under way"
        return None

    def _ahead(self, step_id: str, each: Waiting) -> int:
        """How many of those that could begin are older in its run, or have a better place elsewhere."""
        count, older = 0, True
        for other_id, other in self.queue.items():
            if other_id == step_id:
                older = False
            elif other.behind is None and other.run_id not in self.paused:
                same = other.run_id == each.run_id
                better = other.priority > each.priority or (other.priority == each.priority and older)
                count += older if same else better
        return count
