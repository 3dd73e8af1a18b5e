"""What policy may know about an attempt: computed from the record and the real diff.

Nothing here believes an agent about its work. What could not be found out is None, and costs are bounded
whatever the size of the diff: lists of paths keep their first `MOST_NAMED`, and content is read only
when the policy has a key for it.
"""

from codencer.engine.facts.gather import Material, gather
from codencer.engine.facts.spending import spent

__all__ = ["Material", "gather", "spent"]
