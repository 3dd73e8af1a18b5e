"""`python tests/agents install|run`: run from a folder, so the checkout is put on the path first."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

if __name__ == "__main__":
    from tests.agents.main import main

    sys.exit(main())
