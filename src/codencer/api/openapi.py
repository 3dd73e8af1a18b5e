"""The OpenAPI document: complete for what exists, and made only when somebody asks for it.

Routes name the dataclasses they take and give; their schemas are derived here from the types
alone, so that describing an answer costs nothing when one is made.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

Responses = dict[int | str, dict[str, Any]]

_REFERENCE = "#/components/schemas/{model}"
_described: dict[str, Any] = {}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "machine name of the error"},
        "detail": {"type": "string", "description": "what happened and what to do next"},
    },
}


def one(kind: type, status: int = 200) -> Responses:
    """Documents an answer that is one `kind`."""
    return _success(status, _refer(kind))


def several(kind: type) -> Responses:
    """Documents an answer that is a list of `kind`."""
    return _success(200, {"type": "array", "items": _refer(kind)})


def anything(description: str) -> Responses:
    """Documents a JSON object that is best read as it comes."""
    return _success(200, {"type": "object", "description": description})


def stream(media_type: str, description: str) -> Responses:
    """Documents an answer of another media type."""
    return {200: {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}}


def takes(kind: type) -> dict[str, Any]:
    """Documents a body; unknown keys in it are refused."""
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": _refer(kind, True)}}}
    }


def install(app: FastAPI, version: str) -> None:
    """Let `app` describe itself at its openapi_url."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_document(app, version))
        return made

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _success(status: int, schema: dict[str, Any]) -> Responses:
    return {status: {"description": "Success", "content": {"application/json": {"schema": schema}}}}


def _refer(kind: type, taken: bool = False) -> dict[str, Any]:
    _described[kind.__name__] = (kind, taken)
    return {"$ref": _REFERENCE.format(model=kind.__name__)}


def _document(app: FastAPI, version: str) -> dict[str, Any]:
    document: dict[str, Any] = get_openapi(title="Codencer", version=version, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    for name, (kind, taken) in sorted(_described.items()):
        schema = TypeAdapter(kind).json_schema(
            mode="validation" if taken else "serialization", ref_template=_REFERENCE
        )
        nested = schema.pop("$defs", {})
        for each_name, each in (nested | {name: schema}).items():
            if taken and each.get("type") == "object":
                each["additionalProperties"] = False
            schemas.setdefault(each_name, each)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    problem = {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model="Problem")}}}
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"description": "A problem (RFC 9457)", "content": problem}
    return document
