"""`[adapters.NAME]` tables: agents of one's own, with no code."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from codencer.config.toml import Document
from codencer.errors import InvalidInput
from codencer.model.codec import DecodeError, decode
from codencer.model.ids import check_name
from codencer.model.step import AdapterSettings

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
LONGEST_APPROVAL_SECONDS = 7 * 24 * 3600

_RESERVED = "CODENCER_"
"""Variables that the bridge sets for an agent itself."""


@dataclass(frozen=True, kw_only=True)
class ConfiguredAdapter:
    """Settings of one adapter; those of the project's file run only once the user trusts them."""

    settings: AdapterSettings
    origin: str
    needs_trust: bool


def read_adapters(document: Document, *, needs_trust: bool) -> Mapping[str, ConfiguredAdapter]:
    """Return the tables of a file by name.

    Raises:
        InvalidInput: a name, key or value does not fit; the message names file, key and line.
    """
    tables = document.table.get("adapters", {})
    if not isinstance(tables, Mapping):
        raise InvalidInput(f"{document.place('adapters')}: expected tables [adapters.NAME]")
    return {
        name: ConfiguredAdapter(
            settings=_settings(document, name, table),
            origin=document.place("adapters", name),
            needs_trust=needs_trust,
        )
        for name, table in tables.items()
    }


def _settings(document: Document, name: str, table: object) -> AdapterSettings:
    try:
        check_name(name, "the name")
    except InvalidInput as problem:
        raise InvalidInput(f"{document.place('adapters', name)}: {problem}") from problem
    try:
        if not isinstance(table, Mapping):
            raise DecodeError("", "expected a table")
        if "name" in table:
            raise DecodeError("name", "unknown key")
        settings = decode(AdapterSettings, {"name": name, **table})
        _check(settings, table)
    except DecodeError as problem:
        key = problem.path.split(".")[0]
        place = document.place("adapters", name, *([key] if key else []))
        known = ", ".join(each.name for each in fields(AdapterSettings) if each.name != "name")
        hint = f" (known: {known})" if problem.problem == "unknown key" else ""
        raise InvalidInput(f"{place}: {problem.problem}{hint}") from problem
    return settings


def _check(settings: AdapterSettings, table: Mapping[str, object]) -> None:
    if "command" in table and not (settings.command and settings.command[0].strip()):
        raise DecodeError("command", "the list is empty, or its first word is")
    _check_texts(settings)
    if not 1 <= settings.approval_seconds <= LONGEST_APPROVAL_SECONDS:
        raise DecodeError("approval_seconds", f"from 1 to {LONGEST_APPROVAL_SECONDS}")
    _check_variables(settings.env)
    if not settings.success_exit_codes:
        raise DecodeError("success_exit_codes", "the list is empty: no exit would be a success")
    if any(not 0 <= code <= 255 for code in settings.success_exit_codes):
        raise DecodeError("success_exit_codes", "an exit code is a number from 0 to 255")


def _check_texts(settings: AdapterSettings) -> None:
    for key in ("command", "read", "write", "arguments"):
        if any("\0" in text for text in getattr(settings, key)):
            raise DecodeError(key, "a NUL character is not allowed")
    for key in ("read", "write"):
        if not all(text.strip() for text in getattr(settings, key)):
            raise DecodeError(key, "a path is blank")
    for key in ("program", "model"):
        if not getattr(settings, key).isprintable():
            raise DecodeError(key, "it is not one line of printable characters")


def _check_variables(names: tuple[str, ...]) -> None:
    for name in names:
        if not _VARIABLE.match(name):
            raise DecodeError("env", f"{name!a} is not the name of an environment variable")
        if name.startswith(_RESERVED):
            raise DecodeError("env", f"{name} is set by the bridge itself")
