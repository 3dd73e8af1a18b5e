"""`python -m codencer.daemon`: how a client starts it, whatever is on the PATH."""

import sys

from codencer.daemon.main import main

if __name__ == "__main__":
    sys.exit(main())
