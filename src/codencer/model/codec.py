"""The one serialisation: model dataclasses to plain JSON values and back, strictly.

Tuples become lists, enums their values, None stays. Decoding refuses unknown keys and never
converts: a string is not a number, 1 is not true. Strings must be valid Unicode.
"""

import json
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


class DecodeError(ValueError):
    """A value does not fit its type; `path` leads to it, as in `task.validations.0.name`."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'value'}: {problem}")
        self.path, self.problem = path, problem


def encode(value: object) -> Any:
    """Return the JSON value (dict, list, str, int, bool, None) of a model object."""
    if isinstance(value, StrEnum):
        return value.value
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if is_dataclass(value):
        names = _field_names(cast(Hashable, type(value)))
        return {name: encode(getattr(value, name)) for name in names}
    raise TypeError(f"{type(value).__name__} has no place in the record")


def canonical(value: object) -> bytes:
    """The bytes that are hashed: sorted keys, no spaces, ASCII, and no floats at all."""
    return json.dumps(
        encode(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def decode(kind: type[T], value: object, path: str = "") -> T:
    """Return `value` as an instance of the model dataclass `kind`.

    Raises:
        DecodeError: a key is unknown or missing, or a value has the wrong type.
    """
    result: T = _decoder(cast(Hashable, kind))(value, path)
    return result


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


Decoder = Callable[[object, str], Any]


@cache
def _decoder(kind: Any) -> Decoder:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(tuple(_decoder(each) for each in arguments))
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return _sequence(_decoder(arguments[0]))
        return _fixed(tuple(_decoder(each) for each in arguments))
    if origin is dict:
        return _mapping(_decoder(arguments[1]))
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum(kind)
    return _plain(object if kind is Any else kind)


_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a decimal number",
    bool: "true or false",
    type(None): "null",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
}


def _word(kind: type) -> str:
    return _WORDS.get(kind, kind.__name__)


def _plain(kind: type) -> Decoder:
    def take(value: object, path: str) -> object:
        if kind is not object and type(value) is not kind:
            raise DecodeError(path, f"expected {_word(kind)}, found {_word(type(value))}")
        if isinstance(value, str):
            _check_unicode(value, path)
        return value

    return take


def _check_unicode(text: str, path: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise DecodeError(path, f"character {problem.start + 1} is a lone surrogate") from None


def _enum(kind: type[StrEnum]) -> Decoder:
    # `value in kind` raises TypeError for a plain string before Python 3.12.
    members = {member.value: member for member in kind}

    def take(value: object, path: str) -> StrEnum:
        if isinstance(value, str) and value in members:
            return members[value]
        raise DecodeError(path, f"expected one of {', '.join(kind)}, found {value!r}")

    return take


def _union(options: tuple[Decoder, ...]) -> Decoder:
    def take(value: object, path: str) -> object:
        problems = []
        for option in options:
            try:
                return option(value, path)
            except DecodeError as problem:
                problems.append(problem)
        raise max(problems, key=lambda problem: len(problem.path))

    return take


def _sequence(item: Decoder) -> Decoder:
    def take(value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise DecodeError(path, f"expected a list, found {_word(type(value))}")
        return tuple(item(each, f"{path}.{index}".lstrip(".")) for index, each in enumerate(value))

    return take


def _fixed(items: tuple[Decoder, ...]) -> Decoder:
    def take(value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or len(value) != len(items):
            raise DecodeError(path, f"expected a list of {len(items)}")
        return tuple(item(each, path) for item, each in zip(items, value, strict=True))

    return take


def _mapping(item: Decoder) -> Decoder:
    def take(value: object, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise DecodeError(path, f"expected a mapping, found {_word(type(value))}")
        for key in value:
            if not isinstance(key, str):
                raise DecodeError(path, f"expected keys of text, found {key!r}")
            _check_unicode(key, path)
        return {key: item(each, f"{path}.{key}".lstrip(".")) for key, each in value.items()}

    return take


def _dataclass(kind: type) -> Decoder:
    hints = get_type_hints(kind)
    required = {
        each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING
    }

    def take(value: object, path: str) -> object:
        if not isinstance(value, Mapping):
            raise DecodeError(path, f"expected a mapping, found {_word(type(value))}")
        for name in value:
            if name not in hints:
                raise DecodeError(f"{path}.{name}".lstrip("."), "unknown key")
        for name in sorted(required - value.keys()):
            raise DecodeError(f"{path}.{name}".lstrip("."), "missing")
        return kind(
            **{
                name: _decoder(hints[name])(item, f"{path}.{name}".lstrip("."))
                for name, item in value.items()
            }
        )

    return take
