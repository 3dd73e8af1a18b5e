"""What a key of a policy may be set to, and how that is read from YAML: strictly, nothing is converted."""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

import yaml

from codencer.errors import InvalidInput
from codencer.globs import Globs
from codencer.policy.retry import LONGEST_BACKOFF_SECONDS, MOST_ATTEMPTS

MOST_GLOBS: Final = 200
GREATEST_COUNT: Final = 2**53
_MONEY: Final = re.compile(r"\d{1,9}(\.\d{1,6})?")


class Value(Enum):
    """In words for a message; null switches any key off."""

    SWITCH = "true or false"
    COUNT = "a whole number, 0 or more"
    MONEY = "an amount in US dollars, 0 or more, with at most six decimals"
    ATTEMPTS = f"a whole number, 1 to {MOST_ATTEMPTS}"
    SECONDS = f"a whole number of seconds, 0 to {LONGEST_BACKOFF_SECONDS}"
    START = "base or snapshot"
    GLOBS = f"a list of 1 to {MOST_GLOBS} gitignore-style globs"


class Misfit(Exception):
    """A value that does not fit; the message says more where the kind of the value does not say it all."""


def read_value(kind: Value, node: yaml.Node) -> object:
    """Return the value of a node: null, a truth, a whole number, a text or a list of texts.

    Raises:
        Misfit: it is not what the key wants.
    """
    if _is_null(node):
        return None
    return _READERS[kind](node)


_PLAIN: Final = "tag:yaml.org,2002:"


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{_PLAIN}null"


def _scalar(node: yaml.Node, *kinds: str) -> object:
    if not isinstance(node, yaml.ScalarNode) or node.tag not in {_PLAIN + kind for kind in kinds}:
        raise Misfit
    try:
        value: object = yaml.SafeLoader("").construct_object(node)
    except (ValueError, LookupError):  # a tag that was written out and does not fit, as in `!!int x`
        raise Misfit from None
    return value


def _switch(node: yaml.Node) -> object:
    return _scalar(node, "bool")


def _number(least: int, most: int) -> Callable[[yaml.Node], object]:
    def read(node: yaml.Node) -> object:
        value = _scalar(node, "int")
        if not isinstance(value, int) or not least <= value <= most:
            raise Misfit
        return value

    return read


def _money(node: yaml.Node) -> object:
    """The digits as they stand, without needless zeros: a float would not be what was written."""
    _scalar(node, "int", "float")
    text = str(node.value)
    if not _MONEY.fullmatch(text):
        raise Misfit
    whole, _, cents = text.partition(".")
    cents = cents.rstrip("0")
    return f"{int(whole)}.{cents}" if cents else str(int(whole))


def _start(node: yaml.Node) -> object:
    value = _scalar(node, "str")
    if value not in ("base", "snapshot"):
        raise Misfit
    return value


def _globs(node: yaml.Node) -> object:
    if not isinstance(node, yaml.SequenceNode) or not 1 <= len(node.value) <= MOST_GLOBS:
        raise Misfit
    found = [str(_scalar(each, "str")) for each in node.value]
    try:
        Globs(found)
    except InvalidInput as problem:
        raise Misfit(str(problem)) from problem
    return found


_READERS: Mapping[Value, Callable[[yaml.Node], object]] = {
    Value.SWITCH: _switch,
    Value.COUNT: _number(0, GREATEST_COUNT),
    Value.MONEY: _money,
    Value.ATTEMPTS: _number(1, MOST_ATTEMPTS),
    Value.SECONDS: _number(0, LONGEST_BACKOFF_SECONDS),
    Value.START: _start,
    Value.GLOBS: _globs,
}
