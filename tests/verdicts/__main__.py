"""`python -m tests.verdicts [WORD…]`: run the cases whose names contain a word, print the matrix."""

import sys

from tests.verdicts.main import main

if __name__ == "__main__":
    sys.exit(main())
