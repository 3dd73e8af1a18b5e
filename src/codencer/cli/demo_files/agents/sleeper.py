"""An agent that hangs, ignores being asked to stop, and has a helper in a session of its own."""

import signal
import subprocess
import sys

signal.signal(signal.SIGTERM, signal.SIG_IGN)
helper = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(helper, start_new_session=True)
print(f"started helper process {child.pid}", flush=True)
print("Thinking very hard about intervals…", flush=True)
signal.pause()
