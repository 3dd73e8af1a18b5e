"""Documents of untrusted origin: plain values together with the line of every key.

Keys are text and never repeated. Values are exactly those of JSON; tags, and the many
booleans and dates of YAML 1.1, are not for task files.
"""

from typing import Literal

from codencer.engine.intake.outline import MAX_BYTES, Document
from codencer.errors import MalformedInput, TooLarge


def read_document(text: str, kind: Literal["yaml", "json"]) -> Document:
    """Parse a whole document.

    Raises:
        MalformedInput: it does not parse, or repeats a key; the message begins with the line.
        TooLarge: it has more bytes, levels or nodes than a document may have.
    """
    check_text(text)
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise MalformedInput("1: the document is empty")
    # Imported here: only one of the two is needed, and each face imports this module.
    if kind == "json":
        from codencer.engine.intake.json_document import read_json

        return read_json(text)
    from codencer.engine.intake.yaml_document import read_yaml

    return read_yaml(text)


def check_text(text: str) -> None:
    """Refuse text that is too long or cannot be stored.

    Raises:
        TooLarge: more than MAX_BYTES. MalformedInput: not valid Unicode.
    """
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as problem:
        line = text.count("\n", 0, problem.start) + 1
        raise MalformedInput(f"{line}: not valid Unicode (a lone surrogate)") from None
    if size > MAX_BYTES:
        raise TooLarge(f"1: the document has {size} bytes; at most {MAX_BYTES} are allowed")
