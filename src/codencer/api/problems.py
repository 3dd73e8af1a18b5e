"""The one place where an error becomes an HTTP answer: a problem document of RFC 9457.

`code` is the machine name of `codencer.errors`; `detail` is the message for a person. What we did
not raise on purpose is logged with its traceback and answered without it.
"""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from codencer.api.answers import encode_json
from codencer.errors import CodencerError, InvalidInput, MalformedInput, NotFound

MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger()


def problem(error: CodencerError) -> Response:
    """The answer an error of ours stands for."""
    headers = {"www-authenticate": "Bearer"} if error.http_status == HTTPStatus.UNAUTHORIZED else {}
    if error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "1"
    return _document(error.http_status, error.code, error.message, headers)


def _document(status: int, code: str, detail: str, headers: dict[str, str]) -> Response:
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return Response(encode_json(document), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of `app` leave as a problem document."""
    app.add_exception_handler(CodencerError, _ours)
    app.add_exception_handler(RequestValidationError, _query)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, CodencerError)
    if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("A request failed", event_name="request.failed", path=request.url.path, exc_info=error)
    return problem(error)


async def _query(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return problem(InvalidInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}"))


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem(NotFound(f"there is nothing at {request.url.path}; the paths are in /openapi.json"))
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not possible at {request.url.path}"
        return _document(error.status_code, "method_not_allowed", detail, dict(error.headers or {}))
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return problem(MalformedInput(str(error.detail)))
    return _document(error.status_code, "http", str(error.detail), dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> Response:
    _log.error("A request met a defect", event_name="request.defect", path=request.url.path, exc_info=error)
    return problem(CodencerError(f"a defect in the daemon: {type(error).__name__}; its log has the details"))
