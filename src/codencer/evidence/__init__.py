"""Evidence: the documents that say what an attempt left and where it was made.

Pure functions from facts to canonical JSON bytes; storing and hashing them is done elsewhere.
"""

from codencer.evidence.environment import environment
from codencer.evidence.manifest import manifest

__all__ = ["environment", "manifest"]
