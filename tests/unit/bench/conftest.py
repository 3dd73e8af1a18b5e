"""The harness lies beside the package, in the repository's top folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
