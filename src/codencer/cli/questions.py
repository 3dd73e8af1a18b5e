"""`codencer step questions` and `step answer`: what an agent asks while it works, and a person's answer."""

from collections.abc import Iterator
from typing import Any

import click

from codencer.cli.face import Face
from codencer.cli.group import Verb
from codencer.client.daemon import path

HEAD = ("QUESTION", "STATE", "TOOL", "TEXT", "ANSWERS")
LONGEST_TEXT = 100


@click.command(cls=Verb)
@click.argument("step")
@click.option("--all", "all_", is_flag=True, help="Those that were answered, too.")
@click.pass_obj
def questions(face: Face, step: str, all_: bool) -> None:
    """Show what the agent of STEP asks, and what can be answered."""
    daemon = face.daemon()
    asked = daemon.get(path("steps", step, "questions"))
    found = [each for each in asked if all_ or each["state"] == "open"]
    # What an agent wrote down for a person at its end: nobody waits for an answer to that.
    told = daemon.get(path("steps", step, "result"))["questions"] if not found else []
    found += [{"id": None, "state": "told", "tool": "", "text": each, "options": []} for each in told]
    face.listing(found, HEAD, map(_row, found))
    if any(each["state"] == "open" for each in found):
        face.hint(f"to answer: codencer step answer {step} allow|deny (or one of the ANSWERS)")


@click.command(cls=Verb)
@click.argument("step")
@click.argument("text")
@click.option("--question", help="Which one, when several are open.")
@click.pass_obj
def answer(face: Face, step: str, text: str, question: str | None) -> None:
    """Answer the question that the agent of STEP waits on with TEXT: allow, deny, or one of its options."""
    from codencer.cli.show import step_fields

    found = face.daemon().post(path("steps", step, "answer"), {"text": text, "question": question})
    face.show(found, step_fields(found))


def _row(each: dict[str, Any]) -> tuple[object, ...]:
    text = each["text"] if len(each["text"]) <= LONGEST_TEXT else each["text"][: LONGEST_TEXT - 1] + "…"
    return (each["id"] or "", each["state"], each["tool"], text, ", ".join(_answers(each)))


def _answers(each: dict[str, Any]) -> Iterator[str]:
    if each["state"] == "answered":
        chosen = (option["name"] for option in each["options"] if option["id"] == each["option"])
        yield f"{next(chosen, 'refused')} (by {each['by']})"
        return
    for option in each["options"]:
        yield f"{option['id']} ({option['name']})"
