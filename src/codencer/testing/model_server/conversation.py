"""What the script needs to know of a request, whatever the vendor.

A dialect turns a request into this. Requests come from programs of other people: a part that is
missing or of the wrong kind counts as absent, nothing here raises.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from codencer.testing.model_server.script import Script, scripts_in

_PATH = r"(/[^\s<>\"'`,;)]+)"
_FOLDERS = (
    # A workspace of ours, wherever it is named.
    re.compile(r"(/[^\s<>\"'`,;)]*/workspaces/att_[a-z0-9]{26})"),
    re.compile(r"(?:working directory|current directory)[^/\n]{0,60}?" + _PATH, re.IGNORECASE),
    re.compile(r"(?:workspace|cwd|project root|directory)[^/\n]{0,60}?" + _PATH, re.IGNORECASE),
)
"""How agents tell their model where they work, the surest first."""
_IN_A_FILE = re.compile(r"(?:task|prompt|goal) is (?:written )?in the file (/[^\s()]+)", re.IGNORECASE)


class Who(StrEnum):
    SYSTEM = "system"
    USER = "user"
    MODEL = "model"
    TOOL = "tool"


@dataclass(frozen=True, kw_only=True)
class Entry:
    who: Who
    text: str


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool that the agent offers; one that is free-form takes a text instead of arguments."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    free_form: bool = False
    namespace: str = ""

    @property
    def properties(self) -> Mapping[str, Any]:
        return mapping(self.schema.get("properties"))

    @property
    def required(self) -> list[str]:
        return [each for each in listed(self.schema.get("required")) if isinstance(each, str)]


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One request: the entries so far, the tools on offer, the schema that the answer must have."""

    entries: tuple[Entry, ...]
    model: str
    stream: bool
    tools: Mapping[str, Tool] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None

    @cached_property
    def _prompts(self) -> list[int]:
        """Where the scripts are: in what the user wrote, else in what a tool read for it."""
        scripted = [number for number, entry in enumerate(self.entries) if scripts_in(entry.text)]
        found = [number for number in scripted if self.entries[number].who is Who.USER]
        return found or [number for number in scripted if self.entries[number].who is Who.TOOL]

    @property
    def prompts(self) -> list[str]:
        """The texts that have a script: more than one in a conversation that was resumed."""
        return [self.entries[number].text for number in self._prompts]

    @property
    def script(self) -> Script | None:
        return scripts_in(self.prompts[-1])[-1] if self._prompts else None

    @property
    def results(self) -> list[str]:
        """What tools answered since the newest prompt: how many there are is how far the script has come."""
        begun = self._prompts[-1] + 1 if self._prompts else 0
        return [entry.text for entry in self.entries[begun:] if entry.who is Who.TOOL]

    @property
    def prompt_file(self) -> str:
        """The file that the user says the task is in, when there is no script yet."""
        if self._prompts or any(entry.who is Who.TOOL for entry in self.entries):
            return ""
        told = (_IN_A_FILE.search(entry.text) for entry in self.entries if entry.who is Who.USER)
        return next((found[1] for found in told if found), "")

    def mentions(self, text: str) -> bool:
        return any(text in entry.text for entry in self.entries if entry.who in (Who.SYSTEM, Who.USER))

    @property
    def folder(self) -> str:
        """The agent's working folder as it tells the model, the newest one; empty when it does not."""
        told = [each.text for each in reversed(self.entries) if each.who in (Who.SYSTEM, Who.USER)]
        for pattern in _FOLDERS:
            for text in told:
                if found := pattern.search(text):
                    return found[1].rstrip("/.:")
        return ""


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def text_of(value: object) -> str:
    """The text of a message's content: a string, a block, or a list of blocks."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(text_of(each) for each in value)
    if isinstance(value, Mapping):
        return text_of(value.get("text") or value.get("content") or value.get("output") or "")
    return ""
