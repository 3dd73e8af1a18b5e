"""`python bench [--only GROUP] [--quick]`: run from a folder, so its parent is put on the path first."""

import sys
from pathlib import Path

# Python puts this folder itself there; as a package the modules can be checked and tested.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

if __name__ == "__main__":
    from bench.run import main

    sys.exit(main())
