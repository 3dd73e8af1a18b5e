"""Reads one TOML file of settings: the project's or the user's, every key known or refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codencer.errors import InvalidInput
from codencer.locate.files import read_regular


@dataclass(frozen=True)
class Document:
    """A parsed file; `place` says where a key stands, for messages."""

    path: Path
    text: str
    table: Mapping[str, object]

    def place(self, *keys: str) -> str:
        line = _line_of(self.text, keys)
        return f"{self.path}:{line}: {'.'.join(keys)}" if line else f"{self.path}: {'.'.join(keys)}"


def read(path: Path) -> Document:
    """Return the file; an absent one is empty.

    Raises:
        InvalidInput: it is not TOML.
    """
    content = read_regular(path)
    if not content:
        return Document(path, "", {})
    import tomllib  # most commands find neither of the two files

    try:
        text = content.decode("utf-8")
        return Document(path, text, tomllib.loads(text))
    except UnicodeDecodeError as problem:
        raise InvalidInput(f"{path}: not valid UTF-8 at byte {problem.start}") from problem
    except tomllib.TOMLDecodeError as problem:
        raise InvalidInput(f"{path}: not valid TOML: {problem}") from problem
    except RecursionError as problem:
        raise InvalidInput(f"{path}: nested too deeply") from problem


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line of a key, as well as lines can tell (tomllib keeps no positions); 0 if unsure."""
    header = ""
    wanted = ".".join(keys)
    best = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("["):
            header = re.sub(r"[\[\]\s\"']", "", line.partition("#")[0])
            full = header
        else:
            key = re.sub(r"[\s\"']", "", line.partition("=")[0])
            full = f"{header}.{key}" if header else key
        if full == wanted:
            return number
        if not best and full.startswith(f"{wanted}."):
            best = number
    return best
