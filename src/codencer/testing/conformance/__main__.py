"""`python -m codencer.testing.conformance`."""

import sys

from codencer.testing.conformance.main import main

if __name__ == "__main__":
    sys.exit(main())
