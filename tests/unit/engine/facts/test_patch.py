"""Added lines are found by the counts of a hunk, whatever the content of a file looks like."""

import io
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.engine.facts.patch import PIECE_BYTES, Added, TooMuch, added_lines

PATCH = b"""diff --git a/old name b/new name
similarity index 50%
rename from old name
rename to new name
index 1..2 100644
--- a/old name\t
+++ b/new name\t
@@ -1,3 +1,4 @@ def x():
 kept
-gone
+++ b/not/a/header
+@@ -1 +1 @@ not a hunk
 kept
@@ -10 +11 @@
-was
+is
\\ No newline at end of file
diff --git "a/caf\\303\\251" "b/caf\\303\\251"
new file mode 100644
index 0..3
--- /dev/null
+++ "b/caf\\303\\251"
@@ -0,0 +1,2 @@
+one
+
diff --git a/x.bin b/x.bin
index 0..3
GIT binary patch
literal 3
+cmZSX

literal 0
HcmV?d00001

"""


def read(data: bytes, limit: int = 10**9) -> list[tuple[str, int, bytes]]:
    return [(each.path, each.line, each.text) for each in added_lines(io.BytesIO(data), limit)]


def test_every_added_line_with_its_place() -> None:
    assert read(PATCH) == [
        ("new name", 2, b"++ b/not/a/header"),
        ("new name", 3, b"@@ -1 +1 @@ not a hunk"),
        ("new name", 11, b"is"),
        ("café", 1, b"one"),
        ("café", 2, b""),
    ]


def test_a_path_that_is_no_text() -> None:
    patch = b'--- /dev/null\n+++ "b/\\351"\n@@ -0,0 +1 @@\n+x\n'
    assert read(patch) == [('"\\351"', 1, b"x")]


def test_a_long_line_comes_in_pieces_that_overlap() -> None:
    line = bytes(n % 251 + 1 if n % 251 + 1 != 10 else 11 for n in range(PIECE_BYTES * 2 + 5))
    found = list(added_lines(io.BytesIO(b"+++ b/a\n@@ -0,0 +1 @@\n+" + line + b"\n"), 10**9))
    assert [each.line for each in found] == [1, 1, 1]
    assert max(len(each.text) for each in found) <= PIECE_BYTES + 256
    assert all(
        any(line[at : at + 200] in each.text for each in found) for at in range(0, len(line) - 200, 97)
    )


def test_one_that_is_too_long_is_not_read_to_its_end() -> None:
    with pytest.raises(TooMuch):
        read(PATCH, limit=len(PATCH) - 1)
    assert len(read(PATCH, limit=len(PATCH))) == 5
    endless = io.BytesIO(b"+++ b/a\n@@ -0,0 +1 @@\n+" + b"x" * 10_000)
    with pytest.raises(TooMuch):
        list(added_lines(endless, 5000))
    assert endless.tell() <= 5001


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(
        st.sampled_from(["a", "b", "+++ b/x", "--- a/x", "@@ -1 +9 @@", "", "-", "+"]), max_size=8
    ),
    after=st.lists(
        st.sampled_from(["a", "b", "+++ b/y", "--- a/y", "@@ -1 +9 @@", "", "\\", "+"]), max_size=8
    ),
    ends=st.booleans(),
)
def test_it_is_what_git_counts(
    make_repo: Callable[..., Path], tmp_path: Path, before: list[str], after: list[str], ends: bool
) -> None:
    for name, lines in (("before", before), ("after", after)):
        (tmp_path / name).write_text("\n".join(lines) + ("\n" if ends and lines else ""))
    words = ["git", "diff", "--no-index", "--no-color", "--src-prefix=a/", "--dst-prefix=b/"]
    files = [str(tmp_path / name) for name in ("before", "after")]
    patch = subprocess.run([*words, *files], capture_output=True, check=False).stdout
    count = subprocess.run([*words, "--numstat", *files], capture_output=True, check=False).stdout
    expected = int(count.split()[0]) if count else 0
    found = list(added_lines(io.BytesIO(patch), 10**6))
    assert len(found) == expected
    text = (tmp_path / "after").read_bytes().split(b"\n")
    assert [Added(path=each.path, line=each.line, text=text[each.line - 1]) for each in found] == found
