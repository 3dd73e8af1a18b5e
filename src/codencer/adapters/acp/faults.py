"""What went wrong, from a JSON-RPC error or an agent's own words: its kind, and a sentence for a person.

The same failure comes as a code of the protocol (-32000: sign in first), as an HTTP status in the place
of a code (gemini), as a word in `data` (claude), or only in a text (qwen, copilot).
"""

import re
from collections.abc import Mapping

from codencer.adapters.lines import printable
from codencer.adapters.objects import text_at
from codencer.adapters.tally import LONGEST_ERROR, kind_of_status
from codencer.model.attempt import ErrorKind

AUTH_REQUIRED = -32000

_STATUS = re.compile(
    r'(?:^|\bHTTP |error:? |status(?: code)?:? |"code": ?)([45][0-9]{2})\b|\b(401|403|429|529)\b',
    re.IGNORECASE,
)
"""A few are hardly ever anything else, wherever they stand."""
_WORDS = (
    (ErrorKind.AUTH, r"authenticat|unauthori[sz]ed|api[ _-]?key|not (?:logged|signed) in"),
    (ErrorKind.QUOTA, r"quota|rate[ _-]?limit|usage limit|billing|out of credit|payment"),
    (
        ErrorKind.OVERLOAD,
        r"overload|unavailable|server[ _]error|bad gateway|high demand|connection to the API was lost",
    ),
    (
        ErrorKind.MALFORMED,
        r"(?:JSON parse|failed to finalize|incomplete JSON|malformed response|finish reason|stream disconn)",
    ),
)
_BY_WORDS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _WORDS)


def blame(error: Mapping[str, object]) -> tuple[ErrorKind, str]:
    """The kind of a JSON-RPC error, and what it says."""
    said = (
        text_at(error, *path) for path in (("message",), ("data",), ("data", "details"), ("data", "message"))
    )
    told = ": ".join(dict.fromkeys(each for each in said if each))
    code = error.get("code")
    shown = " ".join(printable(told, LONGEST_ERROR).split()) or f"error {code!a}"
    if code == AUTH_REQUIRED:
        return ErrorKind.AUTH, shown
    kind = kind_of(f"{told} {text_at(error, 'data', 'errorKind')}")
    if isinstance(code, int) and 400 <= code < 600 and kind is not ErrorKind.MALFORMED:
        return kind_of_status(code), shown
    return kind, shown


def kind_of(words: str) -> ErrorKind:
    """The kind of failure that a text speaks of."""
    found = _STATUS.search(words)
    if found is not None and (kind := kind_of_status(int(found[1] or found[2]))) is not ErrorKind.CRASH:
        return kind
    return next((kind for kind, pattern in _BY_WORDS if pattern.search(words)), ErrorKind.CRASH)
