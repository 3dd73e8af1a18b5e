"""Tokens, cost and model, wherever an agent tells them.

`PromptResponse.usage` where it is sent; else `_meta.quota` of the response (gemini), else the sum of
`_meta.usage` of the pieces of messages, one for each call of the model (qwen). Input counts what was
read from a cache, too; whether `inputTokens` does differs between agents, so the total decides.
"""

from collections.abc import Mapping

from codencer.adapters import telling
from codencer.adapters.acp.wire import mapping, sequence
from codencer.adapters.objects import count_at, look, microusd_at, text_at
from codencer.adapters.tally import LARGEST_TOTAL
from codencer.model.attempt import AgentEvent


class Usage:
    """What is known so far; None is unknown. `unanswered` when the agent says of its turn that no answer of
    a model came to its end."""

    def __init__(self) -> None:
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cost_microusd: int | None = None
        self.model: str | None = None
        self.unanswered = False

    def note(self, update: Mapping[str, object]) -> None:
        """Look at an update of the turn."""
        if update.get("sessionUpdate") != "usage_update":
            self._add(look(update, "_meta", "usage"))
        elif text_at(update, "cost", "currency") == "USD":
            self.cost_microusd = microusd_at(update, "cost", "amount")

    def opened(self, session: Mapping[str, object]) -> None:
        """Look at the answer to `session/new` for the model that was chosen."""
        for option in map(mapping, sequence(session.get("configOptions"))):
            if option.get("category") == "model" and option.get("currentValue") != "default":
                self.chose(_readable(option))
        if self.model is None:
            self.chose(text_at(session, "models", "currentModelId"))

    def chose(self, model: str) -> None:
        self.model = telling.shown(model) or self.model

    def ended(self, response: Mapping[str, object]) -> None:
        """Look at the answer to `session/prompt`, which outranks what was added up."""
        quota = look(response, "_meta", "quota")
        self.unanswered = look(quota, "model_usage") == []
        for each in sequence(look(quota, "model_usage"))[:1]:
            self.chose(text_at(each, "model"))
        if usage := mapping(response.get("usage")):
            self.input_tokens = self.output_tokens = None
            self._add(usage)
        elif count_at(quota, "token_count", "input_tokens") is not None:
            self.input_tokens = count_at(quota, "token_count", "input_tokens")
            self.output_tokens = count_at(quota, "token_count", "output_tokens")

    def event(self) -> AgentEvent | None:
        """The event for the transcript; None when nothing is known."""
        if self.input_tokens is None and self.cost_microusd is None:
            return None
        return telling.usage(self.input_tokens, self.output_tokens, self.cost_microusd)

    def _add(self, usage: object) -> None:
        output, total = count_at(usage, "outputTokens"), count_at(usage, "totalTokens")
        given = count_at(usage, "inputTokens")
        if given is None or output is None:
            return
        used = given if total is None else max(given, total - output)
        self.input_tokens = min((self.input_tokens or 0) + used, LARGEST_TOTAL)
        self.output_tokens = min((self.output_tokens or 0) + output, LARGEST_TOTAL)


def _readable(option: Mapping[str, object]) -> str:
    """The chosen value; or its name, where the value is a private one (`$runtime|openai|…`)."""
    value = text_at(option, "currentValue")
    named = (
        text_at(each, "name") for each in sequence(option.get("options")) if text_at(each, "value") == value
    )
    return next(named, value) if value.startswith("$") else value
