"""Policy files are read strictly: a policy that is silently empty would approve everything."""

import hashlib

import pytest

from codencer.errors import InvalidInput, MalformedInput, NotFound, TooLarge
from codencer.policy import Problem, RetryRule, check, content, load, names, parse, retry_rule
from codencer.policy.keys import BLOCKS

MINIMAL = "version: v1\nname: mine\ncontinue_when: {}\n"


def test_basic_is_shipped_and_not_empty() -> None:
    policy = load("basic")
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


def test_each_shipped_bundle_is_readable_says_its_name_and_stops_where_it_must() -> None:
    assert names() == ["basic", "default_safe_refactor", "docs_only", "permissive", "strict"]
    for name in names():
        policy = load(name)
        assert policy.name == name
        assert {"tests_failed", "forbidden_paths_touched", "artifact_persistence_failed"} <= {
            key for key, value in policy.fail_when.items() if value is True
        }
        assert {"snapshot_incomplete", "processes_left"} <= policy.gate_when.keys()


@pytest.mark.parametrize("name", ["lenient", "", "basic.yaml", "../basic", "Basic"])
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
    assert hashlib.sha256(content(one)).hexdigest() == one.digest, "what is kept as evidence can be checked"


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
        ("gate_whn: {}\n", "p.yaml:4: unknown key 'gate_whn'"),
        ("name: again\n", "p.yaml:4: 'name' is repeated"),
        ("gate_when:\n  no_changes: true\n  no_changes: false\n", "p.yaml:6: 'no_changes' is repeated"),
        (
            "gate_when:\n  no_change: true\n",
            "p.yaml:5: gate_when.no_change is not a key of gate_when; known: ",
        ),
        ("fail_when:\n  no_changes: true\n", "p.yaml:5: fail_when.no_changes is not a key of fail_when"),
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
            "p.yaml:5: retry_when has no reason in it, one of adapter_process",
        ),
        ("gate_when: []\n", "p.yaml:4: gate_when must be a mapping"),
        ("gate_when:\n", "gate_when must be a mapping"),
        ("? [a]\n: b\n", "p.yaml:4: expected a text"),
        ("1: b\n", "p.yaml:4: expected a text"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(extra: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(MINIMAL + extra, "p.yaml")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be a mapping"),
        ("[]", "must be a mapping"),
        ("name: a\ncontinue_when: {}\n", "version is missing"),
        ("version: v1\ncontinue_when: {}\n", "name is missing"),
        ("version: v1\nname: a\n", "continue_when is missing"),
        ("version: v2\nname: a\ncontinue_when: {}\n", "p.yaml:1: version must be v1"),
        ("version: 1\nname: a\ncontinue_when: {}\n", "p.yaml:1: expected a text"),
        ('version: v1\nname: " "\ncontinue_when: {}\n', "p.yaml:2: expected a text"),
    ],
)
def test_what_must_be_there(text: str, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem):
        parse(text, "p.yaml")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    text = "version: v2\nnmae: x\ngate_when:\n  no_change: true\n  paths: []\ncontinue_when: {}\n"
    policy, problems = check(text, "p.yaml")
    assert policy is None
    assert [(each.line, each.problem.split(";")[0][:40]) for each in problems] == [
        (2, "unknown key 'nmae'"),
        (1, "name is missing"),
        (1, "version must be v1"),
        (4, "gate_when.no_change is not a key of gate"),
        (5, "gate_when.paths must be a list of 1 to 2"),
    ]
    assert check(MINIMAL, "p.yaml")[1] == []
    many = "gate_when:\n" + "".join(f"  k{n}: true\n" for n in range(500))
    assert len(check(MINIMAL + many, "p.yaml")[1]) == 100
    assert isinstance(problems[0], Problem)


def test_money_and_globs_are_kept_as_they_were_meant() -> None:
    text = MINIMAL + "fail_when: {cost_usd_over: 2.50}\ngate_when: {paths: ['*.sql', '!/docs/']}\n"
    policy = parse(text, "p.yaml")
    assert policy.fail_when == {"cost_usd_over": "2.5"}
    assert policy.gate_when == {"paths": ["*.sql", "!/docs/"]}
    assert parse(MINIMAL + "fail_when: {cost_usd_over: 3}\n", "p").fail_when == {"cost_usd_over": "3"}
    assert parse(MINIMAL + "fail_when: {cost_usd_over: null}\n", "p").fail_when == {"cost_usd_over": None}
    assert parse(MINIMAL + "fail_when: {cost_usd_over: 0.000001}\n", "p").fail_when == {
        "cost_usd_over": "0.000001"
    }


@pytest.mark.parametrize(
    "value", ["-1", ".inf", ".nan", "1e3", "0.0000001", "'2'", "true", "[2]", "1_000", "99999999999"]
)
def test_what_is_no_money(value: str) -> None:
    with pytest.raises(InvalidInput, match="must be an amount in US dollars"):
        parse(MINIMAL + f"fail_when: {{cost_usd_over: {value}}}\n", "p.yaml")


@pytest.mark.parametrize(
    ("value", "more"),
    [
        ("[]", ""),
        ("'*.sql'", ""),
        ("[1]", ""),
        ("[[a]]", ""),
        ("true", ""),
        ("['a[b']", "The glob 'a\\[b' cannot be used"),
        ("[' ']", "it is blank"),
        (str(["a"] * 201), ""),
    ],
)
def test_what_are_no_globs(value: str, more: str) -> None:
    with pytest.raises(InvalidInput, match=f"must be a list of 1 to 200 gitignore-style globs.*{more}"):
        parse(MINIMAL + f"gate_when: {{paths: {value}}}\n", "p.yaml")


def test_every_key_can_be_switched_off() -> None:
    for block, keys in BLOCKS.items():
        text = "".join(f"  {key}: null\n" for key in keys)
        minimal = MINIMAL.replace("continue_when: {}\n", "") if block == "continue_when" else MINIMAL
        assert set(getattr(parse(f"{minimal}{block}:\n{text}", "p.yaml"), block).values()) == {None}


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
