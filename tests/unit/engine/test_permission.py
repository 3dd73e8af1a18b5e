"""What the settings answer in a person's place: by the files that an agent names, wherever links lead."""

from pathlib import Path

import pytest

from codencer.engine.permission import Answer, by_policy, in_scope
from codencer.model.dialogue import Option, OptionKind, PermissionRequest
from codencer.model.step import Approvals
from codencer.model.task import TaskSpec

OPTIONS = (
    Option(id="forever", name="Always", kind=OptionKind.ALLOW_ALWAYS),
    Option(id="once", name="Yes", kind=OptionKind.ALLOW_ONCE),
    Option(id="no", name="No", kind=OptionKind.REJECT_ONCE),
)
ANYTHING = TaskSpec(goal="x")


def request(tool: str, *paths: str, options: tuple[Option, ...] = OPTIONS) -> PermissionRequest:
    return PermissionRequest(key="answer-1", text="x", tool=tool, paths=paths, options=options)


@pytest.mark.parametrize(
    ("approvals", "answer"),
    [
        (Approvals.ALLOW, Answer(option="once")),
        (Approvals.DENY, Answer(option="no")),
        (Approvals.ASK, None),
        (Approvals.SCOPE, None),
    ],
)
def test_a_command_is_answered_as_the_settings_say(
    approvals: Approvals, answer: Answer | None, tmp_path: Path
) -> None:
    assert by_policy(approvals, request("execute", "a.txt"), ANYTHING, tmp_path) == answer


def test_what_is_not_offered_is_refused(tmp_path: Path) -> None:
    for options in ((), OPTIONS[2:]):
        wanted = request("edit", "a.txt", options=options)
        refused = Answer(option="no" if options else None)
        for approvals in (Approvals.ALLOW, Approvals.SCOPE, Approvals.DENY):
            assert by_policy(approvals, wanted, ANYTHING, tmp_path) == refused
    only_for_ever = request("edit", "a.txt", options=OPTIONS[:1])
    assert by_policy(Approvals.SCOPE, only_for_ever, ANYTHING, tmp_path) == Answer(option="forever")


@pytest.mark.parametrize("tool", ["edit", "read", "delete", "move", "search"])
def test_operations_on_files_of_the_workspace_are_in_scope(tool: str, tmp_path: Path) -> None:
    for path in ("a.txt", "deep/er/a.txt", f"{tmp_path}/a.txt", "b/../a.txt"):
        assert by_policy(Approvals.SCOPE, request(tool, path), ANYTHING, tmp_path) == Answer(option="once")


@pytest.mark.parametrize("tool", ["", "other", "fetch", "switch_mode", "Edit"])
def test_other_tools_are_asked_about(tool: str, tmp_path: Path) -> None:
    assert by_policy(Approvals.SCOPE, request(tool, "a.txt"), ANYTHING, tmp_path) is None


def test_scope_is_the_task_s_and_ends_at_the_workspace(tmp_path: Path) -> None:
    workspace, outside = tmp_path / "workspace", tmp_path / "outside"
    for folder in (workspace / "src", outside):
        folder.mkdir(parents=True)
    (workspace / "away").symlink_to(outside)
    (workspace / "src" / "link.txt").symlink_to(outside / "a.txt")
    (workspace / "inside").symlink_to(workspace / "src")
    task = TaskSpec(goal="x", allowed_paths=("src/**", "docs/"), forbidden_paths=("*.key",))

    def allowed(*paths: str) -> bool:
        return in_scope(paths, task, workspace)

    assert allowed("src/a.txt")
    assert allowed("src/a.txt", "docs/b.md", "inside/a.txt")
    for path in (
        "a.txt",
        "src/a.key",
        "away/a.txt",
        "src/link.txt",
        "../outside/a.txt",
        "src/.git/config",
        ".",
    ):
        assert not allowed(path), path
        assert not allowed("src/a.txt", path), path
    assert not allowed(str(outside / "a.txt"))
    assert not allowed()
    assert not in_scope([".git/config"], ANYTHING, workspace)
    by_its_link = tmp_path / "link"
    by_its_link.symlink_to(workspace)
    assert in_scope([str(workspace / "src" / "a.txt")], task, by_its_link)
