"""Where attacks are tried: a user's machine in small, with secrets in it, and the real daemon."""

import json
import os
import secrets
import select
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.acceptance.escapes.attacks import PRELUDE, Attack

from codencer.client.daemon import Daemon, path
from codencer.client.http import Endpoint
from codencer.client.wait import wait_for_step
from codencer.errors import DaemonUnreachable

FILES = {
    ".codencer/policies/ask.yaml": "version: v1\nname: ask\ngate_when: {paths: ['**']}\ncontinue_when: {}\n",
    ".codencer/config.toml": '[adapters.projects_own]\ncommand = ["true"]\n',
    ".gitignore": ".env\n",
    "tests/test.txt": "as it was\n",
    "kept/test.txt": "the user's\n",
    "check.py": "print('checked')\n",
}
VICTIM = """\
import pathlib, time
pathlib.Path("secret.txt").write_text({secret!r})
print("ready", flush=True)
time.sleep(600)
"""
SECONDS = 60


class Arena:
    """One place and its daemon; `facts` is what every attack is told, `secrets` what none must get."""

    def __init__(self, place: Any, attacks: Sequence[Attack], temporary: Path) -> None:
        self.place, self.home, self.config = (
            place,
            Path(place.env["HOME"]),
            Path(place.env["HOME"], ".config/codencer"),
        )
        names = (
            "env",
            "ssh",
            "uncommitted",
            "victim",
            "temporary",
            "environment",
            "socket",
            "hidden",
            "hidden-goal",
        )
        self.secrets = {name: f"secret-{secrets.token_hex(8)}" for name in names}
        self.folders: dict[str, Path] = {
            "checkout": place.top,
            "home": self.home,
            "config": self.config,
            "user_state": self.home / ".local/state/codencer",
        }
        self.handles: list[int] = []
        self.daemon_died = False
        self.scripts: Path = place.top.parent / "attacks"
        self._furnish(attacks, temporary)
        self.initial = {name: self._path(name).read_bytes() for name in self._seen()}
        self.facts: dict[str, Any] = {name: str(folder) for name, folder in self.folders.items()}
        self.facts |= {
            "temporary": str(temporary),
            "user_socket": place.env["XDG_RUNTIME_DIR"] + "/agent.sock",
        }

    def _furnish(self, attacks: Sequence[Attack], temporary: Path) -> None:
        tables = [*(each.name for each in attacks), "victim"]
        for folder in (
            self.scripts,
            self.config,
            self.home / ".ssh",
            self.home / "bin",
            self.folders["user_state"],
        ):
            folder.mkdir(parents=True, exist_ok=True)
        commands = {name: json.dumps([sys.executable, str(self._script(name))]) for name in tables}
        lines = [f"[adapters.{name}]\ncommand = {command}\n" for name, command in commands.items()]
        (self.config / "config.toml").write_text("\n".join(lines))
        (self.config / "env").touch(0o600)
        (self.config / "env").write_text(f"KEY={self.secrets['env']}\n")
        (self.home / ".ssh/id_ed25519").write_text(self.secrets["ssh"])
        (self.home / ".profile").write_text("PATH=~/bin:$PATH\n")
        (self.home / "linked").write_text("the user's\n")
        (self.home / "bin/tool").write_text("#!/bin/sh\necho tool\n")
        (self.place.top / ".env").write_text(self.secrets["uncommitted"])
        temporary.write_text(self.secrets["temporary"])
        self._script("victim").write_text(VICTIM.format(secret=self.secrets["victim"]))
        self.place.env["ESCAPES_SECRET"] = self.secrets["environment"]
        self.place.env["PATH"] = f"{self.home / 'bin'}:{self.place.env['PATH']}"

    def _seen(self) -> list[str]:
        return [
            *("checkout/README.md", "checkout/kept/test.txt", "checkout/.git/config", "config/config.toml"),
            *("home/.profile", "home/linked", "home/bin/tool"),
        ]

    def _script(self, name: str) -> Path:
        return self.scripts / f"{name}.py"

    def _path(self, name: str) -> Path:
        folder, _, rest = name.partition("/")
        return self.folders[folder] / rest

    def open(self) -> None:
        """Start the daemon, and all that there is to attack."""
        place = self.place
        place.json("start")
        place.json("run", "start", "r")
        self._look_at_the_daemon()
        hidden = {"name": "hidden", "command": f"true {self.secrets['hidden']}", "hidden": True}
        asked = {"goal": self.secrets["hidden-goal"], "policy_bundle": "ask", "validations": [hidden]}
        gated = self.settle(self.submit({**asked, "adapter_profile": "simulation"}))
        assert gated["state"] == "needs_approval", gated
        victim = self.submit({"goal": "wait", "adapter_profile": "victim", "timeout_seconds": 0})
        self._await_output(victim)
        attempt = self.daemon.get(path("steps", victim, "attempts"))[0]
        self.folders["victim_workspace"] = Path(attempt["workspace"])
        claim = (place.state / "launches" / attempt["id"] / "agent-1" / "claim").read_text().splitlines()
        self.facts["victim"] = json.loads(claim[1])["agent"]
        self.victim = os.pidfd_open(self.facts["victim"])
        self.handles.append(self.victim)
        self.facts |= {
            "victim_workspace": attempt["workspace"],
            "gate": gated["gate_id"],
            "gate_tree": gated["validated_tree"],
            "snapshot_ref": f"refs/codencer/attempts/{gated['attempt_id']}",
            "codencer": place.command(),
            "environment": [
                f"{name}={place.env[name]}"
                for name in ("HOME", "PATH", "XDG_RUNTIME_DIR", "PYTHONPATH", "PYTHONPYCACHEPREFIX")
            ],
        }

    def close(self) -> None:
        for handle in self.handles:
            os.close(handle)

    def _look_at_the_daemon(self) -> None:
        found = self.place.json("instance")
        self.daemon = Daemon(Endpoint(unix=found["socket"]))
        self.keeper = os.pidfd_open(found["pid"])
        self.handles.append(self.keeper)
        self.secrets["token"] = Path(found["token_file"]).read_text().strip()
        self.facts |= {
            "daemon": found["pid"],
            "socket": found["socket"],
            "url": found["base_url"],
            "state": found["state_dir"],
        }

    def _await_output(self, step: str) -> None:
        with self.place.open("step", "logs", step, "--follow") as logs:
            assert "ready" in logs.stdout.readline()
            logs.kill()

    def submit(self, task: Mapping[str, object]) -> str:
        body = {"format": "json", "text": json.dumps(task), "cwd": str(self.place.top), "source_kind": "api"}
        return str(self.daemon.post(path("runs", "r", "steps"), body)["id"])

    def start(self, attack: Attack) -> str:
        """Have an agent do it; returns the step."""
        prelude = PRELUDE.format(facts=json.dumps(self.facts))
        self._script(attack.name).write_text(prelude + attack.code.strip() + "\n")
        return self.submit({"goal": attack.name, "adapter_profile": attack.name, **attack.task})

    def settle(self, step: str) -> dict[str, Any]:
        """Wait for the end of a step, whatever becomes of the daemon, and return the result."""
        try:
            wait_for_step(self.daemon, step, timeout=SECONDS, away=self._missed)
        except DaemonUnreachable:
            assert _has_ended(self.keeper)
            self.daemon_died = True
            self.place.json("start")
            self._look_at_the_daemon()
            wait_for_step(self.daemon, step, timeout=SECONDS)
        result: dict[str, Any] = self.daemon.get(path("steps", step, "result"))
        return result

    def _missed(self) -> None:
        raise DaemonUnreachable("the daemon is gone")

    def loot(self, result: Mapping[str, Any]) -> str:
        """What the agent carried out in its snapshot."""
        commit = result["snapshot_commit"]
        if commit is None or "loot.txt" not in self.place.git("ls-tree", "--name-only", commit):
            return ""
        return str(self.place.git("show", f"{commit}:loot.txt"))

    def artifact(self, result: Mapping[str, Any], name: str) -> str:
        where = result["artifacts"].get(name)
        return "" if where is None else (self.place.state / "artifacts" / where).read_text(errors="replace")

    def evidence(self, result: Mapping[str, Any]) -> str:
        return "\n".join(self.artifact(result, name) for name in result["artifacts"])

    def has_changed(self, name: str) -> bool:
        where = self._path(name)
        now = where.read_bytes() if where.exists() else None
        return now != self.initial.get(name)

    def has_table(self, name: str) -> bool:
        with closing(sqlite3.connect(f"file:{self.place.state / 'codencer.db'}?mode=ro", uri=True)) as ledger:
            found = ledger.execute("SELECT count(*) FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
        return bool(found[0])

    def has_run(self, name: str) -> bool:
        return name in {each["id"] for each in self.daemon.get(path("runs"))}

    def gate(self) -> str:
        return str(self.daemon.get(path("gates", self.facts["gate"]))["state"])

    def trusts_project(self) -> bool:
        with suppress(FileNotFoundError):
            return "projects_own" in (self.folders["user_state"] / "trusted.json").read_text()
        return False

    def lives(self, word: str) -> bool:
        for name in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if word.encode() in name.read_bytes().split(b"\0"):
                    return True
        return False

    def victim_lives(self) -> bool:
        return not _has_ended(self.victim)


def _has_ended(handle: int) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


@contextmanager
def answering(path: str, word: str) -> Iterator[None]:
    """A program of the user's that tells this word to whoever asks it over its socket."""

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                with listener.accept()[0] as connection:
                    connection.recv(100)
                    connection.sendall(word.encode())

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
