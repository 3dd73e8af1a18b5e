"""From a row of a query to the dataclass of the model it stands for.

A column is named as its field. Text, numbers and NULL are taken as they are, 0 and 1 become
booleans, words their enum, and everything nested is JSON text that `model.codec` decodes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import StrEnum
from functools import cache, lru_cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from codencer.errors import LedgerFailed
from codencer.model.codec import decode

T = TypeVar("T")

LARGEST_CACHED_TEXT = 16 * 1024
"""Characters; with `CACHED_TEXTS` it bounds the cache to some tens of megabytes."""
CACHED_TEXTS = 2048
"""A step has four nested records; most of them are read again at each of its stages."""

Convert = Callable[[Any], Any]


def build(kind: type[T], row: Mapping[str, object]) -> T:
    """Return `row` as an instance of `kind`; columns that are no fields of it are left out.

    Raises:
        LedgerFailed: the row does not fit the model.
    """
    target: Any = kind
    try:
        values = {name: convert(row[name]) if convert else row[name] for name, convert in _converters(target)}
        return kind(**values)
    except (ValueError, KeyError) as problem:
        raise LedgerFailed(
            f"a row of the ledger is not a valid {kind.__name__.lower()} ({problem}); the events are the "
            "truth, check them with an audit of the ledger"
        ) from problem


@cache
def _converters(kind: Any) -> tuple[tuple[str, Convert | None], ...]:
    hints = get_type_hints(kind)
    return tuple((each.name, _converter(hints[each.name])) for each in fields(kind))


def _converter(hint: Any) -> Convert | None:
    if get_origin(hint) in (Union, UnionType):
        (inner,) = (each for each in get_args(hint) if each is not type(None))
        convert = _converter(inner)
        return convert and (lambda value: None if value is None else convert(value))
    if hint in (str, int):
        return None
    if hint is bool or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        convert_word: Convert = hint
        return convert_word
    if get_origin(hint) is Mapping:
        return json.loads
    return lambda text: nested(hint, text)


def nested(kind: Any, text: str) -> Any:
    """Decode JSON text, quickly when the same text was decoded before (results are frozen)."""
    return _decode(kind, text) if len(text) > LARGEST_CACHED_TEXT else _decode_cached(kind, text)


def _decode(kind: Any, text: str) -> Any:
    return decode(kind, json.loads(text))


_decode_cached = lru_cache(maxsize=CACHED_TEXTS)(_decode)
