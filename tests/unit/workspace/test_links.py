"""Where a link leads is told by its text."""

import pytest

from codencer.workspace.links import leads_out


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"a", b"b"),
        (b"a", b"./b/c"),
        (b"src/a", b"../lib/b"),
        (b"src/deep/a", b"../../b"),
        (b"a", b"b/.gitignore"),
        (b"a", b"..b"),
        (b"a", b""),
    ],
)
def test_inside(path: bytes, target: bytes) -> None:
    assert not leads_out(path, target)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"a", b"/etc/passwd"),
        (b"a", b".."),
        (b"src/a", b"../../b"),
        (b"src/a", b".././../b"),
        (b"src/a", b"../lib/../../b"),
        (b"src/a", b"lib/../b"),  # lib may be a link itself
        (b"src/a", b"../.git/hidden"),
        (b"a", b".GIT"),
    ],
)
def test_out(path: bytes, target: bytes) -> None:
    assert leads_out(path, target)
