"""What an attempt was made with: versions and the machine's kind, as canonical JSON.

No secrets by construction: no environment values, no host or user name, no paths.
"""

import os
import platform

from codencer import __version__
from codencer.model.attempt import Attempt
from codencer.model.codec import canonical

ENVIRONMENT_VERSION = "v1"


def environment(
    attempt: Attempt,
    *,
    git_version: str,
    litter: tuple[str, ...],
    policy: str,
    policy_digest: str,
    base_commit: str | None,
) -> bytes:
    """Return the document.

    Args:
        git_version: what `git --version` printed.
        litter: patterns of files that the agent drops for itself, which the snapshot left out.
    """
    system = os.uname()
    return canonical(
        {
            "version": ENVIRONMENT_VERSION,
            "kind": "codencer.environment",
            "codencer": __version__,
            "python": {
                "implementation": platform.python_implementation(),
                "version": platform.python_version(),
            },
            "platform": {"system": system.sysname, "release": system.release, "machine": system.machine},
            "git": git_version.strip(),
            "agent": {
                "adapter": attempt.adapter,
                "version": attempt.adapter_version,
                "trust_level": attempt.trust_level,
                "litter": litter,
            },
            "policy": {"name": policy, "digest": policy_digest},
            "base_commit": base_commit,
        }
    )
