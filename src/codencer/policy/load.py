"""Reads policy files strictly: what is not understood, or not enforced yet, is refused.

A policy that is silently empty approves everything, so unknown and repeated keys and wrong
types are errors with file and line, and `continue_when` has to be written even when empty.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib import resources

import yaml

from codencer.errors import InvalidInput, MalformedInput, NotFound, NotSupported, TooLarge
from codencer.model.codec import canonical
from codencer.model.policy import Policy
from codencer.policy.keys import BLOCKS, PLANNED, Value
from codencer.policy.retry import LONGEST_BACKOFF_SECONDS, MOST_ATTEMPTS

MAX_POLICY_BYTES = 64 * 1024
VERSION = "v1"
_SHIPPED = ("basic",)
_REQUIRED = {
    "version": "version: v1",
    "name": "name: NAME",
    "continue_when": "continue_when: {}` to continue whenever nothing else fires, or with keys "
    "`continue_when: {all_validations_pass: true}",
}


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
        NotSupported: a key has a meaning that is not enforced yet.
        InvalidInput: a key is unknown or repeated, or a value does not fit.
    """
    if len(text.encode("utf-8", "replace")) > MAX_POLICY_BYTES:
        raise TooLarge(f"{source} has more than {MAX_POLICY_BYTES} bytes")
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as problem:
        raise MalformedInput(f"{source} is not readable YAML: {problem}") from problem
    top = dict(_entries(root, source, "the policy"))
    for key, node in top.items():
        if key not in ("version", "name", *BLOCKS):
            raise InvalidInput(f"{_at(source, node)}: unknown key {key!r}; known: name, {', '.join(BLOCKS)}")
    for key, spelling in _REQUIRED.items():
        if key not in top:
            raise InvalidInput(f"{source}: {key} is missing; write `{spelling}`")
    if _text(top["version"], source) != VERSION:
        raise InvalidInput(f"{_at(source, top['version'])}: version must be {VERSION}")
    name = _text(top["name"], source)
    blocks = {block: _block(block, top[block], source) if block in top else {} for block in BLOCKS}
    digest = sha256(canonical({"version": VERSION, "name": name, **blocks})).hexdigest()
    return Policy(name=name, **blocks, digest=digest)


def _at(source: str, node: yaml.Node) -> str:
    return f"{source}, line {node.start_mark.line + 1}"


def _entries(node: yaml.Node | None, source: str, what: str) -> Iterator[tuple[str, yaml.Node]]:
    """The keys of a mapping with their value nodes; a repeated key is an error."""
    if not isinstance(node, yaml.MappingNode):
        raise InvalidInput(f"{source if node is None else _at(source, node)}: {what} must be a mapping")
    seen = set()
    for key_node, value in node.value:
        key = _text(key_node, source)
        if key in seen:
            raise InvalidInput(f"{_at(source, key_node)}: {key!r} is repeated")
        seen.add(key)
        yield key, value


def _text(node: yaml.Node, source: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith(":str") or not node.value.strip():
        raise InvalidInput(f"{_at(source, node)}: expected a text")
    return str(node.value)


def _block(block: str, node: yaml.Node, source: str) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in _entries(node, source, block):
        where = f"{_at(source, value)}: {block}.{key}"
        if key in PLANNED[block]:
            raise NotSupported(f"{where} is not enforced by this version; remove it")
        if key not in BLOCKS[block]:
            known = ", ".join(BLOCKS[block]) or "none in this version"
            raise InvalidInput(f"{where} is not a key of {block}; known: {known}")
        kind = BLOCKS[block][key].value
        read = _READERS[kind](value)
        if read is _MISFIT:
            raise InvalidInput(f"{where} must be {kind.value}")
        values[key] = read
    tests = [key for key, meaning in BLOCKS[block].items() if meaning.test]
    if values and not values.keys() & set(tests):
        raise InvalidInput(f"{_at(source, node)}: {block} has no reason in it, one of {', '.join(tests)}")
    return values


_MISFIT = object()
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int"))


def _scalar(node: yaml.Node) -> object:
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _PLAIN_TAGS:
        return _MISFIT
    try:
        value: object = yaml.SafeLoader("").construct_object(node)
    except (ValueError, LookupError):  # a tag that was written out and does not fit, as in `!!int x`
        return _MISFIT
    return value


def _switch(node: yaml.Node) -> object:
    value = _scalar(node)
    return value if value is None or isinstance(value, bool) else _MISFIT


def _number(least: int, most: int | None = None) -> Callable[[yaml.Node], object]:
    def read(node: yaml.Node) -> object:
        value = _scalar(node)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            return _MISFIT
        return value if least <= value and (most is None or value <= most) else _MISFIT

    return read


def _start(node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode) and node.value in ("base", "snapshot"):
        return str(node.value)
    return None if _scalar(node) is None else _MISFIT


_READERS: Mapping[Value, Callable[[yaml.Node], object]] = {
    Value.SWITCH: _switch,
    Value.COUNT: _number(0),
    Value.ATTEMPTS: _number(1, MOST_ATTEMPTS),
    Value.SECONDS: _number(0, LONGEST_BACKOFF_SECONDS),
    Value.START: _start,
}
