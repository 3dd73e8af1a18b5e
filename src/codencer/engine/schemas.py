"""JSON Schemas of TaskSpec and ResultSpec, made from the dataclasses that are the contract.

Types, defaults, required keys and closed objects come from the dataclass, descriptions from the
strings under its fields; only limits that a type cannot express are written here. The published
files in schemas/ are exactly what `documents` returns.
"""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from codencer.model.codec import encode
from codencer.model.ids import LONGEST_NAME
from codencer.model.result import ResultSpec
from codencer.model.task import MAX_GOAL_BYTES, TaskSpec, ValidationSpec

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PRIMITIVES = {str: "string", int: "integer", bool: "boolean", type(None): "null"}
_NAME: Schema = {"maxLength": LONGEST_NAME, "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]*$"}
_NOT_BLANK: Schema = {"minLength": 1, "pattern": r"\S"}
_SECONDS: Schema = {"minimum": 0}
_LIMITS: Mapping[tuple[type, str], Schema] = {
    (TaskSpec, "version"): {"const": "v1"},
    (TaskSpec, "goal"): {**_NOT_BLANK, "maxLength": MAX_GOAL_BYTES},
    (TaskSpec, "run_id"): _NAME,
    (TaskSpec, "step_id"): _NAME,
    (TaskSpec, "timeout_seconds"): _SECONDS,
    (TaskSpec, "idle_timeout_seconds"): _SECONDS,
    (TaskSpec, "base"): _NOT_BLANK,
    (ValidationSpec, "name"): _NOT_BLANK,
    (ValidationSpec, "command"): {"minLength": 1, "minItems": 1},
    (ValidationSpec, "timeout_seconds"): _SECONDS,
    (ValidationSpec, "report"): {"pattern": "^(exit|junit:.+)$"},
    (ValidationSpec, "retries"): {"minimum": 0},
    (ResultSpec, "version"): {"const": "v1"},
}


def documents() -> dict[str, Schema]:
    """The published schemas by file name."""
    return {
        "task.schema.json": schema_of(TaskSpec, "Codencer TaskSpec v1"),
        "result.schema.json": schema_of(ResultSpec, "Codencer ResultSpec v1"),
    }


def schema_of(kind: type, title: str) -> Schema:
    """The self-contained JSON Schema (draft 2020-12) of a model dataclass."""
    definitions: dict[str, Schema] = {}
    top = _object(kind, definitions)
    return {"$schema": DIALECT, "title": title, **top, "$defs": dict(sorted(definitions.items()))}


def _object(kind: type, definitions: dict[str, Schema]) -> Schema:
    hints, descriptions = get_type_hints(kind), _descriptions(kind)
    properties = {}
    for each in fields(kind):
        schema = {**_value(hints[each.name], definitions), **_LIMITS.get((kind, each.name), {})}
        if each.name in descriptions:
            schema["description"] = descriptions[each.name]
        properties[each.name] = {**schema, **_default(each)}
    doc = inspect.getdoc(kind) or ""
    return {
        # Without a docstring of its own a dataclass is given its signature.
        **({} if doc.startswith(f"{kind.__name__}(") else {"description": doc}),
        "type": "object",
        "properties": properties,
        "required": [each.name for each in fields(kind) if not _default(each)],
        "additionalProperties": False,
    }


def _value(kind: Any, definitions: dict[str, Schema]) -> Schema:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        options = [_value(each, definitions) for each in arguments]
        if all(option.keys() == {"type"} for option in options):
            return {"type": [option["type"] for option in options]}
        return {"anyOf": options}
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return {"type": "array", "items": _value(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _value(arguments[1], definitions)}
    if kind in _PRIMITIVES:
        return {"type": _PRIMITIVES[kind]}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [member.value for member in kind]}
    if isinstance(kind, type) and is_dataclass(kind):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    raise TypeError(f"{kind} has no place in a published contract")


def _default(field: "Field[Any]") -> Schema:
    if field.default is not MISSING:
        return {"default": encode(field.default)}
    if field.default_factory is not MISSING:
        return {"default": encode(field.default_factory())}
    return {}


def _descriptions(kind: type) -> dict[str, str]:
    """The strings written under the fields of a dataclass, by field name."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        match before, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[name] = inspect.cleandoc(text).replace("\n", " ")
    return found
