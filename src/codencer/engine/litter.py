"""Files that an agent drops for itself, such as a cache: no work of its own, unless the base has them.

The patterns come from the adapter alone and are asked for again each time, so a snapshot after a
restart leaves out the same files; what they are stands in the attempt's `environment.json`. Whatever
an agent hides among them is in no snapshot and in front of no validation.
"""

from codencer.engine.assignment import adapter_of, assignment_of
from codencer.engine.rooms import Trip
from codencer.errors import CodencerError
from codencer.workspace.settings import GitSettings, ignoring


def litter_of(trip: Trip) -> tuple[str, ...]:
    """The patterns (gitignore). An adapter that is gone or refuses the task started no agent: none."""
    try:
        return adapter_of(trip).launch(assignment_of(trip)).litter
    except CodencerError:
        return ()


def without_litter(trip: Trip) -> GitSettings:
    """The settings that a snapshot is taken with. Reads files."""
    patterns = litter_of(trip)
    return ignoring(trip.git_settings, "\n".join(patterns).encode()) if patterns else trip.git_settings
