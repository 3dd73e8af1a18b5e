"""An agent that does its work: finds the faulty lines, mends them, runs the tests."""

import pathlib
import subprocess
import sys

prompt = sys.stdin.read()
print(f"I was given {len(prompt.split())} words. Looking at merge().", flush=True)
source = pathlib.Path("intervals.py")
text = source.read_text()
text = text.replace("start < merged[-1][1]", "start <= merged[-1][1]")
text = text.replace("(merged[-1][0], end)", "(merged[-1][0], max(end, merged[-1][1]))")
source.write_text(text)
tests = subprocess.run([sys.executable, "-m", "unittest", "-q"], check=False)
print("merge() now joins touching intervals and keeps the later end.")
sys.exit(tests.returncode)
