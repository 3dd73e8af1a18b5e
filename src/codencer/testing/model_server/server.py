"""The server: one loopback port for all vendors and all agents, a thread for each connection.

It asks for no key and believes nothing: bodies are bounded, and whatever a client does ends at most
its own connection. Beside the vendors' paths there are `/tool/ID`, where a scripted command says that
it is at work; `/meet/NAME/COUNT/ID`, which answers once so many have asked; and `/journal/ID`, the
requests of one script as JSON.
"""

import json
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from codencer.testing.model_server.conversation import Conversation
from codencer.testing.model_server.dialects import Asked, find
from codencer.testing.model_server.dialects.dialect import INPUT_TOKENS
from codencer.testing.model_server.faults import FAULTS, MALFORMED, failure
from codencer.testing.model_server.journal import Journal, Request
from codencer.testing.model_server.meetings import Meetings
from codencer.testing.model_server.scenarios import SLEEP_SECONDS, Say
from codencer.testing.model_server.script import Script, newest
from codencer.testing.model_server.tools import Reply
from codencer.testing.model_server.turn import reply

LARGEST_BODY = 64 * 1024 * 1024
IDLE_SECONDS = 900
SHOWN = 200
_MODEL = {"id": "scripted-model", "object": "model", "created": 0, "owned_by": "codencer"}
_LOOPBACK = "127.0.0.1"


class ModelServer:
    """Serves while it is entered; `url` has no slash at its end."""

    def __init__(self, port: int = 0) -> None:
        self.journal, self.meetings = Journal(), Meetings()
        self.closing = threading.Event()
        self._mended: set[str] = set()
        self._http = _Http((_LOOPBACK, port), self)
        self._thread = threading.Thread(target=self._http.serve_forever, name="model-server", daemon=True)

    def mend(self, id: str) -> None:
        """From now on the faults of this script are over: it goes on as `edit`."""
        self._mended.add(id)

    def current(self, script: Script) -> Script:
        """The script as it is played at the moment."""
        if script.id in self._mended and script.name in FAULTS:
            return replace(script, name="edit")
        return script

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{_LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.meetings.close()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], owner: ModelServer) -> None:
        super().__init__(address, _Handler)
        self.owner = owner

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to tell; anything else is a defect of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # passed on as it came


class _Unreadable(Exception):
    """The body cannot be read; the message says why."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is logged: the journal has it."""

    @property
    def owner(self) -> ModelServer:
        return self.server.owner

    @property
    def plain_path(self) -> str:
        return self.path.partition("?")[0]

    def do_GET(self) -> None:
        path = self.plain_path
        place, _, id = path.removeprefix("/").partition("/")
        if place == "tool":
            self.owner.journal.note(Request(kind="tool", id=id, path=path))
            self._send({"at work": id})
        elif place == "meet":
            meeting, _, rest = id.partition("/")
            count, _, who = rest.partition("/")
            self.owner.meetings.attend(meeting, who, int(count) if count.isdecimal() else 2)
            self._send({"met": meeting})
        elif place == "journal":
            self._send({"requests": [asdict(each) for each in self.owner.journal.of(id)]})
        else:
            self.owner.journal.note(Request(kind="other", path=self.path[:SHOWN]))
            if path.endswith("/models"):
                self._send({"object": "list", "data": [_MODEL], "models": [], "has_more": False})
            else:
                self._refuse(404, "there is nothing here")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        path = self.plain_path
        try:
            body = self._body()
        except _Unreadable as problem:
            self.close_connection = True
            self._refuse(400, str(problem))
            return
        asked = find(path)
        if asked is not None:
            self._answer(asked, path, body)
        elif path.endswith("/count_tokens"):
            self._send({"input_tokens": INPUT_TOKENS})
        elif path.endswith(":countTokens"):
            self._send({"totalTokens": INPUT_TOKENS})
        else:
            self.owner.journal.note(Request(kind="other", path=self.path[:SHOWN]))
            self._refuse(404, "there is nothing here")

    def _answer(self, asked: Asked, path: str, body: Mapping[str, Any]) -> None:
        conversation = asked.dialect.read(body, model=asked.model, stream=asked.stream)
        script = self.owner.current(conversation.script or newest([path]) or Script())
        answer = reply(conversation, script, self.owner.url)
        self.owner.journal.note(_noted(asked, conversation, script, answer, self.path))
        self._hold(script)
        if (failed := failure(script, asked.dialect.name)) is not None:
            self._send(failed.body, failed.status, failed.headers)
        elif script.name == "malformed":
            self._send_bytes(MALFORMED, "text/event-stream" if conversation.stream else "application/json")
        elif script.name == "hang":
            self.owner.closing.wait(script.number("seconds", SLEEP_SECONDS))
            self.close_connection = True
        elif conversation.stream:
            self._stream(asked, conversation, script, answer)
        else:
            self._whole(asked.dialect.document(answer, conversation, script), script)

    def _hold(self, script: Script) -> None:
        if delay := script.number("delay", 0):
            self.owner.closing.wait(delay)
        if meeting := script.text("meet", ""):
            self.owner.meetings.attend(meeting, script.id, script.number("count", 2))

    def _stream(self, asked: Asked, conversation: Conversation, script: Script, answer: Reply) -> None:
        self.send_response(200)
        for name, value in (("type", "text/event-stream"), ("cache-control", "no-cache")):
            self.send_header(f"content-{name}" if name == "type" else name, value)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        pause = script.number("seconds", 5) / 4 if script.name == "slow" else 0
        for piece in asked.dialect.pieces(answer, conversation, script):
            text = piece.data if isinstance(piece.data, str) else json.dumps(piece.data)
            head = f"event: {piece.event}\n" if piece.event else ""
            self.wfile.write(f"{head}data: {text}\n\n".encode())
            if piece.words and script.name == "cut":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if piece.words and pause:
                self.owner.closing.wait(pause)

    def _whole(self, document: Mapping[str, Any], script: Script) -> None:
        if script.name == "slow":
            self.owner.closing.wait(script.number("seconds", 5))
        if script.name == "cut":
            # Promise more than comes.
            data = json.dumps(document).encode()
            self._head(200, "application/json", len(data), {})
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self._send(document)

    def _body(self) -> Mapping[str, Any]:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            raw = self._chunks()
        else:
            length = self.headers.get("content-length") or "0"
            if not length.isdecimal() or int(length) > LARGEST_BODY:
                raise _Unreadable(f"a body of {length[:20]} bytes is not taken")
            raw = self.rfile.read(int(length))
        try:
            body = json.loads(raw or b"{}")
        except (ValueError, RecursionError) as problem:
            raise _Unreadable("the body is no JSON") from problem
        if not isinstance(body, dict):
            raise _Unreadable("the body is no JSON object")
        return body

    def _chunks(self) -> bytes:
        pieces: list[bytes] = []
        left = LARGEST_BODY
        while True:
            try:
                size = int(self.rfile.readline(1024).partition(b";")[0].strip() or b"0", 16)
            except ValueError as problem:
                raise _Unreadable("a chunk has no length") from problem
            left -= size
            if left < 0:
                raise _Unreadable(f"a body of more than {LARGEST_BODY} bytes is not taken")
            pieces.append(self.rfile.read(size))
            self.rfile.readline(1024)
            if size == 0:
                return b"".join(pieces)

    def _refuse(self, status: int, message: str) -> None:
        self._send({"error": {"message": message, "type": "not_found_error"}}, status)

    def _send(self, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self._send_bytes(json.dumps(value).encode(), "application/json", status, headers)

    def _send_bytes(
        self, data: bytes, kind: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self._head(status, kind, len(data), headers or {})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, status: int, kind: str, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def _noted(asked: Asked, conversation: Conversation, script: Script, answer: Reply, path: str) -> Request:
    prompts = conversation.prompts
    return Request(
        kind=asked.dialect.name,
        id=script.id,
        scenario=script.name,
        model=conversation.model[:SHOWN],
        stream=conversation.stream,
        tools=tuple(conversation.tools),
        prompts=len(prompts),
        prompt_characters=len(prompts[-1]) if prompts else 0,
        results=len(conversation.results),
        reply=answer.text[:SHOWN]
        if isinstance(answer, Say)
        else f"{answer.tool.name} {answer.arguments}"[:SHOWN],
        path=path[:SHOWN],
    )
