"""The kinds of values a setting may have, and the words for one that does not fit.

Text (a flag, a variable) goes through `parse` and then `check`; a value of a TOML file has a
type already and goes through `check` alone, which never converts. Both raise InvalidInput
with words only: whoever read the value knows where it stood.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol

from codencer.errors import InvalidInput
from codencer.model.ids import check_name

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}\Z")


class Kind(Protocol):
    def parse(self, text: str) -> object: ...

    def check(self, value: object) -> object: ...


class Switch:
    """True or false; as text 1/true/yes/on or 0/false/no/off in any case."""

    def parse(self, text: str) -> object:
        word = text.strip().lower()
        if word in _TRUE | _FALSE:
            return word in _TRUE
        raise InvalidInput(f"{text!a} is not a boolean: use 1, true, yes or on, or 0, false, no or off")

    def check(self, value: object) -> object:
        if isinstance(value, bool):
            return value
        raise InvalidInput(f"expected true or false, found {value!a}")


@dataclass(frozen=True)
class Number:
    """A whole number from `low` to `high`, both allowed."""

    low: int
    high: int

    def parse(self, text: str) -> int:
        if _WHOLE_NUMBER.match(text.strip()):
            return int(text)
        raise InvalidInput(f"{text!a} is not a whole number")

    def check(self, value: object) -> int:
        if type(value) is not int:
            raise InvalidInput(f"expected a whole number, found {value!a}")
        if not self.low <= value <= self.high:
            raise InvalidInput(f"{value} is out of range: from {self.low} to {self.high}")
        return value


@dataclass(frozen=True)
class Choice:
    """One of some words; `aliases` are other spellings that people are used to."""

    words: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def parse(self, text: str) -> object:
        return text.strip().lower()

    def check(self, value: object) -> object:
        word = self.aliases.get(value, value) if isinstance(value, str) else value
        if word in self.words:
            return word
        raise InvalidInput(f"expected one of {', '.join(self.words)}, found {value!a}")


class Text:
    """One line of printable text."""

    def parse(self, text: str) -> object:
        return text

    def check(self, value: object) -> object:
        if not isinstance(value, str):
            raise InvalidInput(f"expected text, found {value!a}")
        if not value.strip() or not value.isprintable():
            raise InvalidInput(f"{value!a} is blank or holds unprintable characters")
        return value


class Name(Text):
    """The name of an adapter or a policy."""

    def check(self, value: object) -> object:
        return check_name(str(super().check(value)), "the name")


class Host(Text):
    """An address or host name to listen on."""

    def check(self, value: object) -> object:
        host = str(super().check(value))
        if any(character in " \t/@[]" for character in host):
            raise InvalidInput(f"{host!a} is not an address or a host name (without port or brackets)")
        return host


@dataclass(frozen=True, kw_only=True)
class AtOnce:
    """How many attempts may run at the same time; None is no limit of that kind."""

    overall: int
    per_adapter: int | None = None
    per_run: int | None = None

    def __str__(self) -> str:
        """The text that it is read from."""
        set_ = {name: value for name, value in vars(self).items() if value is not None}
        return str(self.overall) if len(set_) == 1 else ",".join(f"{key}={set_[key]}" for key in set_)


@dataclass(frozen=True)
class Parallel:
    """A number, or a table with `overall`, `per_adapter` and `per_run`; as text `overall=4,per_run=2`.

    `overall` is what holds where a table does not say.
    """

    number: Number
    overall: int

    def parse(self, text: str) -> object:
        if "=" not in text:
            return self.number.parse(text)
        table: dict[str, int] = {}
        for part in text.split(","):
            key, _, number = part.partition("=")
            if key.strip() in table:
                raise InvalidInput(f"{key.strip()!a} is given twice")
            table[key.strip()] = self.number.parse(number)
        return table

    def check(self, value: object) -> AtOnce:
        if isinstance(value, AtOnce):
            return value
        if not isinstance(value, Mapping):
            return AtOnce(overall=self.number.check(value))
        known = [each.name for each in fields(AtOnce)]
        if not value:
            raise InvalidInput(f"the table is empty; write a number, or some of {', '.join(known)}")
        for key in value:
            if key not in known:
                raise InvalidInput(f"unknown key {key!a} (known: {', '.join(known)})")
        return AtOnce(**({"overall": self.overall} | {key: self._limit(key, value[key]) for key in value}))

    def _limit(self, key: str, value: object) -> int:
        try:
            return self.number.check(value)
        except InvalidInput as problem:
            raise InvalidInput(f"{key}: {problem}") from problem
