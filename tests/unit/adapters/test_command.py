"""A command of the user's own: how it is started, and what its end means."""

from pathlib import Path

import pytest

from codencer.adapters import load, names
from codencer.adapters.command import MAX_ARGUMENT_BYTES
from codencer.errors import InvalidInput, NotFound
from codencer.model.attempt import AgentEventKind, AgentOutcome, Ending, ErrorKind
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Assignment
from codencer.model.step import AdapterSettings, PromptChannel
from codencer.model.task import TaskSpec

FIXER = AdapterSettings(
    name="fixer", command=("./tools/fixer", "--yes"), env=("FIXER_TOKEN",), success_exit_codes=(0, 3)
)


def assignment(prompt: str) -> Assignment:
    return Assignment(
        task=TaskSpec(goal=prompt),
        prompt=prompt,
        workspace=Path("/w"),
        task_file=Path("/f/task.json"),
        prompt_file=Path("/f/prompt.txt"),
        result_file=Path("/f/result.json"),
        report_file=Path("/f/report.json"),
    )


def with_prompt(channel: PromptChannel, *command: str) -> AdapterSettings:
    return AdapterSettings(name="fixer", command=command or ("fixer",), prompt=channel)


class TestRegistry:
    def test_simulation_is_built_in(self) -> None:
        assert "simulation" in names()
        assert load("simulation", None).settings == AdapterSettings(name="simulation")

    def test_a_table_with_a_command_is_an_adapter(self) -> None:
        assert load("fixer", FIXER).settings == FIXER

    @pytest.mark.parametrize("settings", [None, AdapterSettings(name="fixer")])
    def test_an_unknown_name_says_what_there_is(self, settings: AdapterSettings | None) -> None:
        with pytest.raises(NotFound, match=r"no adapter 'fixer'; built in: .*simulation.*\[adapters.fixer\]"):
            load("fixer", settings)

    def test_an_empty_program_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="has no command"):
            load("fixer", AdapterSettings(name="fixer", command=("",)))

    def test_a_built_in_name_cannot_be_taken_over(self) -> None:
        with pytest.raises(InvalidInput, match="built in: choose another name"):
            load("simulation", AdapterSettings(name="simulation", command=("evil",)))


class TestLaunch:
    def test_stdin_is_the_default(self) -> None:
        launch = load("fixer", FIXER).launch(assignment("do ä"))
        assert launch.argv == ("./tools/fixer", "--yes")
        assert launch.stdin == "do ä".encode()
        assert launch.env_names == ("FIXER_TOKEN",)
        assert launch.env == {}
        assert launch.success_exit_codes == (0, 3)

    def test_argv_puts_the_prompt_last_and_adds_nothing(self) -> None:
        launch = load("fixer", with_prompt(PromptChannel.ARGV, "fixer", "-p")).launch(assignment("do it"))
        assert launch.argv == ("fixer", "-p", "do it")
        assert launch.stdin == b""

    def test_file_appends_its_path(self) -> None:
        launch = load("fixer", with_prompt(PromptChannel.FILE)).launch(assignment("do it"))
        assert launch.argv == ("fixer", "/f/prompt.txt")
        assert launch.stdin == b""

    @pytest.mark.parametrize(
        ("prompt", "problem"),
        [
            ("x" * (MAX_ARGUMENT_BYTES + 1), "longer than the 131071 bytes"),
            ("ä" * 65536, "longer than the 131071 bytes"),
            ("a\0b", "zero byte"),
            ("--version", "starts with '-'"),
        ],
    )
    def test_argv_refuses_what_an_argument_cannot_be(self, prompt: str, problem: str) -> None:
        with pytest.raises(InvalidInput, match=f'{problem}.*prompt = "stdin" or "file"'):
            load("fixer", with_prompt(PromptChannel.ARGV)).launch(assignment(prompt))

    def test_a_dash_is_fine_after_two_dashes(self) -> None:
        adapter = load("fixer", with_prompt(PromptChannel.ARGV, "fixer", "--"))
        assert adapter.launch(assignment("--version")).argv == ("fixer", "--", "--version")

    def test_the_longest_argument_is_accepted(self) -> None:
        prompt = "x" * MAX_ARGUMENT_BYTES
        assert load("fixer", with_prompt(PromptChannel.ARGV)).launch(assignment(prompt)).argv[-1] == prompt


class TestProbe:
    def test_a_relative_program_is_looked_for_in_the_checkout(self, tmp_path: Path) -> None:
        adapter = load("fixer", FIXER, checkout=tmp_path)
        missing = adapter.probe()
        assert not missing.installed
        assert f"{tmp_path}/tools/fixer" in missing.problem
        assert "committed and executable" in missing.problem
        program = tmp_path / "tools" / "fixer"
        program.parent.mkdir()
        program.touch()
        assert not adapter.probe().installed
        program.chmod(0o755)
        assert adapter.probe().installed

    def test_a_folder_is_no_program(self, tmp_path: Path) -> None:
        (tmp_path / "tools" / "fixer").mkdir(parents=True)
        assert not load("fixer", FIXER, checkout=tmp_path).probe().installed

    def test_a_bare_name_is_looked_for_on_the_path(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert load("fixer", with_prompt(PromptChannel.STDIN, "sh")).probe().installed
        monkeypatch.setenv("PATH", "/nonexistent")
        probe = load("fixer", with_prompt(PromptChannel.STDIN, "sh")).probe()
        assert not probe.installed
        assert "'sh' was not found on PATH" in probe.problem

    def test_an_absolute_path_needs_no_checkout(self) -> None:
        assert load("fixer", with_prompt(PromptChannel.STDIN, "/bin/sh")).probe().installed
        assert not load("fixer", with_prompt(PromptChannel.STDIN, "/no/such")).probe().installed

    def test_without_a_checkout_a_relative_program_is_not_judged(self) -> None:
        assert load("fixer", FIXER).probe().installed


def finish(exit: ExitRecord | None, *, output: bytes = b"", fragment: bytes | None = None) -> AgentOutcome:
    parser = load("fixer", FIXER).parser()
    parser.feed(output)
    return parser.finish(exit, fragment)


def ended(code: int) -> ExitRecord:
    return ExitRecord(reason=ExitReason.EXITED, code=code)


ENDINGS = [
    (ended(0), Ending.SUCCEEDED, ErrorKind.NONE, ""),
    (ended(3), Ending.SUCCEEDED, ErrorKind.NONE, ""),
    (ended(1), Ending.BROKEN, ErrorKind.CRASH, "fixer exited with code 1"),
    (ExitRecord(reason=ExitReason.EXITED, signal=9), Ending.BROKEN, ErrorKind.CRASH, "killed by signal 9"),
    (
        ExitRecord(reason=ExitReason.TIMEOUT, signal=15, duration_us=2_500_000),
        Ending.TIMED_OUT,
        ErrorKind.LIMIT,
        "fixer was stopped at its time limit, after 2.5 s",
    ),
    # A program that ends well only because it was told to stop has not succeeded.
    (ExitRecord(reason=ExitReason.TIMEOUT, code=0), Ending.TIMED_OUT, ErrorKind.LIMIT, "time limit"),
    (
        ExitRecord(reason=ExitReason.IDLE_TIMEOUT, code=0),
        Ending.TIMED_OUT,
        ErrorKind.LIMIT,
        "printed nothing",
    ),
    (ExitRecord(reason=ExitReason.OUTPUT_LIMIT, code=0), Ending.BROKEN, ErrorKind.LIMIT, "max_output_bytes"),
    (ExitRecord(reason=ExitReason.MEMORY_LIMIT, code=0), Ending.BROKEN, ErrorKind.LIMIT, "memory_cap_mb"),
    (ExitRecord(reason=ExitReason.STOPPED, code=0), Ending.INTERRUPTED, ErrorKind.NONE, "from outside"),
    (
        ExitRecord(reason=ExitReason.NOT_STARTED, error="No such file"),
        Ending.BROKEN,
        ErrorKind.CRASH,
        "could not be started: No such file. Check that ./tools/fixer exists",
    ),
    (None, Ending.INTERRUPTED, ErrorKind.NONE, "nobody recorded how fixer ended"),
]


class TestEnding:
    @pytest.mark.parametrize(("exit", "ending", "kind", "error"), ENDINGS)
    def test_the_table(self, exit: ExitRecord | None, ending: Ending, kind: ErrorKind, error: str) -> None:
        outcome = finish(exit)
        assert (outcome.ending, outcome.error_kind) == (ending, kind)
        assert error in outcome.error
        assert bool(outcome.error) is (ending is not Ending.SUCCEEDED)

    @pytest.mark.parametrize("exit", [each[0] for each in ENDINGS if each[1] is not Ending.SUCCEEDED])
    def test_no_claim_of_the_agent_makes_another_ending_good(self, exit: ExitRecord | None) -> None:
        claim = (
            b'{"summary": "all done", "needs_human_decision": false, "state": "completed", "exit_code": 0}'
        )
        assert finish(exit, output=b"SUCCESS\n", fragment=claim).ending is not Ending.SUCCEEDED

    def test_every_reason_has_an_ending(self) -> None:
        for reason in ExitReason:
            finish(ExitRecord(reason=reason))

    def test_asking_for_a_decision_is_declining(self) -> None:
        fragment = b'{"questions": ["which database?"], "needs_human_decision": true}'
        for code in (0, 1):
            outcome = finish(ended(code), fragment=fragment)
            assert outcome.ending is Ending.DECLINED
            assert outcome.error == "fixer wants a person to decide: which database?"
            assert outcome.questions == ("which database?",)
            assert outcome.needs_human_decision

    def test_a_question_alone_is_only_passed_on(self) -> None:
        outcome = finish(ended(0), fragment=b'{"questions": ["ok?"], "warnings": ["w"]}')
        assert outcome.ending is Ending.SUCCEEDED
        assert (outcome.questions, outcome.warnings) == (("ok?",), ("w",))

    def test_a_broken_fragment_is_a_warning(self) -> None:
        outcome = finish(ended(0), fragment=b"{")
        assert outcome.ending is Ending.SUCCEEDED
        assert "not readable JSON" in outcome.warnings[0]


class TestOutput:
    def test_each_line_is_a_message(self) -> None:
        events = load("fixer", FIXER).parser().feed(b"one\n\ntwo\nthree")
        assert [(each.kind, each.text) for each in events] == [
            (AgentEventKind.MESSAGE, "one"),
            (AgentEventKind.MESSAGE, "two"),
        ]

    def test_the_summary_is_the_last_line_unless_the_fragment_has_one(self) -> None:
        output = b"one\nlast words\n\n  \n"
        assert finish(ended(0), output=output).summary == "last words"
        assert finish(ended(0), output=output + b"no newline").summary == "no newline"
        assert finish(ended(0), output=output, fragment=b'{"summary": "mine"}').summary == "mine"
        assert finish(ended(0)).summary == ""

    def test_the_summary_is_bounded(self) -> None:
        assert len(finish(ended(0), output=b"x" * 1_000_000).summary) == 500
