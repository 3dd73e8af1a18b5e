"""Stopping a daemon: SIGTERM to the process that really listens, and waiting for its end.

The process is the one the kernel names as the listener of the socket, held by a pidfd, so a number
that was used again is never signalled. No version of the API is needed for it.
"""

import os
import select
import signal
import socket
import struct

from codencer.client.http import Endpoint
from codencer.errors import DaemonUnreachable, WaitTimeout

STOP_SECONDS = 30.0


def stop(socket_path: str) -> int | None:
    """Stop the daemon that listens at `socket_path`; its agents go on.

    Returns:
        Its process id, or None when nobody listened.

    Raises:
        WaitTimeout: it was told to stop and has not ended yet.
    """
    try:
        connection = Endpoint(unix=socket_path).connect(5.0)
    except DaemonUnreachable:
        return None
    with connection:
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, _, _ = struct.unpack("3i", data)
        handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        ended, _, _ = select.select([handle], [], [], STOP_SECONDS)
    finally:
        os.close(handle)
    if not ended:
        raise WaitTimeout(f"the daemon (process {pid}) was told to stop and is still there")
    return int(pid)
