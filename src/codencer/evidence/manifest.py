"""The manifest of an attempt: every artifact with its digest, bound to what was judged.

Canonical JSON (`codencer.model.codec.canonical`), so the same facts give the same bytes and
one hash of the manifest stands for all of the evidence.
"""

from collections.abc import Sequence

from codencer.model.artifact import Artifact
from codencer.model.attempt import Attempt
from codencer.model.codec import canonical

MANIFEST_VERSION = "v1"


def manifest(
    attempt: Attempt,
    artifacts: Sequence[Artifact],
    *,
    base_commit: str | None,
    policy: str | None = None,
    policy_digest: str | None = None,
) -> bytes:
    """Return the manifest; commits, trees and policy are null where the attempt never got so far.

    Raises:
        ValueError: two artifacts have one name, or one belongs to another attempt.
    """
    names = [each.name for each in artifacts]
    if len(set(names)) < len(names):
        raise ValueError(f"artifacts of {attempt.id} share a name: {sorted(names)}")
    if strangers := [each.name for each in artifacts if each.attempt_id != attempt.id]:
        raise ValueError(f"artifacts of another attempt in the manifest of {attempt.id}: {strangers}")
    snapshot = attempt.snapshot
    return canonical(
        {
            "version": MANIFEST_VERSION,
            "kind": "codencer.manifest",
            "run_id": attempt.run_id,
            "step_id": attempt.step_id,
            "attempt_id": attempt.id,
            "attempt_number": attempt.number,
            "adapter": attempt.adapter,
            "requested_adapter": attempt.requested_adapter,
            "adapter_version": attempt.adapter_version,
            "trust_level": attempt.trust_level,
            "base_commit": base_commit,
            "snapshot_commit": snapshot.commit if snapshot else None,
            "snapshot_tree": snapshot.tree if snapshot else None,
            "validated_tree": snapshot.validated_tree if snapshot else None,
            "policy": {"name": policy, "digest": policy_digest} if policy else None,
            "artifacts": [
                {
                    "name": each.name,
                    "size": each.size,
                    "sha256": each.sha256,
                    "media_type": each.media_type,
                }
                for each in sorted(artifacts, key=lambda each: each.name)
            ],
        }
    )
