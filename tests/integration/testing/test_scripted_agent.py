"""The scripted agent does what its directives say, as a real program in a real folder."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Act = Callable[..., Any]


class TestFiles:
    def test_write_append_replace(self, act: Act, workspace: Path) -> None:
        ran = act(
            'write docs/a.txt "one\\ntwo"',
            "append docs/a.txt three words  here",
            'replace docs/a.txt "two\\n" "2\\n"',
        )
        assert (ran.code, ran.stderr) == (0, "")
        assert (workspace / "docs/a.txt").read_text() == "one\n2\nthree words here\n"
        assert ran.stdout == "wrote docs/a.txt\nappended to docs/a.txt\nedited docs/a.txt\n"

    def test_a_backslash_can_be_written(self, act: Act, workspace: Path) -> None:
        act(r"write a.txt 'C:\\new\ttab'")
        assert (workspace / "a.txt").read_text() == "C:\\new\ttab\n"

    def test_an_empty_file(self, act: Act, workspace: Path) -> None:
        assert act("write empty").code == 0
        assert (workspace / "empty").read_bytes() == b""

    @pytest.mark.parametrize("content", ["nothing", "old old"])
    def test_replace_wants_the_text_exactly_once(self, act: Act, workspace: Path, content: str) -> None:
        (workspace / "a").write_text(content)
        ran = act("replace a old new")
        assert ran.code == 65
        assert "it must be there once" in ran.stderr
        assert (workspace / "a").read_text() == content

    def test_delete_chmod_symlink(self, act: Act, workspace: Path) -> None:
        (workspace / "file").touch()
        (workspace / "folder").mkdir()
        (workspace / "folder" / "inner").touch()
        (workspace / "tool").touch()
        ran = act("delete file", "delete folder", "chmod 755 tool", "symlink links/l ../tool")
        assert ran.code == 0
        assert sorted(path.name for path in workspace.iterdir()) == ["links", "tool"]
        assert stat.S_IMODE((workspace / "tool").stat().st_mode) == 0o755
        assert os.readlink(workspace / "links/l") == "../tool"

    def test_deleting_a_link_leaves_its_target(self, act: Act, workspace: Path) -> None:
        (workspace / "folder").mkdir()
        (workspace / "l").symlink_to("folder")
        assert act("delete l").code == 0
        assert (workspace / "folder").is_dir()

    @pytest.mark.parametrize(
        "directive",
        ["delete nothing", "replace nothing a b", "chmod 9z a", "sleep soon", "crash NOSUCH", "flood x"],
    )
    def test_what_cannot_be_done_ends_the_script(self, act: Act, workspace: Path, directive: str) -> None:
        ran = act(directive, "write after x")
        assert ran.code == 65
        assert "scripted agent: could not do" in ran.stderr
        assert not (workspace / "after").exists()


class TestPrograms:
    def test_run_gives_the_rest_of_the_line_to_the_shell(self, act: Act, workspace: Path) -> None:
        ran = act("run printf '%s|' 'a  b' c > out", 'run "echo quoted whole"')
        assert ran.code == 0
        assert (workspace / "out").read_text() == "a  b|c|"
        assert ran.stdout == "quoted whole\n"

    def test_a_command_that_fails_ends_the_script_with_its_code(self, act: Act) -> None:
        assert act("run exit 7").code == 7
        assert act("run kill -KILL $$").code == 137

    def test_commit_is_a_real_commit(self, act: Act, make_repo: Callable[..., Path]) -> None:
        repository = make_repo()
        ran = act("write new.txt x", "commit A real commit", cwd=repository)
        assert ran.code == 0
        shown = subprocess.run(
            ["git", "show", "--stat", "--format=%an|%s"],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Scripted Agent|A real commit" in shown.stdout
        assert "new.txt" in shown.stdout

    def test_commit_outside_a_repository_fails(self, act: Act) -> None:
        assert act("commit nothing").code == 65


class TestWords:
    def test_say(self, act: Act) -> None:
        assert act("say one", 'say "two  words"', "say").stdout == "one\ntwo  words\n\n"

    def test_ask_and_warn_write_the_fragment(self, act: Act) -> None:
        ran = act("warn careful", "ask which one?", 'ask "and  why?"')
        assert ran.code == 0
        assert json.loads(ran.fragment) == {
            "warnings": ["careful"],
            "questions": ["which one?", "and  why?"],
            "needs_human_decision": True,
        }
        assert "I have a question: which one?" in ran.stdout

    def test_a_warning_needs_no_decision(self, act: Act) -> None:
        assert json.loads(act("warn careful").fragment)["needs_human_decision"] is False

    def test_a_fragment_survives_a_crash(self, act: Act) -> None:
        ran = act("ask why?", "crash")
        assert ran.code == -signal.SIGKILL
        assert json.loads(ran.fragment)["questions"] == ["why?"]

    @pytest.mark.parametrize("text", ['{"summary": "my own"}', '{"a":1}', "{broken"])
    def test_fragment_writes_anything(self, act: Act, text: str) -> None:
        assert act(f"fragment {text}").fragment.decode() == text
        assert act(f"fragment '{text}'").fragment.decode() == text


class TestEndings:
    def test_fail(self, act: Act) -> None:
        assert act("fail").code == 1
        assert act("fail 42", "say never").code == 42

    def test_crash(self, act: Act) -> None:
        assert act("crash").code == -signal.SIGKILL
        assert act("crash term").code == -signal.SIGTERM

    def test_flood(self, act: Act) -> None:
        assert len(act("flood 1000").stdout) == 1000
        ran = act("flood 200K")
        assert len(ran.stdout) == 200 * 1024
        assert max(map(len, ran.stdout.splitlines())) < 80
        assert len(act("flood 2m", "say end").stdout) == 2 * 1024**2 + 4

    def test_sleep_goes_on_afterwards(self, act: Act) -> None:
        assert act("sleep 0.01", "say awake").stdout == "awake\n"

    def test_hang_ends_on_a_signal(self, command: tuple[str, ...]) -> None:
        with running(command, "hang") as process:
            assert process.stdout.readline() == b"hanging\n"
            process.terminate()
            assert process.wait(10) == -signal.SIGTERM

    def test_ignore_term_leaves_only_the_hard_way(self, command: tuple[str, ...]) -> None:
        with running(command, "ignore-term\nhang") as process:
            assert process.stdout.readline() == b"ignoring polite signals\n"
            assert process.stdout.readline() == b"hanging\n"
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                process.send_signal(number)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.2)

    def test_child_leaves_a_process_in_a_session_of_its_own(self, command: tuple[str, ...]) -> None:
        with running(command, "child") as process:
            pid = int(process.stdout.readline().split()[2])
            try:
                assert process.wait(10) == 0
                os.kill(pid, 0)
                assert os.getsid(pid) == pid
                assert os.getsid(pid) != os.getsid(0)
            finally:
                os.kill(pid, signal.SIGKILL)


class TestScript:
    @pytest.mark.parametrize(
        ("directive", "problem"),
        [
            ("fly away", "unknown directive 'fly'; known: write, append"),
            ("", "unknown directive ''"),
            ("delete", "wrong number of arguments in 'delete'; expected: delete PATH"),
            ("delete a b", "wrong number of arguments"),
            ("run", "expected: run COMMAND"),
            ("write a 'open", "cannot be split into words"),
        ],
    )
    def test_a_wrong_directive_is_found_before_anything_is_done(
        self, act: Act, workspace: Path, directive: str, problem: str
    ) -> None:
        ran = act("write a b", directive)
        assert ran.code == 64
        assert problem in ran.stderr
        assert list(workspace.iterdir()) == []

    def test_directives_are_lines_of_the_goal(self, act: Act, workspace: Path) -> None:
        ran = act(goal="Please mend it.\n  simulate: write a b\nDo not simulate: delete a\n")
        assert ran.stdout == "wrote a\n"
        assert (workspace / "a").exists()

    def test_without_directives_it_still_makes_an_edit(self, act: Act, workspace: Path) -> None:
        first = act(goal="\n  Mend the \\new pager\nplease")
        assert (first.code, first.stdout) == (0, "appended to SIMULATION.md\n")
        act(goal="whatever", title="A title")
        assert (workspace / "SIMULATION.md").read_text() == "- Mend the \\new pager\n- A title\n"

    def test_the_environment_replaces_the_goals_directives(self, act: Act, workspace: Path) -> None:
        ran = act("write a b", behaviour="say one\n\n simulate: say two\n")
        assert ran.stdout == "one\ntwo\n"
        assert list(workspace.iterdir()) == []

    def test_an_empty_environment_variable_is_none(self, act: Act) -> None:
        assert act("say x", behaviour=" ").stdout == "x\n"

    def test_without_a_task_file_the_prompt_is_read(self, act: Act) -> None:
        assert act(stdin="# T\n\n## Goal\n\nsimulate: say from stdin\n").stdout == "from stdin\n"

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
    def test_a_task_that_cannot_be_read(self, command: tuple[str, ...], tmp_path: Path, content: str) -> None:
        (tmp_path / "t").write_text(content)
        environment = {**os.environ, "CODENCER_TASK_FILE": str(tmp_path / "t")}
        done = subprocess.run(
            command, check=False, cwd=tmp_path, env=environment, capture_output=True, timeout=30
        )
        assert done.returncode == 66
        assert b"no readable task" in done.stderr

    def test_it_needs_nothing_but_itself(self, command: tuple[str, ...], tmp_path: Path) -> None:
        alone = tmp_path / "agent.py"
        alone.write_bytes(Path(command[-1]).read_bytes())
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(alone)],
            check=False,
            cwd=tmp_path,
            env={"CODENCER_SCRIPT": "say ä"},
            capture_output=True,
            timeout=30,
        )
        assert done.stdout.decode() == "ä\n"


@contextmanager
def running(command: tuple[str, ...], behaviour: str) -> Iterator[Any]:
    """The agent under way, killed at the end whatever happens."""
    environment = {**os.environ, "CODENCER_SCRIPT": behaviour}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()
