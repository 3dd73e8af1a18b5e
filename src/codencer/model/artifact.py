"""An artifact: one file of evidence and its digest."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """`path` is relative to the artifact root; `sha256` is lower-case hex of the content."""

    id: str
    attempt_id: str
    name: str
    path: str
    size: int
    sha256: str
    media_type: str
    created_at: int
