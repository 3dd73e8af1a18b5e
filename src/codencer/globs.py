"""Globs and path texts: the one place where a glob is matched against a path of git.

Globs have gitignore semantics: `tests` and `*.py` match at any depth, `/src` only at the top,
`tests/` only a folder (and so all that is in it), a later `!glob` takes paths out again.
A glob that could never match anything is refused, so that no rule is silently empty.
A path is text where it is UTF-8, else git's C-quoted form; both match on their real bytes.
"""

import re
from collections.abc import Iterable
from typing import Final

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from codencer.errors import InvalidInput

_ESCAPES: Final = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_UNESCAPES: Final = {name: code for code, name in _ESCAPES.items()}
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\(?:[abtnvfr"\\]|[0-3][0-7]{2}))*"')
_ESCAPED: Final = re.compile(r'\\([abtnvfr"\\]|[0-3][0-7]{2})')
_SET: Final = r"\[[!^]?\]?[^][\\]*\]"
_WHOLE: Final = re.compile(rf"(?:\\.|{_SET}|[^[\\])*\\?", re.DOTALL)
_SET_OPERATORS: Final = ("--", "&&", "||", "~~")
"""Python's `re` gives these a meaning inside a bracket that git does not know."""


def quote_path(path: bytes) -> str:
    """Return a path as text: itself when it is UTF-8, else in git's C-quoted form.

    A path that begins with a quote is quoted as well, so that the text is never ambiguous.
    """
    if not path.startswith(b'"'):
        try:
            return path.decode("utf-8")
        except UnicodeDecodeError:
            pass
    quoted = (
        "\\" + _ESCAPES[byte] if byte in _ESCAPES else chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"
        for byte in path
    )
    return f'"{"".join(quoted)}"'


def unquote_path(text: str) -> bytes:
    """Return the real bytes of a path text (the inverse of `quote_path`)."""
    if not _QUOTED.fullmatch(text):
        return text.encode("utf-8", "surrogateescape")
    plain = _ESCAPED.sub(_unescape, text[1:-1])
    return plain.encode("utf-8", "surrogateescape")


class Globs:
    """A list of globs, compiled.

    Args:
        patterns: gitignore-style globs; the last one that matches a path decides.
        ignore_case: for work trees whose file system does not tell case apart.

    Raises:
        InvalidInput: a glob is malformed or could never match.
    """

    __slots__ = ("_spec", "patterns")

    def __init__(self, patterns: Iterable[str], *, ignore_case: bool = False) -> None:
        self.patterns = tuple(patterns)
        flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
        compiled = [_compile(pattern, flags) for pattern in self.patterns]
        # The plain backend: others do not accept the surrogates that stand for odd bytes.
        self._spec = GitIgnoreSpec(compiled, backend="simple")

    def __repr__(self) -> str:
        return f"Globs({list(self.patterns)!r})"

    def matches(self, path: str | bytes) -> bool:
        """Tell whether the globs select a path; one that ends with `/` is a folder."""
        real = path if isinstance(path, bytes) else unquote_path(path)
        return self._spec.match_file(real.decode("utf-8", "surrogateescape"), separators=())

    def select(self, paths: Iterable[str]) -> list[str]:
        """Return the paths that match, in their order."""
        return [path for path in paths if self.matches(path)]


def _unescape(match: re.Match[str]) -> str:
    code = match.group(1)
    byte = _UNESCAPES[code] if code in _UNESCAPES else int(code, 8)
    return bytes([byte]).decode("utf-8", "surrogateescape")


def _compile(pattern: str, flags: int) -> GitIgnoreSpecPattern:
    problem = _problem(pattern)
    if problem is None:
        try:
            regex, include = GitIgnoreSpecPattern.pattern_to_regex(pattern)
            if regex is not None:
                return GitIgnoreSpecPattern(re.compile(_exact(regex), flags), include)
            problem = "it would match nothing"
        except (ValueError, re.error) as error:
            problem = f"it is not a valid pattern ({error})"
    raise InvalidInput(f"The glob {pattern!r} cannot be used: {problem}.")


def _exact(regex: str) -> str:
    # Two details where the translation differs from git: `[!x]` never matches a slash there,
    # and `$` of Python also matches before a newline at the end of a file name.
    return regex.replace("[^", "[^/").replace("|$)", r"|\Z)")


def _problem(pattern: str) -> str | None:
    """Say why a glob would be silently empty or misread; None when it is fine."""
    body = pattern.removeprefix("!")
    if not body.strip():
        return "it is blank"
    if pattern.startswith("#"):
        return "it is a comment; write \\# for a name that begins with #"
    if any(character in pattern for character in "\0\n\r"):
        return "it contains a control character"
    if {".", ".."} & set(body.rstrip().split("/")) or "//" in body:
        return "paths are relative to the repository, without ./, ../ or //"
    return _bracket_problem(body)


def _bracket_problem(body: str) -> str | None:
    if not _WHOLE.fullmatch(body):
        return "a set in square brackets is not closed, or has a class or an escape in it"
    for bracket in re.findall(_SET, body):
        if any(operator in bracket for operator in _SET_OPERATORS):
            return f"the set {bracket} is ambiguous"
    return None
