"""Globs agree with git's own matching, on generated globs and paths."""

import subprocess
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codencer.globs import Globs

_SEGMENTS = st.sampled_from(["a", "b", "ab", "*", "?", "a*", "*b", "[ab]", "[!a]b", "a?", "**"])
_PATTERNS = st.tuples(
    st.sampled_from(["", "/"]), st.lists(_SEGMENTS, min_size=1, max_size=3), st.sampled_from(["", "/"])
).map(lambda parts: (parts[0] + "/".join(parts[1]) + parts[2]).replace("**/**", "**").removesuffix("**/"))
_PATHS = ["/".join(parts) for depth in (1, 2, 3) for parts in product(("a", "b", "ab", "c"), repeat=depth)]


@pytest.fixture(scope="module")
def empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("globs")
    subprocess.run(["git", "init", "--quiet", top], check=True)
    return top


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(_PATTERNS.filter(lambda text: bool(text.strip("/"))), min_size=1, max_size=2))
def test_globs_select_what_git_would_ignore(empty_repository: Path, patterns: list[str]) -> None:
    (empty_repository / ".git" / "info" / "exclude").write_text("\n".join(patterns) + "\n")
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=empty_repository,
        input="\n".join(_PATHS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode in (0, 1), asked.stderr
    assert Globs(patterns).select(_PATHS) == asked.stdout.splitlines()
