"""`python -m codencer.testing.model_server [--port N]`: prints its port when ready, serves until stopped."""

import argparse
import signal
import sys
from collections.abc import Sequence

from codencer.testing.model_server.scenarios import SCENARIOS
from codencer.testing.model_server.server import ModelServer


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m codencer.testing.model_server",
        description="A scripted model for coding agents. The script comes with each request: in the prompt, "
        "as `scripted-model:edit;file=a.txt`, or as the beginning of the path of the address.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["scenarios:", *(f"  {name:10} {each.about}" for name, each in SCENARIOS.items())]),
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    given = parser.parse_args(arguments)
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    with ModelServer(given.port) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        signal.sigwait(_ENDS)
    return 0


_ENDS = {signal.SIGINT, signal.SIGTERM}

if __name__ == "__main__":
    sys.exit(main())
