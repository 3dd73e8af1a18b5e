"""A script: the one token that says what the model shall do, for the prompt or for the address.

`scripted-model:NAME;key=value;key=value`, with values percent-encoded, so that the token has
neither blanks nor quotes and survives every template that an agent puts its prompt into. Where a
conversation has several, the newest counts: that is what makes a resumed one go on.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

PREFIX = "scripted-model:"
_TOKEN = re.compile(PREFIX + r"([a-z][a-z0-9-]*)((?:;[a-z]+=[A-Za-z0-9_.~%-]*)*)")


@dataclass(frozen=True, kw_only=True)
class Script:
    """A scenario by name and its parameters; `id` names the work it belongs to, for the journal."""

    name: str = "text"
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.parameters.get("id", "")

    def text(self, key: str, default: str) -> str:
        return self.parameters.get(key, default)

    def number(self, key: str, default: int) -> int:
        """A parameter as a number; one that is none is the default, because nobody could be told."""
        value = self.parameters.get(key, "")
        return int(value) if value.isdecimal() else default

    def __str__(self) -> str:
        """The token."""
        pairs = (f";{key}={quote(value, safe='')}" for key, value in self.parameters.items())
        return f"{PREFIX}{self.name}{''.join(pairs)}"


def scripts_in(text: str) -> list[Script]:
    """Every script that a text has, in order."""
    return [
        Script(name=name, parameters=dict(_pair(each) for each in pairs.split(";") if each))
        for name, pairs in _TOKEN.findall(text)
    ]


def newest(texts: Iterable[str]) -> Script | None:
    """The last script of the last text that has one."""
    found = None
    for text in texts:
        found = next(reversed(scripts_in(text)), found)
    return found


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, unquote(value)
