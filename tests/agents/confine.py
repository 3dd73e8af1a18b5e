"""A network of our own with nothing in it but loopback: whatever an agent tries to reach is not there.

It is made by beginning anew under `unshare`, as root or with a user namespace. The loopback interface
of a new network is down until somebody raises it.
"""

import fcntl
import os
import socket
import struct
import subprocess
import sys

CONFINED = "AGENTS_CONFINED"
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
"""SIOCGIFFLAGS, SIOCSIFFLAGS and IFF_UP: see netdevice(7)."""


def enter() -> str:
    """Begin anew in a network of our own; returns why that is not possible, if anything."""
    if os.environ.get(CONFINED):
        _raise_loopback()
        return ""
    words = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net"]
    try:
        tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError as problem:
        return f"{problem.filename} is missing (it is in the package util-linux)"
    if tried.returncode == 0:
        os.execvpe(words[0], [*words, sys.executable, *sys.argv], {**os.environ, CONFINED: "1"})
    return (
        "no network namespace can be made here, neither as root nor with a user namespace: "
        f"{tried.stderr.strip()}"
    )


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        asked = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(handle, _GET_FLAGS, asked))[1]
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))
