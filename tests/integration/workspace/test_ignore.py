"""The combined ignore file hides exactly what git hides with the base's own files in place."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codencer.workspace.git import Git, open_store
from codencer.workspace.ignore import combined_rules

FOLDERS = ["a", "b", "a b", "x[1]", "st*r", "back\\slash", "new\nline", "#d", "!d"]
FILES = ["f", "g.o", "f.log", "keep", "-x", "#h", "!n", "sp ", "q?"]
names = st.sampled_from([*FOLDERS, *FILES])
globs = st.sampled_from(
    ["*", "*.o", "f*", "?", "[ab]", "**", "a b", "keep", "f.log", "sp\\ ", "sp ", "\\#h", "\\!n", "st\\*r"]
)
segments = st.one_of(names, globs)
patterns = st.builds(
    lambda negated, rooted, parts, folder, end: negated + rooted + "/".join(parts) + folder + end,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/", "**/"]),
    st.lists(segments, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/**"]),
    st.sampled_from(["", "", " ", "\r", "\\ ", "\\"]),
).filter(lambda line: "\n" not in line)
lines = st.one_of(patterns, st.sampled_from(["", "# comment", "/", "!", "!/", "//", " ", "\\"]))
rule_files = st.lists(lines, max_size=4).map(lambda each: "\n".join(each).encode())
places = st.lists(st.sampled_from(FOLDERS), max_size=2).map("/".join)


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Git:
    """Git on a tree of untracked files, in which only the ignore files change."""
    top = tmp_path_factory.mktemp("arena")
    (top / "common/objects").mkdir(parents=True)
    (top / "common/config").write_text("")
    for first in ["", *FOLDERS]:
        for second in ["", "a", "x[1]", "new\nline"]:
            folder = top / "tree" / first / second
            folder.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                (folder / name).touch()
    return Git(open_store(top / "common", top / "state"), work_tree=top / "tree", index=top / "no-index")


@settings(max_examples=60)
@given(user=rule_files, ignores=st.dictionaries(places, rule_files, max_size=3))
def test_git_hides_the_same_either_way(arena: Git, user: bytes, ignores: dict[str, bytes]) -> None:
    assert arena.work_tree is not None
    with tempfile.TemporaryDirectory() as folder:
        given_rules, combined = Path(folder, "user"), Path(folder, "combined")
        given_rules.write_bytes(user)
        combined.write_bytes(
            combined_rules(user, {os.fsencode(each): text for each, text in ignores.items()})
        )
        written = [arena.work_tree / place / ".gitignore" for place in ignores]
        for path, content in zip(written, ignores.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        standard = ("-c", f"core.excludesFile={given_rules}", "ls-files", "-z", "-o", "--exclude-standard")
        try:
            expected = arena.run(*standard)
            assert arena.run("ls-files", "-z", "-o", f"--exclude-from={combined}") == expected
        finally:
            for path in written:
                path.unlink()
