"""The user documentation agrees with the code: links, fields, settings, verbs and examples."""

import importlib.util
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Literal

import click
import pytest

from codencer.adapters import names
from codencer.cli.main import root
from codencer.config import load
from codencer.config.settings import SETTINGS, FromProject
from codencer.engine.environment import LET_THROUGH, allowed
from codencer.engine.intake.parse import parse
from codencer.engine.intake.submission import Submission
from codencer.locate import find_repository
from codencer.model.attempt import Ending, ErrorKind, FileChange, Provisioning
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.ports import Adapter, Parser
from codencer.model.result import AgentResult, PolicyResult, ResultSpec
from codencer.model.run import RunState
from codencer.model.step import AdapterSettings, StepState
from codencer.model.task import SourceKind, TaskSpec, ValidationSpec
from codencer.model.validation import ValidationResult, ValidationState
from codencer.policy.keys import BLOCKS

TOP = Path(__file__).parents[2]
DOCS = sorted((TOP / "docs").glob("*.md"))
PAGES = [TOP / "README.md", TOP / "CONTRIBUTING.md", *DOCS]

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^][]*\]\(([^()\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
OF_EVERY_VERB = {"--json", "--no-autostart", "--help", "-h"}


def page(name: str) -> str:
    return (TOP / "docs" / name).read_text("utf-8")


def prose(text: str) -> str:
    return FENCE.sub("", text)


def blocks(path: Path, language: str) -> list[str]:
    return [body for _, found, body in FENCE.findall(path.read_text("utf-8")) if found == language]


def section(text: str, heading: str) -> str:
    """The text below a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", prose(text), re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading}"
    return found[1]


def code_words(text: str) -> set[str]:
    return set(CODE.findall(text))


def rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("| `"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            yield [cell.strip() for cell in cells]


def anchors(path: Path) -> set[str]:
    """Anchors as the usual renderers make them of headings."""
    headings = re.findall(r"^#+ (.*)$", prose(path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(prose(path.read_text("utf-8"))):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), f"{path.name} links to {target}"
        assert file.is_relative_to(TOP), f"{path.name} links out of the repository: {target}"
        assert not anchor or anchor in anchors(file), f"{path.name} links to {target}: no such heading"


def test_the_readme_leads_to_every_page() -> None:
    linked = set(LINK.findall((TOP / "README.md").read_text("utf-8")))
    assert {f"docs/{path.name}" for path in DOCS} <= linked


@pytest.mark.parametrize(
    ("kind", "heading"), [(TaskSpec, "Keys of a task"), (ValidationSpec, "Keys of a validation")]
)
def test_every_key_of_a_task_has_its_row(kind: type, heading: str) -> None:
    described = {next(iter(code_words(row[0]))) for row in rows(section(page("tasks.md"), heading))}
    assert described == {each.name for each in fields(kind)}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_key_of_a_policy_has_its_row(block: str) -> None:
    table = {CODE.findall(row[0])[0]: row for row in rows(section(page("policies.md"), f"Keys of `{block}`"))}
    assert set(table) == set(BLOCKS[block])


def test_every_field_of_a_result_is_described() -> None:
    described = code_words(section(page("results.md"), "Fields of a result"))
    for kind in (ResultSpec, PolicyResult, AgentResult, Provisioning, FileChange, ValidationResult):
        missing = {each.name for each in fields(kind)} - described
        assert not missing, f"{kind.__name__}: {missing}"
    assert {each.value for each in ValidationState} <= described


def test_every_state_is_described_and_has_its_exit_code() -> None:
    from codencer.cli.exits import exit_code_for
    from codencer.model.step import SETTLED_STATES

    text = page("results.md")
    table = {CODE.findall(row[0])[0]: row for row in rows(section(text, "States of a step"))}
    assert set(table) == {state.value for state in StepState}
    for state in StepState:
        assert (table[state.value][2] == "yes") is (state in SETTLED_STATES), state
    assert {state.value for state in RunState} <= code_words(section(text, "States of a run"))
    codes: dict[str, int] = {}
    for line in section(text, "Exit codes").splitlines():
        if found := re.match(r"\| (\d+) \|.*\| (.*) \|$", line):
            codes |= {name: int(found[1]) for name in CODE.findall(found[2].partition(";")[0])}
    ends = SETTLED_STATES | {StepState.FAILED_RETRYABLE}
    assert {state: codes.get(state.value) for state in ends} == {
        state: exit_code_for(state.value) for state in ends
    }
    readme: dict[str, int] = {}
    for row in rows(section((TOP / "README.md").read_text("utf-8"), "What a verdict means")):
        readme |= dict.fromkeys(CODE.findall(row[0]), int(row[1]))
    assert readme == {state.value: exit_code_for(state.value) for state in SETTLED_STATES}


def test_every_setting_has_its_row_with_its_variables() -> None:
    table = {CODE.findall(row[0])[0]: row for row in rows(section(page("configuration.md"), "Settings"))}
    assert set(SETTINGS) <= set(table)
    for name, setting in SETTINGS.items():
        row = table[name]
        assert code_words(row[3]) == set(setting.former), name
        if setting.project is FromProject.FREELY:
            assert row[4] == "yes", name
        elif setting.project is FromProject.NEVER:
            assert row[4] == "no", name
        else:
            assert row[4].startswith("`.env`: "), name


def test_adapter_keys_and_the_environment_are_complete() -> None:
    text = page("configuration.md")
    described = code_words(section(text, "Agents of your own"))
    assert {each.name for each in fields(AdapterSettings)} - {"name"} <= described
    seen = code_words(section(text, "What a process gets to see"))
    named = {name for name in seen if re.fullmatch(r"[A-Z_]+|[a-z]+_proxy", name)}
    assert {name for name in named if not name.startswith("CODENCER_")} == LET_THROUGH
    assert "LC_*" in seen
    assert set(allowed(dict.fromkeys((*LET_THROUGH, "LC_ALL", "SECRET", "PORT"), "x"))) == {
        *LET_THROUGH,
        "LC_ALL",
    }


def verbs(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(names), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None, f"{name} cannot be imported"
        yield from verbs(inner, (*names, name))


def test_every_verb_and_option_is_in_the_reference_and_no_other() -> None:
    text = page("cli.md")
    of_tasks = {option for row in rows(section(text, "Work")) for option in CODE.findall(row[0])[:1]}
    of_tasks = {option for option in of_tasks if option.startswith("--")}
    described = {}
    for row in rows(prose(text)):
        usage = CODE.findall(row[0])[0]
        if usage.startswith("codencer "):
            options = code_words(row[1]) | (of_tasks if "*task options*" in row[1] else set())
            described[usage] = options
    actual = {}
    for name, verb in verbs(root, ("codencer",)):
        context = click.Context(verb, info_name=name)
        arguments = [each for each in verb.get_params(context) if isinstance(each, click.Argument)]
        usage = " ".join([name, *(_metavar(each, context) for each in arguments)])
        options = {
            option
            for each in verb.get_params(context)
            if isinstance(each, click.Option)
            for option in (*each.opts, *each.secondary_opts)
        }
        actual[usage] = options - OF_EVERY_VERB
    assert described == actual


COMMANDS = [
    pytest.param(line.strip(), id=f"{path.name}-{line.strip()[:40]}")
    for path in PAGES
    for body in blocks(path, "")
    for line in body.splitlines()
    if re.match(r"\s*(codencer|\./bin/orchestratorctl) ", line)
]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_shown_can_be_given(line: str) -> None:
    command: click.Command = root
    words = shlex.split(line, comments=True)[1:]
    context = root.make_context("codencer", words.copy())
    while isinstance(command, click.Group):
        _, inner, words = command.resolve_command(context, words)
        assert inner is not None
        command = inner
    command.make_context("codencer", words, parent=context)


def test_every_target_shown_is_in_the_makefile() -> None:
    text = (TOP / "README.md").read_text("utf-8") + (TOP / "CONTRIBUTING.md").read_text("utf-8")
    shown = {
        word
        for words in re.findall(r"(?:^|`|PORT=\d+ )make ([a-z][a-z -]*)", text, re.MULTILINE)
        for word in words.split()
    }
    targets = set(re.findall(r"^([\w-]+):", (TOP / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert shown <= targets
    assert {"setup", "build", "demo", "test", "check", "start-sim"} <= shown


def _metavar(argument: click.Argument, context: click.Context) -> str:
    text = argument.make_metavar(context)
    return "SHELL" if text.startswith("{") else text


def intake(text: str, kind: Literal["yaml", "json"]) -> TaskSpec:
    submission = Submission(
        source_kind=SourceKind.TASK_FILE, source_name=f"task.{kind}", format=kind, text=text
    )
    return parse(submission, "a-run")[0]


TASKS = [
    pytest.param(body, kind, id=f"{path.name}-{number}")
    for path in PAGES
    for kind in ("yaml", "json")
    for number, body in enumerate(blocks(path, kind), 1)
]


@pytest.mark.parametrize(("text", "kind"), TASKS)
def test_every_example_of_a_task_is_one(text: str, kind: Literal["yaml", "json"]) -> None:
    assert intake(text, kind).goal


def test_there_are_examples_in_both_formats() -> None:
    assert {"yaml", "json"} <= {str(task.values[1]) for task in TASKS}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(body, id=f"{path.name}-{number}")
        for path in PAGES
        for number, body in enumerate(blocks(path, "toml"), 1)
    ],
)
def test_every_example_of_settings_loads(text: str, tmp_path: Path) -> None:
    for folder in (".git/objects", ".git/refs", ".codencer"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / ".codencer/config.toml").write_text(text)
    config = load(find_repository(tmp_path), environ={"HOME": str(tmp_path)})
    assert all(adapter.settings.command or name in names() for name, adapter in config.adapters.items())


@pytest.fixture
def heron(tmp_path: Path) -> Iterator[ModuleType]:
    """The adapter that docs/adapters.md shows, imported."""
    [source] = blocks(TOP / "docs" / "adapters.md", "python")
    file = tmp_path / "heron.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location("example_heron", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[module.__name__]


def ended(code: int = 0) -> ExitRecord:
    return ExitRecord(reason=ExitReason.EXITED, code=code)


def test_the_example_adapter_reads_its_agent(heron: ModuleType) -> None:
    adapter: Adapter = heron.make("heron", None, None)
    assert "heron" in adapter.probe().problem
    said = [line for line in page("adapters.md").splitlines() if line.startswith('{"type": ')]
    parser: Parser = adapter.parser()
    output = "\n".join(said[:3]).encode() + b"\n"
    assert [event.kind.value for byte in output for event in parser.feed(bytes([byte]))] == [
        "message",
        "file_edit",
        "message",
    ]
    outcome = parser.finish(ended(), None)
    assert (outcome.ending, outcome.summary, outcome.session_id) == (Ending.SUCCEEDED, "Mended.", "h-17")
    assert (outcome.input_tokens, outcome.output_tokens, outcome.cost_microusd) == (812, 90, 4100)


@pytest.mark.parametrize(
    ("output", "code", "ending", "kind"),
    [
        ('{"type": "error", "code": "quota", "text": "No credit left."}', 0, Ending.BROKEN, ErrorKind.QUOTA),
        ('{"type": "end", "ok": false}', 0, Ending.DECLINED, ErrorKind.REFUSED),
        ('{"type": "end", "ok": true}', 3, Ending.BROKEN, ErrorKind.CRASH),
        ("nothing of the kind", 0, Ending.BROKEN, ErrorKind.MALFORMED),
        ('{"type": ["end"], "tokens": {}}', 0, Ending.BROKEN, ErrorKind.MALFORMED),
        ("[" * 100_000, 0, Ending.BROKEN, ErrorKind.MALFORMED),
    ],
)
def test_the_example_adapter_believes_no_exit_code_alone(
    heron: ModuleType, output: str, code: int, ending: Ending, kind: ErrorKind
) -> None:
    parser: Parser = heron.make("heron", None, None).parser()
    parser.feed(output.encode() + b"\n")
    outcome = parser.finish(ended(code), None)
    assert (outcome.ending, outcome.error_kind) == (ending, kind)
