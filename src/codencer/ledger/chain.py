"""The hash chain: what is hashed, and with what it begins.

`hash` is SHA-256 over the canonical JSON of all other columns, the previous hash among them,
with the body as the object it is. Nothing here trusts a hash that is stored.
"""

import hashlib
import json

from codencer.errors import InvalidInput
from codencer.model.codec import canonical, encode

GENESIS_HASH = "0" * 64
"""What the first event names as the hash before it."""


def body_text(body: object) -> str:
    """Return the canonical text of an event's body.

    Raises:
        InvalidInput: it holds a float, another value JSON has no canonical form for here,
            or text that is not valid Unicode.
    """
    try:
        data = canonical(body)
        if b"\\ud" in data:  # A surrogate: fine in pairs, unstorable alone.
            json.dumps(encode(body), ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError) as problem:
        raise InvalidInput(f"an event's body cannot be recorded: {problem}; nothing was written") from problem
    return data.decode("ascii")


def event_hash(
    *,
    seq: int,
    v: int,
    at: int,
    ids: tuple[str | None, str | None, str | None],
    kind: str,
    body: str,
    prev_hash: str,
) -> str:
    """Return the hash of an event.

    Args:
        ids: of the run, the step and the attempt.
        body: canonical text, as made by `body_text`.
    """
    run_id, step_id, attempt_id = ids
    # Canonical JSON of the whole row, put together so that a large body is not encoded again:
    # sorted, the key `body` comes after `at` and `attempt_id`, and before all others.
    before = canonical({"at": at, "attempt_id": attempt_id})[:-1]
    after = canonical(
        {"kind": kind, "prev_hash": prev_hash, "run_id": run_id, "seq": seq, "step_id": step_id, "v": v}
    )[1:]
    return hashlib.sha256(b'%b,"body":%b,%b' % (before, body.encode("ascii"), after)).hexdigest()
