"""The life of a daemon: one for each repository, quiet, ended without ending an agent."""

import json
import os
import select
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

IDLE_SECONDS = 2.0
SIMULATED = ("--adapter", "simulation")


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=50)
    return process.returncode, out, err


def gone(pid: int, seconds: float = 20) -> bool:
    """Wait for a process that need not be our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def test_a_second_daemon_is_refused(place: Any) -> None:
    first = place.json("start")
    code, _, err = ended(place.daemon())
    assert code == 1
    assert str(first["pid"]) in err
    assert place.json("instance")["pid"] == first["pid"]
    assert place.json("start")["started"] is False


def test_many_commands_at_once_start_one_daemon(place: Any) -> None:
    commands = [place.open("run", "start", f"r{n}", "--json") for n in range(4)]
    done = [ended(command) for command in commands]
    assert [code for code, _, _ in done] == [0, 0, 0, 0], done
    assert sum("started the daemon" in err for _, _, err in done) == 1
    assert len(place.json("run", "list")) == 4


def test_autostart_can_be_refused(place: Any) -> None:
    refused = place.run("run", "list", "--no-autostart", "--json")
    assert (refused.code, refused.json["error"]) == (5, "daemon_unreachable")
    assert place.run("ps").code == 5
    assert not (place.state / "daemon.json").exists()


def test_no_daemon_is_started_inside_an_attempt(place: Any) -> None:
    refused = place.run("run", "list", "--json", env={"CODENCER_LAUNCH": "marker"})
    assert (refused.code, refused.json["error"]) == (1, "forbidden")
    assert not (place.state / "daemon.json").exists()


def test_ready_line_and_clean_end(place: Any) -> None:
    reader, writer = os.pipe()
    process = place.daemon("--ready-fd", str(writer), pass_fds=[writer])
    os.close(writer)
    with os.fdopen(reader) as ready:
        word = json.loads(ready.readline())
        assert ready.read() == ""
    assert word["ready"]
    assert word["pid"] == process.pid
    found = place.json("instance")
    assert found["port"] == word["port"]
    assert stat.S_IMODE(place.state.stat().st_mode) == 0o700
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (0, "", "")
    assert not (place.state / "daemon.json").exists()
    assert not Path(found["socket"]).exists()
    assert not place.json("ps", "--all")
    lines = [json.loads(line) for line in (place.state / "daemon.log").read_text().splitlines()]
    assert lines[-1]["event_name"] == "daemon.ended"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_or_a_public_address_is_refused(place: Any, host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = place.run("start", "--port", str(port), "--host", host, "--json")
        if host == "127.0.0.1":
            assert (done.code, done.json["error"]) == (5, "infrastructure")
            assert f"port {port}" in done.json["message"]
            assert "--port" in done.json["message"]
        else:
            assert (done.code, done.json["error"]) == (1, "invalid_input")
    assert not (place.state / "codencer.db").exists()
    assert place.run("start").code == 0


def test_agents_outlive_the_daemon_and_are_waited_for_across_it(place: Any) -> None:
    place.json("run", "start", "r")
    mark = place.top.parent / "go"
    goal = f"simulate: run while [ ! -e {mark} ]; do sleep 0.05; done\nsimulate: write x.txt x"
    step = place.json("submit", "r", "--goal", goal, *SIMULATED)["id"]
    place.run("step", "logs", step)
    waiting = place.open("step", "wait", step, "--json")
    follow_until(place, step, "agent.started")
    first = place.json("instance")["pid"]
    stopped = place.json("stop")
    assert [each["id"] for each in stopped["agents"]] == [step]
    assert gone(first)
    assert "still at work" in place.run("purge", "--yes").err
    again = place.json("start")
    assert again["pid"] != first
    mark.touch()
    code, out, err = ended(waiting)
    assert code == 0, err
    assert json.loads(out)["state"] == "completed"


def follow_until(place: Any, step: str, kind: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(place.json("instance")["socket"])
        connection.sendall(f"GET /api/v1/events?step={step} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        data = b""
        while f"event: {kind}".encode() not in data:
            more = connection.recv(65536)
            assert more, data
            data += more


def test_stop_with_kill_leaves_no_agent(place: Any) -> None:
    place.json("run", "start", "r")
    step = place.json("submit", "r", "--goal", "simulate: hang", *SIMULATED)["id"]
    follow_until(place, step, "agent.started")
    stopped = place.json("stop", "--kill")
    assert stopped["agents"] == []
    assert place.json("step", "wait", step, code=4)["state"] == "cancelled"


def test_an_idle_daemon_sleeps(place: Any) -> None:
    place.json("run", "start", "r")
    place.json("submit", "r", "--goal", "simulate: say x", *SIMULATED, "--wait")
    pid = place.json("instance")["pid"]
    with socket.socket(socket.AF_UNIX) as follower:  # someone who follows the events costs nothing either
        follower.connect(place.json("instance")["socket"])
        follower.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        follower.recv(65536)
        # Timers of the connections before (5 s at most) and the clean-up of the workspace run out first.
        deadline = time.monotonic() + 15
        while (woken := wake_ups(pid)) > 0 and time.monotonic() < deadline:
            pass
    assert woken == 0
    resident = next(int(line.split()[1]) for line in status(pid).splitlines() if line.startswith("VmRSS"))
    assert resident < 90 * 1024


def status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


def wake_ups(pid: int) -> int:
    """How often the process slept and woke in a while: its voluntary context switches."""

    def count() -> int:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        lines = (line for task in tasks for line in (task / "status").read_text().splitlines())
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))

    before = count()
    select.select([], [], [], IDLE_SECONDS)
    return count() - before


def test_a_daemon_of_another_version_is_named_with_the_way_out(place: Any) -> None:
    place.json("start")
    path = place.state / "daemon.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps(described | {"api_version": 99, "a_key_of_the_future": True}))
    refused = place.run("run", "list", "--json")
    assert (refused.code, refused.json["error"]) == (5, "incompatible_version")
    assert "codencer stop" in refused.json["message"]
    assert place.json("stop")["stopped"]


def test_what_a_crash_left_behind_is_replaced(place: Any) -> None:
    pid = place.json("start")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert (place.state / "daemon.json").exists()
    assert place.json("run", "start", "r")["id"] == "r"
    assert place.json("instance")["pid"] != pid


def test_the_environment_can_name_the_daemon(place: Any, tmp_path: Path) -> None:
    base_url = place.json("start")["base_url"]
    named = {"ORCHESTRATORD_URL": base_url}
    assert place.run("run", "list", "--json", cwd=tmp_path, env=named).json == []
    token = tmp_path / "token"
    token.write_text("wrong")
    refused = place.run("run", "list", "--json", env=named | {"CODENCER_TOKEN_FILE": str(token)})
    assert (refused.code, refused.json["error"]) == (1, "unauthorized")
    nobody = place.run("run", "list", "--json", env={"CODENCER_URL": "http://127.0.0.1:1"})
    assert (nobody.code, nobody.json["error"]) == (5, "daemon_unreachable")


def test_offline_checks(place: Any) -> None:
    code, out, _ = ended(place.daemon("--check", "ledger"))
    assert (code, json.loads(out)["error"]) == (1, "not_found")
    place.json("run", "start", "r")
    code, out, _ = ended(place.daemon("--check", "ledger"))
    assert (code, json.loads(out)["ok"]) == (0, True)


def test_a_large_log_is_moved_aside(place: Any) -> None:
    place.state.mkdir(mode=0o700)
    log = place.state / "daemon.log"
    log.write_bytes(b"x" * (5 * 1024 * 1024 + 1))
    place.json("start")
    assert log.stat().st_size < 100_000
    assert (place.state / "daemon.log.1").stat().st_size > 5 * 1024 * 1024


def test_doctor_repairs_what_is_safe(place: Any) -> None:
    pid = place.json("start")["pid"]
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    (place.state / "token").chmod(0o644)
    mended = [each for each in place.json("doctor", "--repair")["checks"] if each["name"] == "repaired"]
    for what in ("token private again", "daemon.json of process", ".sock of process", "out of the registry"):
        assert sum(what in each["detail"] for each in mended) == 1, mended
    assert len(mended) == 4, mended
    assert stat.S_IMODE((place.state / "token").stat().st_mode) == 0o600
    assert not (place.state / "daemon.json").exists()


def test_simulation_mode_is_told(place: Any) -> None:
    assert place.json("start", "--simulation")["execution_mode"] == "simulation"
    assert place.run("start", "--simulation").code == 0
    assert place.json("instance")["execution_mode"] == "simulation"
