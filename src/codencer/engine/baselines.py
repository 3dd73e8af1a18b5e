"""What validations said about base commits, kept so that the next step from the same base need not ask.

A cache beside the ledger and nothing more: an entry that is missing or cannot be read is made again.
Its key holds all that the answer depends on: the tree, the validation, what is laid over the tree, how
the checkout is provisioned, and the environment. Only answers are kept, never a run that gave none.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from codencer.engine.rooms import Trip
from codencer.model.codec import DecodeError, canonical, decode, encode
from codencer.model.task import ValidationSpec
from codencer.model.validation import Outcome, ValidationState
from codencer.process.folder import write_file

MOST_KEPT = 500
"""Entries; the oldest go first."""
_ANSWERS = frozenset({ValidationState.PASSED, ValidationState.FAILED})


def key_of(trip: Trip, spec: ValidationSpec, tree: str, environment: Mapping[str, str]) -> str:
    """What the baseline of this validation is called. Values of variables are in it as a digest only."""
    frozen = trip.step.frozen
    asked = {
        "tree": tree,
        "command": spec.command,
        "report": spec.report,
        "retries": spec.retries,
        "timeout": spec.timeout_seconds,
        "overlay": frozen.overlays.get(spec.name),
        "provisioning": frozen.provisioning,
        "git": frozen.git_settings,
        "trust_level": trip.attempt.trust_level,
        "environment": sorted({**environment, **spec.env}.items()),
    }
    return hashlib.sha256(canonical(asked)).hexdigest()


def known(folder: Path, key: str) -> list[Outcome]:
    """The outcomes of an earlier run; none when there was no such run."""
    try:
        rows = json.loads((folder / f"{key}.json").read_bytes())
        return [decode(Outcome, row) for row in rows]
    except (OSError, ValueError, TypeError, DecodeError):
        return []


def keep(folder: Path, key: str, runs: Sequence[Outcome]) -> None:
    """Keep the outcomes for the next step; those of a run that gave no answer are not kept."""
    if not all(run.state in _ANSWERS for run in runs):
        return
    folder.mkdir(exist_ok=True, mode=0o700)
    write_file(folder / f"{key}.json", json.dumps(encode(runs)).encode())
    entries = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for old in entries[:-MOST_KEPT]:
        old.unlink(missing_ok=True)
