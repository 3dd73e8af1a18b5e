"""Reads the settings, takes the lock, opens the engine, serves, and leaves in order."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

import structlog

from codencer import __version__
from codencer.api import Access, Server, bind_tcp, bind_unix, build_app
from codencer.config import Config, load, start_folder
from codencer.daemon.lock import only_one
from codencer.daemon.log import open_log
from codencer.daemon.published import describe, secret
from codencer.engine import Engine
from codencer.errors import CodencerError, Infrastructure, StorageFailed
from codencer.locate import (
    Descriptor,
    claim_instance,
    find_repository,
    make_state_dir,
    register,
    remove_descriptor,
    socket_path,
    unregister,
    write_descriptor,
)

_log = structlog.get_logger()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one repository until told to stop; returns the exit code."""
    given = parser().parse_args(arguments)
    os.umask(0o077)
    try:
        config = _load(given)
        if given.check:
            return _check(config, given)
        _serve(config, given)
    except CodencerError as error:
        return _give_up(given, error)
    except OSError as problem:
        return _give_up(given, StorageFailed(f"{problem.filename or 'the daemon'}: {problem.strerror}"))
    except BaseExceptionGroup as group:
        _log.critical("A part of the daemon failed", event_name="daemon.failed", exc_info=group)
        return _give_up(given, _first_of(group))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line of `codencerd`."""
    line = argparse.ArgumentParser(prog="codencerd", description="The daemon of one repository.")
    line.add_argument("--version", action="version", version=__version__)
    line.add_argument("--repo", type=Path, help="a folder of the repository (default: here)")
    line.add_argument("--host", help="loopback address to listen on")
    line.add_argument("--port", help="TCP port to listen on; 0 takes a free one")
    line.add_argument("--simulation", action="store_true", help="replace every agent by the scripted one")
    line.add_argument("--foreground", action="store_true", help="log to stderr instead of the file")
    line.add_argument("--on-demand", action="store_true", help="take a free port if the default is in use")
    line.add_argument("--ready-fd", type=int, help="write one JSON line there once it listens or failed")
    line.add_argument("--check", choices=["ledger", "doctor", "purge"], help="work offline, do not serve")
    line.add_argument("--act", action="store_true", help="with --check: mend, or purge, what was found")
    line.add_argument("--kill", action="store_true", help="with --check purge --act: end what is at work")
    return line


def _load(given: argparse.Namespace) -> Config:
    flags = {name: value for name in ("host", "port") if (value := getattr(given, name)) is not None}
    if given.simulation:
        flags["simulation"] = "true"
    start = Path.cwd() if given.repo is None else given.repo
    return load(find_repository(start_folder(start)), flags=flags)


def _check(config: Config, given: argparse.Namespace) -> int:
    from codencer.daemon.checks import run_check

    document, code = run_check(config, given.check, act=given.act, kill=given.kill)
    sys.stdout.write(json.dumps(document) + "\n")
    return code


def _serve(config: Config, given: argparse.Namespace) -> None:
    common_dir = config.repository.common_dir
    state = make_state_dir(common_dir)
    with only_one(state / "daemon.lock", config.repository), contextlib.ExitStack() as stack:
        open_log(state / "daemon.log", config.log_level, foreground=given.foreground)
        instance = claim_instance(common_dir)
        insist = not given.on_demand or config.origin("port") != "default"
        tcp = stack.enter_context(bind_tcp(config.host, config.port, insist=insist))
        path = socket_path(instance.id)
        unix = stack.enter_context(bind_unix(path))
        stack.callback(path.unlink, missing_ok=True)
        descriptor = describe(config, instance.id, path, int(tcp.getsockname()[1]))
        stack.callback(unregister, instance.id, descriptor.pid)
        stack.callback(remove_descriptor, common_dir, descriptor.pid)
        access = Access(port=descriptor.port, token=secret(state / "token"))
        # The folder it was started from must not stay busy.
        os.chdir(state)
        asyncio.run(_run(config, [unix, tcp], access, descriptor, given.ready_fd))
    _log.info("The daemon ended; agents under way go on", event_name="daemon.ended")


async def _run(
    config: Config, sockets: list[socket], access: Access, descriptor: Descriptor, ready_fd: int | None
) -> None:
    async def listening() -> None:
        await asyncio.to_thread(write_descriptor, descriptor)
        await asyncio.to_thread(register, descriptor)
        _log.info("The daemon listens", event_name="daemon.listening", port=descriptor.port)
        _say(ready_fd, {"ready": True, "pid": descriptor.pid, "port": descriptor.port})

    async with Engine.running(config) as engine:
        server = Server(build_app(engine, access), listening)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, partial(_stop, engine, server))
        await server.serve(sockets=sockets)


def _stop(engine: Engine, server: Server) -> None:
    """The first signal ends politely, the second at once; the ledger is safe either way."""
    if server.should_exit:
        os._exit(Infrastructure.exit_code)
    _log.info("The daemon was told to stop", event_name="daemon.stopping")
    engine.close_feed()
    server.stop()


def _first_of(problem: BaseException) -> CodencerError:
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    if isinstance(problem, CodencerError):
        return problem
    return Infrastructure(f"a part of the daemon failed: {type(problem).__name__}: {problem}; agents go on")


def _give_up(given: argparse.Namespace, error: CodencerError) -> int:
    word = {"error": error.code, "message": error.message}
    _say(given.ready_fd, word)
    if given.check:
        sys.stdout.write(json.dumps(word) + "\n")
    sys.stderr.write(f"codencerd: {error.message}\n")
    return error.exit_code


def _say(ready_fd: int | None, word: dict[str, Any]) -> None:
    """Tell whoever started us, once; they may have gone."""
    if ready_fd is None:
        return
    with contextlib.suppress(OSError), os.fdopen(ready_fd, "wb") as file:
        file.write(json.dumps(word).encode() + b"\n")
