"""Ignore rules as the base commit has them, in one list anchored at the root.

A `.gitignore` that an agent wrote or changed hides nothing: the rules of the base's files are
rewritten so that git reads them from a single file of the bridge's. Pure.
"""

from collections.abc import Mapping

_SPECIAL = b"\\*?["
_BOM = b"\xef\xbb\xbf"


def combined_rules(user_rules: bytes, ignore_files: Mapping[bytes, bytes]) -> bytes:
    """Return the content of one ignore file that means the same at the root as all of these.

    Args:
        user_rules: the user's own ignore file, which any `.gitignore` outranks.
        ignore_files: folder (without a slash at its end, empty for the root) to content of its `.gitignore`.
    """
    lines = list(_lines(user_rules))
    for folder in sorted(ignore_files, key=lambda name: (name.count(b"/") if name else -1, name)):
        for line in _lines(ignore_files[folder]):
            rule = _anchored(folder, line) if folder else line
            if rule is not None:
                lines.append(rule)
    return b"".join(line + b"\n" for line in lines)


def _lines(content: bytes) -> list[bytes]:
    """The rules of a file, without comments and blank lines; read as git reads them."""
    lines = [line.removesuffix(b"\r") for line in content.removeprefix(_BOM).split(b"\n")]
    return [trimmed for line in lines if not line.startswith(b"#") and (trimmed := _trimmed(line))]


def _trimmed(line: bytes) -> bytes:
    """Drop spaces at the end that no backslash protects."""
    end = at = 0
    while at < len(line):
        if line.startswith(b" ", at):
            at += 1
        else:
            at += 2 if line.startswith(b"\\", at) else 1
            end = at
    return line[:end]


def _anchored(folder: bytes, line: bytes) -> bytes | None:
    """Return the rule of a `.gitignore` in `folder` as a rule of the root; None when it matches nothing."""
    negation, pattern = (b"!", line[1:]) if line.startswith(b"!") else (b"", line)
    if not pattern.strip(b"/"):
        return None
    anywhere = b"/" not in pattern.removesuffix(b"/")
    middle = b"**/" if anywhere else b""
    return negation + b"/" + _literal(folder) + b"/" + middle + pattern.removeprefix(b"/")


def _literal(folder: bytes) -> bytes:
    """Escape a folder's name; a line cannot hold a newline, and `?` is the nearest there is."""
    escaped = b"".join(b"\\" + bytes([each]) if each in _SPECIAL else bytes([each]) for each in folder)
    return escaped.replace(b"\n", b"?")
