"""Reads policy files strictly: what is not understood is refused, with file and line.

A policy that is silently empty approves everything, so unknown and repeated keys and wrong
types are errors, and `continue_when` has to be written even when empty.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

import yaml

from codencer.errors import InvalidInput, MalformedInput, NotFound, TooLarge
from codencer.model.codec import canonical
from codencer.model.policy import Policy
from codencer.policy.keys import BLOCKS
from codencer.policy.values import Misfit, read_value

MAX_POLICY_BYTES: Final = 64 * 1024
MOST_PROBLEMS: Final = 100
VERSION: Final = "v1"
_SHIPPED: Final = ("basic", "default_safe_refactor", "docs_only", "permissive", "strict")
_REQUIRED: Final = {
    "version": "version: v1",
    "name": "name: NAME",
    "continue_when": "continue_when: {}` to continue whenever nothing else fires, or with keys "
    "`continue_when: {all_validations_pass: true}",
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong at a line, counted from 1."""

    line: int
    problem: str


def names() -> list[str]:
    """Return the names of the shipped bundles."""
    return list(_SHIPPED)


@cache
def load(name: str) -> Policy:
    """Return the shipped bundle called `name`.

    Raises:
        NotFound: there is none of that name.
    """
    if name not in _SHIPPED:
        raise NotFound(f"there is no policy {name!r}; available: {', '.join(names())}")
    file = resources.files("codencer.policy") / "bundles" / f"{name}.yaml"
    return parse(file.read_text("utf-8"), f"{name}.yaml")


def parse(text: str, source: str) -> Policy:
    """Return the policy written in `text`; `source` names the file in errors.

    Raises:
        MalformedInput: it is not YAML. TooLarge: it has more than 64 KiB.
        InvalidInput: a key is unknown or repeated, or a value does not fit; names every line.
    """
    policy, problems = check(text, source)
    if policy is None:
        raise InvalidInput("; ".join(f"{source}:{each.line}: {each.problem}" for each in problems))
    return policy


def check(text: str, source: str) -> tuple[Policy | None, list[Problem]]:
    """Return the policy written in `text`, or everything that is wrong with it.

    Raises:
        MalformedInput: it is not YAML. TooLarge: it has more than 64 KiB.
    """
    if len(text.encode("utf-8", "replace")) > MAX_POLICY_BYTES:
        raise TooLarge(f"{source} has more than {MAX_POLICY_BYTES} bytes")
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as problem:
        raise MalformedInput(f"{source} is not readable YAML: {problem}") from problem
    reading = _Reading()
    policy = reading.policy(root)
    return (None, reading.problems[:MOST_PROBLEMS]) if reading.problems else (policy, [])


def content(policy: Policy) -> bytes:
    """What the digest of a policy is of: its name and blocks, in canonical form."""
    blocks = {block: getattr(policy, block) for block in BLOCKS}
    return canonical({"version": VERSION, "name": policy.name, **blocks})


class _Reading:
    """Reads one document to its end and collects what is wrong."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def policy(self, root: yaml.Node | None) -> Policy:
        top = dict(self._entries(root, "the policy"))
        for key, node in top.items():
            if key not in ("version", "name", *BLOCKS):
                self._wrong(node, f"unknown key {key!r}; known: version, name, {', '.join(BLOCKS)}")
        for key, spelling in _REQUIRED.items():
            if key not in top:
                self._wrong(None, f"{key} is missing; write `{spelling}`")
        if "version" in top and self._text(top["version"]) not in (None, VERSION):
            self._wrong(top["version"], f"version must be {VERSION}")
        name = self._text(top["name"]) if "name" in top else None
        blocks = {block: self._block(block, top[block]) if block in top else {} for block in BLOCKS}
        made = Policy(
            name=name or "",
            fail_when=blocks["fail_when"],
            retry_when=blocks["retry_when"],
            gate_when=blocks["gate_when"],
            continue_when=blocks["continue_when"],
        )
        return replace(made, digest=sha256(content(made)).hexdigest())

    def _block(self, block: str, node: yaml.Node) -> dict[str, object]:
        values: dict[str, object] = {}
        known, before = BLOCKS[block], len(self.problems)
        for key, value in self._entries(node, block):
            if key not in known:
                self._wrong(value, f"{block}.{key} is not a key of {block}; known: {', '.join(known)}")
                continue
            try:
                values[key] = read_value(known[key].value, value)
            except Misfit as misfit:
                self._wrong(value, f"{block}.{key} must be {known[key].value.value}{_more(misfit)}")
        if values and len(self.problems) == before:
            self._expect_a_reason(block, node, values)
        return values

    def _expect_a_reason(self, block: str, node: yaml.Node, values: dict[str, object]) -> None:
        """Settings alone, as `max_attempts` without a key that fires, would do nothing without a word."""
        tests = [key for key, meaning in BLOCKS[block].items() if meaning.test]
        if not values.keys() & set(tests):
            self._wrong(node, f"{block} has no reason in it, one of {', '.join(tests)}")

    def _entries(self, node: yaml.Node | None, what: str) -> Iterator[tuple[str, yaml.Node]]:
        """The keys of a mapping with their value nodes; of a repeated key the first."""
        if not isinstance(node, yaml.MappingNode):
            self._wrong(node, f"{what} must be a mapping")
            return
        seen = set()
        for key_node, value in node.value:
            key = self._text(key_node)
            if key in seen:
                self._wrong(key_node, f"{key!r} is repeated")
            elif key is not None:
                seen.add(key)
                yield key, value

    def _text(self, node: yaml.Node) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":str") and node.value.strip():
            return str(node.value)
        self._wrong(node, "expected a text")
        return None

    def _wrong(self, node: yaml.Node | None, problem: str) -> None:
        self.problems.append(Problem(line=node.start_mark.line + 1 if node else 1, problem=problem))


def _more(misfit: Misfit) -> str:
    return f" ({misfit})" if str(misfit) else ""
