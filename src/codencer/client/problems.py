"""Problem documents (RFC 9457) of the daemon back into the errors of `codencer.errors`."""

import json
from collections.abc import Iterator

from codencer.errors import CodencerError, DaemonUnreachable, InvalidInput


def error_from(status: int, body: bytes) -> CodencerError:
    """Return the error an answer of this status stands for, with the daemon's own words."""
    try:
        document = json.loads(body)
        code, detail = str(document["code"]), str(document["detail"])
    except (ValueError, KeyError, TypeError):
        text = body[:300].decode("utf-8", "replace").strip()
        return DaemonUnreachable(f"what answers there is not our daemon (status {status}): {text}")
    return error_named(code, detail, InvalidInput if status < 500 else CodencerError)


def error_named(code: str, message: str, otherwise: type[CodencerError] = CodencerError) -> CodencerError:
    """Return the error with this machine name; one we do not know becomes `otherwise`."""
    known = {each.code: each for each in _tree(CodencerError)}
    return known.get(code, otherwise)(message)


def _tree(kind: type[CodencerError]) -> Iterator[type[CodencerError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _tree(each)
