"""Finding the daemon: the one named by the environment, else the one of this repository.

A descriptor is believed only once something answers at its socket.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from codencer import API_VERSION
from codencer.client.http import Endpoint
from codencer.errors import DaemonUnreachable, IncompatibleVersion, InvalidInput, StorageFailed
from codencer.locate import Descriptor, Repository, read_descriptor, registered
from codencer.locate.files import read_regular

URL_VARIABLES = ("CODENCER_URL", "ORCHESTRATORD_URL")
TOKEN_FILE_VARIABLE = "CODENCER_TOKEN_FILE"
CONNECT_SECONDS = 5.0


def named_endpoint(environ: Mapping[str, str] = os.environ) -> Endpoint | None:
    """The daemon the environment names by its address, with the token that belongs to it.

    Raises:
        InvalidInput: the address is not one of plain HTTP.
        StorageFailed: the token file cannot be read.
    """
    name = next((each for each in URL_VARIABLES if environ.get(each)), None)
    if name is None:
        return None
    try:
        parts = urlsplit(environ[name])
        port = parts.port or 80
    except ValueError as problem:
        raise InvalidInput(f"{name} is not an address: {problem}") from problem
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise InvalidInput(f"{name} must look like http://127.0.0.1:8085, not {environ[name]!a}")
    return Endpoint(host=parts.hostname, port=port, token=_token(port, environ))


def _token(port: int, environ: Mapping[str, str]) -> str | None:
    named = environ.get(TOKEN_FILE_VARIABLE)
    if named:
        content = read_regular(Path(named))
        if content is None:
            raise StorageFailed(f"{TOKEN_FILE_VARIABLE} names {named}, which is not there")
        return content.decode("ascii", "replace").strip()
    for descriptor in registered(environ):
        if descriptor.port == port and descriptor.token_file:
            content = read_regular(Path(descriptor.token_file))
            return None if content is None else content.decode("ascii", "replace").strip()
    return None


def listens(descriptor: Descriptor) -> bool:
    """Whether anybody is at the socket of this descriptor, whatever version it is."""
    try:
        Endpoint(unix=descriptor.socket).connect(CONNECT_SECONDS).close()
    except DaemonUnreachable:
        return False
    return True


def answering(repository: Repository) -> Descriptor | None:
    """The repository's daemon if one answers now.

    Raises:
        IncompatibleVersion: one answers, and speaks another version of the API.
    """
    descriptor = read_descriptor(repository.common_dir)
    if descriptor is None:
        return None
    if not listens(descriptor):
        return None
    if descriptor.api_version != API_VERSION:
        raise IncompatibleVersion(
            f"the running daemon (process {descriptor.pid}) speaks version {descriptor.api_version} of the "
            f"API and this command version {API_VERSION}; run "
            "`codencer stop` and then `codencer start` (agents at work go on and are picked up)"
        )
    return descriptor
