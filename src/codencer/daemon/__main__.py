"""`python -m codencer.daemon`, and `codencerd`: how a daemon is started."""

import ctypes
import gc
import sys

MADE_BETWEEN_LOOKS = 10_000
"""Objects that are made during the start before garbage is looked for: all of them stay."""
M_ARENA_MAX, HEAPS = -8, 2
"""See mallopt(3): with a heap for each of its threads, which mostly wait, a daemon is 2 MB larger."""


def main() -> int:
    """Serve as `codencer.daemon.main` does. What it imports is not looked through for garbage later."""
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_ARENA_MAX, HEAPS)
    usual = gc.get_threshold()
    gc.set_threshold(MADE_BETWEEN_LOOKS)
    from codencer.daemon.main import main as serve

    gc.freeze()
    gc.set_threshold(*usual)
    return serve()


if __name__ == "__main__":
    sys.exit(main())
