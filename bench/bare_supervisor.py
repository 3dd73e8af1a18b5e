"""The least a supervised command needs, for comparison: claim, start, wait, exit record.

Run as `python -I -S bare_supervisor.py FOLDER CWD PROGRAM…`; as many durable writes as the real
supervisor makes (claim, its folder, record, its folder), and none of its care.
"""

import os
import sys


def durable(path: str, content: bytes, name: str) -> None:
    """Write a file, give it its name, and make both survive a power cut."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(handle, content)
    os.fsync(handle)
    os.rename(path, name)
    os.fsync(os.open(".", os.O_RDONLY))


def main(folder: str, cwd: str, argv: list[str]) -> None:
    os.chdir(folder)
    durable("claim.new", b"%d\n" % os.getpid(), "claim")
    pid = os.fork()
    if pid == 0:
        os.chdir(cwd)
        for target, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), target)
        os.execvp(argv[0], argv)
    _, status = os.waitpid(pid, 0)
    durable("exit.new", b'{"code": %d}\n' % os.waitstatus_to_exitcode(status), "exit.json")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
