"""An agent that only claims to have worked: a comment, a confident report, exit code 0."""

import pathlib

source = pathlib.Path("intervals.py")
source.write_text(source.read_text() + "\n# merge() handles all edge cases.\n")
print("Fixed the bug in merge(). All 6 tests pass!")
