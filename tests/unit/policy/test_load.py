"""Policy files are read strictly: a policy that is silently empty would approve everything."""

import pytest

from codencer.errors import InvalidInput, MalformedInput, NotFound, NotSupported, TooLarge
from codencer.policy import RetryRule, load, names, parse, retry_rule
from codencer.policy.keys import BLOCKS, PLANNED

MINIMAL = "version: v1\nname: mine\ncontinue_when: {}\n"


def test_basic_is_shipped_and_not_empty() -> None:
    policy = load("basic")
    assert names() == ["basic"]
    assert policy.name == "basic"
    assert policy.fail_when == {
        "tests_failed": True,
        "forbidden_paths_touched": True,
        "artifact_persistence_failed": True,
    }
    assert policy.retry_when == {}
    assert policy.gate_when == {
        "snapshot_incomplete": True,
        "protected_paths_changed": True,
        "paths_outside_scope": True,
        "processes_left": True,
    }
    assert policy.continue_when == {}
    assert len(policy.digest) == 64


@pytest.mark.parametrize("name", ["strict", "", "basic.yaml", "../basic", "Basic"])
def test_an_unknown_name_lists_what_there_is(name: str) -> None:
    with pytest.raises(NotFound, match="available: basic"):
        load(name)


def test_the_digest_is_of_the_content_not_of_its_spelling() -> None:
    one = parse(MINIMAL + "gate_when: {no_changes: true, changed_files_over: 3}\n", "a.yaml")
    same = parse(
        "# a note\n" + MINIMAL + "gate_when:\n  changed_files_over: 3\n  no_changes: yes\n", "b.yaml"
    )
    other = parse(MINIMAL + "gate_when: {no_changes: true, changed_files_over: 4}\n", "a.yaml")
    assert one.digest == same.digest
    assert one.digest != other.digest


def test_how_to_retry() -> None:
    text = MINIMAL + "retry_when: {adapter_process_failed: true, max_attempts: 3, backoff_seconds: 2}\n"
    assert retry_rule(parse(text, "p.yaml")) == RetryRule(max_attempts=3, backoff_seconds=2)
    rest = "retry_when: {timeout_once: true, next_adapter: true, from: snapshot, max_attempts: null}\n"
    assert retry_rule(parse(MINIMAL + rest, "p.yaml")) == RetryRule(next_adapter=True, from_snapshot=True)
    assert retry_rule(parse(MINIMAL, "p.yaml")) == RetryRule()


def test_values() -> None:
    policy = parse(MINIMAL + "gate_when: {no_changes: null, changed_files_over: 0}\n", "p.yaml")
    assert policy.gate_when == {"no_changes": None, "changed_files_over": 0}


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ("gate_whn: {}\n", "p.yaml, line 4: unknown key 'gate_whn'"),
        ("name: again\n", "p.yaml, line 4: 'name' is repeated"),
        ("gate_when:\n  no_changes: true\n  no_changes: false\n", "line 6: 'no_changes' is repeated"),
        ("gate_when:\n  no_change: true\n", "line 5: gate_when.no_change is not a key of gate_when; known: "),
        ("fail_when:\n  no_changes: true\n", "line 5: fail_when.no_changes is not a key of fail_when"),
        ("gate_when: {no_changes: 1}\n", "gate_when.no_changes must be true or false"),
        ('gate_when: {no_changes: "true"}\n', "must be true or false"),
        ("gate_when: {no_changes: [true]}\n", "must be true or false"),
        ("gate_when: {changed_files_over: true}\n", "must be a whole number, 0 or more"),
        ("gate_when: {changed_files_over: -1}\n", "must be a whole number, 0 or more"),
        ("gate_when: {changed_files_over: 1.5}\n", "must be a whole number, 0 or more"),
        ("gate_when: {changed_files_over: !!int x}\n", "must be a whole number, 0 or more"),
        ("gate_when: {no_changes: !!bool x}\n", "must be true or false"),
        ("gate_when: {changed_files_over: !!int ''}\n", "must be a whole number, 0 or more"),
        ("gate_when: {changed_files_over: !!timestamp x}\n", "must be a whole number, 0 or more"),
        ("retry_when: {timeout_once: true, max_attempts: 0}\n", "must be a whole number, 1 to 20"),
        ("retry_when: {timeout_once: true, max_attempts: 21}\n", "must be a whole number, 1 to 20"),
        ("retry_when: {timeout_once: true, backoff_seconds: 86401}\n", "seconds, 0 to 86400"),
        ("retry_when: {timeout_once: true, from: here}\n", "retry_when.from must be base or snapshot"),
        ("retry_when: {timeout_once: true, from: [base]}\n", "retry_when.from must be base or snapshot"),
        (
            "retry_when:\n  max_attempts: 3\n",
            "line 5: retry_when has no reason in it, one of adapter_process",
        ),
        ("gate_when: []\n", "line 4: gate_when must be a mapping"),
        ("gate_when:\n", "gate_when must be a mapping"),
        ("? [a]\n: b\n", "line 4: expected a text"),
        ("1: b\n", "line 4: expected a text"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(extra: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(MINIMAL + extra, "p.yaml")
    assert problem in str(caught.value)
    assert not isinstance(caught.value, NotSupported)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be a mapping"),
        ("[]", "must be a mapping"),
        ("name: a\ncontinue_when: {}\n", "version is missing"),
        ("version: v1\ncontinue_when: {}\n", "name is missing"),
        ("version: v1\nname: a\n", "continue_when is missing"),
        ("version: v2\nname: a\ncontinue_when: {}\n", "line 1: version must be v1"),
        ("version: 1\nname: a\ncontinue_when: {}\n", "line 1: expected a text"),
        ('version: v1\nname: " "\ncontinue_when: {}\n', "line 2: expected a text"),
    ],
)
def test_what_must_be_there(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        parse(text, "p.yaml")


@pytest.mark.parametrize(
    ("block", "key"), [(block, key) for block in PLANNED for key in sorted(PLANNED[block])]
)
def test_a_key_that_nothing_enforces_yet_is_refused_by_name(block: str, key: str) -> None:
    text = f"version: v1\nname: a\n{block}: {{{key}: true}}\n"
    if block != "continue_when":
        text += "continue_when: {}\n"
    with pytest.raises(NotSupported, match=rf"line 3: {block}\.{key} is not enforced by this version"):
        parse(text, "p.yaml")


def test_no_key_is_both_enforced_and_planned() -> None:
    assert BLOCKS.keys() == PLANNED.keys()
    for block, keys in BLOCKS.items():
        assert not keys.keys() & PLANNED[block]


@pytest.mark.parametrize("text", ["a: [", "a: *nobody", "\t- x", "a: b: c", "a: 1\n--- \nb: 2", "\0"])
def test_what_is_not_yaml_is_malformed(text: str) -> None:
    with pytest.raises(MalformedInput, match=r"p\.yaml is not readable YAML"):
        parse(text, "p.yaml")


def test_size_and_depth_are_bounded() -> None:
    with pytest.raises(TooLarge):
        parse("#" * (64 * 1024 + 1), "p.yaml")
    with pytest.raises(InvalidInput):
        parse("[" * 60_000, "p.yaml")


def test_no_object_is_built_from_a_tag() -> None:
    with pytest.raises(InvalidInput):
        parse(MINIMAL + "gate_when: {no_changes: !!python/object/apply:os.getpid []}\n", "p.yaml")
    with pytest.raises(InvalidInput):
        parse(MINIMAL + "gate_when: {no_changes: !!python/name:os.getpid ''}\n", "p.yaml")
