"""Request bodies: read with a limit, parsed and decoded strictly.

Unknown and duplicate keys, wrong types, NaN and broken Unicode are errors; nothing is converted.
What cannot be parsed is 400, what is parseable but wrong 422, what is too large 413, and
the rest of a body that is too large is never read.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request

from codencer.errors import InvalidInput, MalformedInput, TooLarge
from codencer.model.codec import DecodeError, decode

MAX_BODY = 4 * 1024 * 1024
"""A goal may have 1 MiB; escaped as JSON it may take several times as much."""

T = TypeVar("T")


def body(kind: type[T]) -> Callable[[Request], Awaitable[T]]:
    """A dependency that yields the request's body as the dataclass `kind`."""

    async def read(request: Request) -> T:
        return parse(kind, await _read_bounded(request))

    return read


def parse(kind: type[T], data: bytes) -> T:
    """Return JSON bytes as the dataclass `kind`; no bytes at all mean an empty object.

    Raises:
        MalformedInput: it is not JSON.
        InvalidInput: a key is unknown, repeated or missing, or a value has the wrong type.
    """
    try:
        document = json.loads(data or b"{}", object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as problem:
        raise InvalidInput("the body has half of a surrogate pair, which is not text") from problem
    except (ValueError, RecursionError) as problem:
        raise MalformedInput(f"the body is not JSON: {problem}") from problem
    try:
        return decode(kind, document)
    except DecodeError as problem:
        raise InvalidInput(str(problem)) from problem


async def _read_bounded(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > MAX_BODY:
        raise TooLarge(f"the body has {announced} bytes; at most {MAX_BODY} are read")
    collected = bytearray()
    async for piece in request.stream():
        collected += piece
        if len(collected) > MAX_BODY:
            raise TooLarge(f"the body is larger than {MAX_BODY} bytes, the most that is read")
    return bytes(collected)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidInput(f"the key {key!a} is given twice")
        found[key] = value
    return found


def _no_constant(name: str) -> None:
    raise InvalidInput(f"{name} is not a JSON value")
