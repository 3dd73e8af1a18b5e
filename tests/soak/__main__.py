"""`python tests/soak [--minutes N] [--kills N] [--seed TEXT]`: put the top folder on the path and begin."""

import sys
from pathlib import Path

# Python puts this folder itself there; as a package the modules can be checked.
sys.path[0] = str(Path(__file__).resolve().parents[2])

if __name__ == "__main__":
    from tests.soak.main import main

    sys.exit(main())
