"""The two listeners of a real daemon: who gets in, and with what kind of request."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., Any]


def test_the_unix_socket_needs_no_token_and_is_private(unix: Ask, instance: dict[str, Any]) -> None:
    assert unix("GET", "/api/v1/runs").status == 200
    for path in (Path(instance["socket"]), Path(instance["token_file"])):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    folder = Path(instance["socket"]).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_tcp_needs_the_token_for_everything(tcp: Ask) -> None:
    assert tcp("GET", "/api/v1/runs").status == 200
    for path in ("/health", "/version", "/metrics", "/openapi.json", "/api/v1/runs", "/nowhere"):
        for authorization in (None, "Bearer wrong"):
            refused = tcp("GET", path, headers={"Authorization": authorization})
            assert (refused.status, refused.code) == (401, "unauthorized")
            assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "attacker.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_rebound_names_and_foreign_pages_are_refused_even_with_the_token(
    tcp: Ask, headers: dict[str, str]
) -> None:
    refused = tcp("POST", "/api/v1/runs", body={}, headers=headers)
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "access-control-allow-origin" not in refused.headers


def test_no_page_is_let_in_by_a_preflight(tcp: Ask, instance: dict[str, Any]) -> None:
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    refused = tcp("OPTIONS", "/api/v1/runs", headers=asked | {"Authorization": None})
    assert refused.status == 403
    assert not [name for name in refused.headers if name.startswith("access-control")]
    own = {"Origin": f"http://127.0.0.1:{instance['port']}"}
    assert tcp("GET", "/api/v1/runs", headers=own).status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_form_of_a_web_page_is_no_request(unix: Ask, kind: str) -> None:
    before = unix("GET", "/api/v1/runs").json
    refused = unix("POST", "/api/v1/runs", body='{"id": "by-a-page"}', headers={"Content-Type": kind})
    assert (refused.status, refused.code) == (400, "malformed_input")
    assert unix("GET", "/api/v1/runs").json == before


def test_a_body_that_is_too_large_is_not_read(unix: Ask, instance: dict[str, Any]) -> None:
    refused = unix(
        "POST", "/api/v1/runs", body=b'"' + b"x" * 5_000_000, headers={"Content-Type": "application/json"}
    )
    assert (refused.status, refused.code) == (413, "too_large")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(instance["socket"])
        connection.sendall(
            b"POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        answer = b""
        try:
            for _ in range(100):
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it stopped listening
        while b"413" not in answer and (more := connection.recv(65536)):
            answer += more
    assert answer.startswith(b"HTTP/1.1 413")


def test_headers_that_say_two_things_are_refused(instance: dict[str, Any]) -> None:
    with socket.create_connection(("127.0.0.1", instance["port"]), 30) as connection:
        own = f"127.0.0.1:{instance['port']}"
        connection.sendall(
            f"GET /version HTTP/1.1\r\nHost: {own}\r\nAuthorization: Bearer a\r\n"
            "Authorization: Bearer b\r\n\r\n".encode()
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 400")


def test_only_loopback_is_listened_on(instance: dict[str, Any]) -> None:
    assert instance["host"] == "127.0.0.1"
    port = f"{instance['port']:04X}"
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    assert [place for place in listening if place.endswith(f":{port}")] == [f"0100007F:{port}"]
    assert os.getpid() != instance["pid"]
