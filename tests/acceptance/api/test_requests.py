"""Requests and answers: statuses of the contract, lists, the OpenAPI document, events."""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]
NewRun = Callable[[], str]

ECHO = "simulate: say one\nsimulate: say two"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "runs", "{", 400, "malformed_input"),
        ("POST", "runs", "{'id': 1}", 400, "malformed_input"),
        ("POST", "runs", '{"id": "a", "id": "b"}', 422, "invalid_input"),
        ("POST", "runs", '{"idd": "a"}', 422, "invalid_input"),
        ("POST", "runs", '{"id": 1}', 422, "invalid_input"),
        ("POST", "runs", '{"id": "a/b"}', 422, "invalid_input"),
        ("POST", "runs", '{"id": "../x"}', 422, "invalid_input"),
        ("POST", "runs", '{"id": "a b"}', 422, "invalid_input"),
        ("POST", "runs", '{"id": "a\\u202eb"}', 422, "invalid_input"),
        ("POST", "runs", '{"id": "a\\u0000b"}', 422, "invalid_input"),
        ("POST", "runs", '{"id": "' + "x" * 65 + '"}', 422, "invalid_input"),
        ("PATCH", "runs/none", '{"action": "explode"}', 422, "invalid_input"),
        ("PATCH", "runs/none", '{"action": "abort"}', 404, "not_found"),
        ("POST", "runs/none/steps", '{"text": "goal: x"}', 404, "not_found"),
        ("POST", "runs/none/steps", '{"text": 1}', 422, "invalid_input"),
        ("GET", "runs/none", None, 404, "not_found"),
        ("GET", "steps/none", None, 404, "not_found"),
        ("GET", "steps/none%2F..%2F..", None, 404, "not_found"),
        ("GET", "steps/none/logs", None, 404, "not_found"),
        ("GET", "steps/none/logs?stream=both", None, 422, "invalid_input"),
        ("GET", "runs?state=lost", None, 422, "invalid_input"),
        ("GET", "events?after=-1", None, 422, "invalid_input"),
        ("GET", "events?after=x", None, 422, "invalid_input"),
        ("GET", "events?kinds=of.the.future", None, 422, "invalid_input"),
        ("GET", "events?step=none", None, 404, "not_found"),
        ("GET", "artifacts/none/content", None, 404, "not_found"),
        ("GET", "gates/none", None, 404, "not_found"),
        ("GET", "nothing", None, 404, "not_found"),
        ("DELETE", "runs", None, 405, "method_not_allowed"),
    ],
)
def test_refusals(unix: Ask, method: str, path: str, body: str | None, status: int, code: str) -> None:
    before = unix("GET", "/api/v1/runs").body
    headers = {} if body is None else {"Content-Type": "application/json"}
    refused = unix(method, f"/api/v1/{path}", body=body, headers=headers)
    assert (refused.status, refused.code) == (status, code), refused
    assert unix("GET", "/api/v1/runs").body == before


def test_lists_are_never_null(unix: Ask, new_run: NewRun) -> None:
    run = new_run()
    for path in (f"runs/{run}/steps", f"runs/{run}/gates", f"gates?run={run}", "runs?project=nobody"):
        assert unix("GET", f"/api/v1/{path}").json == []


def test_a_run_id_is_unique_whatever_its_case(unix: Ask) -> None:
    assert unix("POST", "/api/v1/runs", body={"id": "Only-Once", "planner": "p"}).status == 201
    refused = unix("POST", "/api/v1/runs", body={"id": "only-once"})
    assert (refused.status, refused.code) == (409, "conflict")


def test_a_step_from_submission_to_evidence(unix: Ask, new_run: NewRun) -> None:
    run = new_run()
    made = unix(
        "POST",
        f"/api/v1/runs/{run}/steps",
        body={"text": ECHO, "format": "text", "overrides": {"adapter_profile": "simulation", "step_id": "a"}},
    )
    assert made.status == 201, made
    step = made.json["id"]
    follow = unix("GET", f"/api/v1/steps/{step}/logs?follow=true")
    assert follow.body.decode().startswith("one\ntwo\n")
    wait_for_settled(unix, step)
    found = unix("GET", f"/api/v1/steps/{run}%2Fa").json
    assert (found["id"], found["state"], found["settled"]) == (step, "completed", True)
    assert unix("GET", f"/api/v1/steps/{step}/logs?offset=-4").body == follow.body[-4:]
    result = unix("GET", f"/api/v1/steps/{step}/result").json
    assert (result["step_id"], result["state"]) == (step, "completed")
    artifacts = unix("GET", f"/api/v1/steps/{step}/artifacts").json
    stdout = next(each for each in artifacts if each["name"] == "stdout.log")
    assert unix("GET", f"/api/v1/artifacts/{stdout['id']}/content").body == follow.body
    assert len(unix("GET", f"/api/v1/steps/{step}/attempts").json) == 1
    assert unix("GET", f"/api/v1/steps/{step}/diff").headers["content-type"].startswith("text/x-diff")
    again = unix("POST", f"/api/v1/steps/{step}/retry", body={})
    assert (again.status, again.code) == (409, "conflict")
    answer = unix("POST", f"/api/v1/steps/{step}/answer", body={"text": "42"})
    assert (answer.status, answer.code) == (409, "conflict")
    cancelled = unix("POST", f"/api/v1/steps/{step}/cancel")
    assert (cancelled.status, cancelled.code) == (409, "conflict")


def wait_for_settled(unix: Ask, step: str) -> None:
    """Reading the stream ends when the step has settled, because the reader hangs up then."""
    path = json.loads(unix("GET", "/api/v1/instance").body)["socket"]
    events = stream(path, f"/api/v1/events?step={step}&kinds=step.settled", b"step.settled")
    assert b"event: step.settled" in events


def stream(socket_path: str, target: str, until: bytes, headers: str = "") -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(socket_path)
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        data = b""
        while until not in data:
            more = connection.recv(65536)
            assert more, data
            data += more
        return data


def ids(data: bytes) -> list[int]:
    return [int(line[4:]) for line in data.splitlines() if line.startswith(b"id: ")]


def test_events_are_replayed_from_the_cursor(unix: Ask, instance: dict[str, Any], new_run: NewRun) -> None:
    run = new_run()
    path = instance["socket"]
    data = stream(path, f"/api/v1/events?run={run}", b"run.created")
    assert b"text/event-stream" in data
    [seq] = ids(data)
    unix("PATCH", f"/api/v1/runs/{run}", body={"action": "pause"})
    for target, headers in (
        (f"/api/v1/events?run={run}&after={seq}", ""),
        (f"/api/v1/events?run={run}&after=0", f"Last-Event-ID: {seq}\r\n"),
    ):
        behind = stream(path, target, b"run.advanced", headers)
        assert min(ids(behind)) > seq
    record = json.loads(data.split(b"data: ")[1].split(b"\n")[0])
    assert (record["kind"], record["run_id"], record["seq"]) == ("run.created", run, seq)


def test_probes(tcp: Ask) -> None:
    assert tcp("GET", "/health").json == {"status": "ok"}
    version = tcp("GET", "/version")
    assert version.json["api_version"] == 1
    assert version.headers["codencer-api-version"] == "1"
    assert b"codencer_attempts_running 0" in tcp("GET", "/metrics").body


def test_the_openapi_document_is_whole(unix: Ask, new_run: NewRun) -> None:
    document = unix("GET", "/openapi.json").json
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["description" if "description" in operation else "summary"], (path, method)
            assert "default" in operation["responses"]
            if method in ("post", "patch"):
                body = operation["requestBody"]["content"]["application/json"]["schema"]
                assert not schemas[body["$ref"].rpartition("/")[2]].get("additionalProperties", True)
    run = new_run()
    assert set(schemas["RunView"]["properties"]) == set(unix("GET", f"/api/v1/runs/{run}").json)


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(references(each) for each in value))
    return set()
