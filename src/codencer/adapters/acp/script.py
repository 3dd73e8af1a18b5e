"""How one conversation is to go: what a session is told besides its assignment."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Script:
    """The first mode of `modes` that the agent offers is set; with `must_ask` there has to be one.

    `model` is the one it is told to use, by the agent's own word for it. `auth_method` is called when the
    agent says that it is not signed in; it must need no person. A turn whose last words begin with
    one of `error_words` has failed, whatever the agent calls it. It may take `linger_seconds` to end.
    """

    name: str
    modes: tuple[str, ...] = ()
    must_ask: bool = False
    model: str = ""
    auth_method: str | None = None
    error_words: tuple[str, ...] = ()
    linger_seconds: float = 10.0
