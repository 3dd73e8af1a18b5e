"""Errors of the library through which several Python agents reach their models, by their class's name."""

from collections.abc import Mapping

from codencer.model.attempt import ErrorKind

_KINDS: Mapping[str, ErrorKind] = {
    "AuthenticationError": ErrorKind.AUTH,
    "PermissionDeniedError": ErrorKind.AUTH,
    "RateLimitError": ErrorKind.QUOTA,
    "RouterRateLimitError": ErrorKind.QUOTA,
    "BudgetExceededError": ErrorKind.QUOTA,
    "APIConnectionError": ErrorKind.OVERLOAD,
    "BadGatewayError": ErrorKind.OVERLOAD,
    "InternalServerError": ErrorKind.OVERLOAD,
    "ServiceUnavailableError": ErrorKind.OVERLOAD,
    "Timeout": ErrorKind.OVERLOAD,
    "ContentPolicyViolationError": ErrorKind.REFUSED,
    "ContextWindowExceededError": ErrorKind.LIMIT,
    "APIResponseValidationError": ErrorKind.MALFORMED,
    "JSONSchemaValidationError": ErrorKind.MALFORMED,
}
_NO_ANSWER = ("Empty or invalid response", "Expecting value: ")
"""It calls these a server's error, whatever the server sent."""


def kind_of(name: str, text: str) -> ErrorKind:
    """The kind of an error with its class's name and its message."""
    return (
        ErrorKind.MALFORMED if any(each in text for each in _NO_ANSWER) else _KINDS.get(name, ErrorKind.CRASH)
    )
