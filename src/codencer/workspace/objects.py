"""Several objects read with one git process."""

from collections.abc import Iterable

from codencer.workspace.git import Git


def read_objects(git: Git, names: Iterable[str]) -> list[bytes | None]:
    """Return the content of each named object, None for one that is not there.

    A name is anything git resolves to an object, and holds no newline.
    """
    request = "".join(f"{name}\n" for name in names).encode()
    answer = git.run("cat-file", "--batch", stdin=request) if request else b""
    found: list[bytes | None] = []
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        kind, _, size = answer[at:end].rpartition(b" ")
        if kind and size.isdigit():
            at = end + 1 + int(size) + 1
            found.append(answer[end + 1 : at - 1])
        else:
            at = end + 1
            found.append(None)
    return found
