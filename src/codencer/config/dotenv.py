"""Files of KEY=VALUE lines: the repository's `.env` and the user's private `env`.

Strict: a line is blank, a comment, or `NAME=value`; a value may be in single quotes (taken
literally) or double quotes (with \\n, \\t, \\" and \\\\). Nothing is interpolated or executed.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codencer.errors import Forbidden, InvalidInput
from codencer.locate.files import read_regular

MARK = "# codencer"
"""The first line of a `.env` that is meant for us; any other belongs to the project itself."""

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*=(.*)\Z")
_SINGLE = re.compile(r"'([^']*)'\s*(?:#.*)?\Z")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\[nt"\\])*)"\s*(?:#.*)?\Z')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class Entry:
    value: str
    line: int


def read_marked(path: Path) -> Mapping[str, Entry]:
    """Return the entries of a `.env`; none when there is no file or it is not marked as ours.

    Raises:
        InvalidInput: a line of a marked file does not parse; the message names file and line.
    """
    content = read_regular(path)
    if content is None or content.partition(b"\n")[0].rstrip() != MARK.encode():
        return {}
    return parse(content, path)


def read_private(path: Path) -> Mapping[str, str]:
    """Return the values of the user's private environment file; none when there is no file.

    Raises:
        Forbidden: somebody else may read or write it.
        InvalidInput: a line does not parse.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise Forbidden(f"{path} holds secrets and is open to others: run `chmod 600 {path}` and own it")
    return {name: entry.value for name, entry in parse(read_regular(path) or b"", path).items()}


def parse(content: bytes, path: Path) -> Mapping[str, Entry]:
    """Return the entries by name."""
    entries: dict[str, Entry] = {}
    for number, raw in enumerate(content.split(b"\n"), 1):
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise InvalidInput(f"{path}:{number}: not valid UTF-8") from None
        if not line or line.startswith("#"):
            continue
        found = _LINE.match(line)
        if found is None:
            raise InvalidInput(f"{path}:{number}: expected NAME=value or a comment")
        name, value = found.groups()
        if name in entries:
            raise InvalidInput(f"{path}:{number}: {name} was already set in line {entries[name].line}")
        entries[name] = Entry(_value(value.strip(), f"{path}:{number}: {name}"), number)
    return entries


def _value(text: str, place: str) -> str:
    if "\0" in text:
        raise InvalidInput(f"{place}: a NUL character is not allowed")
    if text.startswith("'"):
        return _matched(_SINGLE, text, place)
    if text.startswith('"'):
        quoted = _matched(_DOUBLE, text, place)
        return _ESCAPE.sub(lambda escape: _ESCAPED[escape[1]], quoted)
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip()


def _matched(pattern: re.Pattern[str], text: str, place: str) -> str:
    found = pattern.match(text)
    if found is None:
        raise InvalidInput(f"{place}: the quoted value is not closed, or something follows it")
    return found[1]
