"""What the daemon leaves for its clients: the token, and the descriptor they find it by."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from codencer import API_VERSION, __version__
from codencer.config import Config
from codencer.engine import mode
from codencer.locate import Descriptor
from codencer.locate.files import read_regular, write_atomically


def secret(path: Path) -> str:
    """The token of the TCP listener, made once and readable by this user only.

    Raises:
        StorageFailed: it cannot be written.
    """
    content = read_regular(path)
    if content is None or not content.strip():
        content = secrets.token_urlsafe(32).encode()
        write_atomically(path, content + b"\n")
    path.chmod(0o600)
    return content.decode("ascii").strip()


def describe(config: Config, instance_id: str, socket: Path, port: int) -> Descriptor:
    """What `codencer instance` shows about this process."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return Descriptor(
        instance_id=instance_id,
        common_dir=os.fspath(config.repository.common_dir),
        pid=os.getpid(),
        socket=os.fspath(socket),
        api_version=API_VERSION,
        version=__version__,
        repo_root=os.fspath(config.repository.top),
        state_dir=os.fspath(config.state_dir),
        workspace_root=os.fspath(config.workspaces(instance_id)),
        host=config.host,
        port=port,
        base_url=f"http://{host}:{port}",
        token_file=os.fspath(config.state_dir / "token"),
        execution_mode=mode(config),
        started_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )
