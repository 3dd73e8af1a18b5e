"""Answers that are none: errors in each vendor's words, and bytes that mean nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codencer.testing.model_server.script import Script

MALFORMED = b'<html>This is no answer of a model.</html> {"a": '

_KINDS: Mapping[str, tuple[int, str, str]] = {
    "e400": (400, "invalid_request_error", "INVALID_ARGUMENT"),
    "e401": (401, "authentication_error", "UNAUTHENTICATED"),
    "e403": (403, "permission_error", "PERMISSION_DENIED"),
    "e429": (429, "rate_limit_error", "RESOURCE_EXHAUSTED"),
    "e500": (500, "api_error", "INTERNAL"),
    "e529": (529, "overloaded_error", "UNAVAILABLE"),
}

FAULTS = frozenset({*_KINDS, "malformed", "cut", "hang"})
"""Scenarios that never come to a move."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An HTTP error; the body is in the shape of the vendor."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def failure(script: Script, vendor: str) -> Failure | None:
    """The error that a script asks for, if it is one."""
    if script.name not in _KINDS:
        return None
    status, kind, name = _KINDS[script.name]
    after = script.number("after", 1)
    message = f"scripted failure {status}"
    body: dict[str, Any] = {"error": {"message": message, "type": kind, "code": kind}}
    if vendor == "anthropic":
        body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}
    elif vendor == "gemini":
        body = {"error": {"code": status, "message": message, "status": name}}
        if status == 429:
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{after}s"}
            body["error"]["details"] = [retry]
    headers = {"retry-after": str(after)} if status == 429 else {}
    return Failure(status=status, body=body, headers=headers)
