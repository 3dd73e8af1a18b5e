"""Tokens, cost and model, wherever an agent tells them.

`PromptResponse.usage` where it is sent; else `_meta.quota` of the response (gemini), else the sum of
`_meta.usage` of the pieces of messages, one for each call of the model (qwen). Input counts what was
read from a cache, too; whether `inputTokens` does differs between agents, so the total decides.
"""

from collections.abc import Mapping

from codencer.adapters.acp.wire import count, mapping, sequence, text
from codencer.adapters.lines import one_line
from codencer.model.attempt import AgentEvent, AgentEventKind

_LONGEST_MODEL = 200
_MOST_USD = 1_000_000


class Usage:
    """What is known so far; None is unknown."""

    def __init__(self) -> None:
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cost_microusd: int | None = None
        self.model: str | None = None

    def note(self, update: Mapping[str, object]) -> None:
        """Look at an update of the turn."""
        if update.get("sessionUpdate") == "usage_update":
            cost = mapping(update.get("cost"))
            if cost.get("currency") == "USD":
                self.cost_microusd = _microusd(cost.get("amount"))
            return
        self._add(mapping(mapping(update.get("_meta")).get("usage")))

    def opened(self, session: Mapping[str, object]) -> None:
        """Look at the answer to `session/new` for the model that was chosen."""
        for option in map(mapping, sequence(session.get("configOptions"))):
            if option.get("category") == "model" and option.get("currentValue") != "default":
                self.chose(option.get("currentValue"))
        if self.model is None:
            self.chose(mapping(session.get("models")).get("currentModelId"))

    def chose(self, model: object) -> None:
        self.model = one_line(text(model)[:_LONGEST_MODEL]) or self.model

    def ended(self, response: Mapping[str, object]) -> None:
        """Look at the answer to `session/prompt`, which outranks what was added up."""
        quota = mapping(mapping(response.get("_meta")).get("quota"))
        for each in map(mapping, sequence(quota.get("model_usage"))[:1]):
            self.chose(each.get("model"))
        tokens = mapping(quota.get("token_count"))
        if usage := mapping(response.get("usage")):
            self.input_tokens = self.output_tokens = None
            self._add(usage)
        elif count(tokens.get("input_tokens")) is not None:
            self.input_tokens = count(tokens.get("input_tokens"))
            self.output_tokens = count(tokens.get("output_tokens"))

    def event(self) -> AgentEvent | None:
        """The event for the transcript; None when nothing is known."""
        names = ("input_tokens", "output_tokens", "cost_microusd")
        data: dict[str, object] = {name: getattr(self, name) for name in names}
        known = {name: value for name, value in data.items() if value is not None}
        if not known:
            return None
        return AgentEvent(kind=AgentEventKind.USAGE, text=self.model or "", data=known)

    def _add(self, usage: Mapping[str, object]) -> None:
        output, total = count(usage.get("outputTokens")), count(usage.get("totalTokens"))
        given = count(usage.get("inputTokens"))
        if given is None or output is None:
            return
        used = given if total is None else max(given, total - output)
        self.input_tokens = (self.input_tokens or 0) + used
        self.output_tokens = (self.output_tokens or 0) + output


def _microusd(amount: object) -> int | None:
    if not isinstance(amount, int | float) or isinstance(amount, bool) or not 0 <= amount < _MOST_USD:
        return None
    return round(amount * 1_000_000)
