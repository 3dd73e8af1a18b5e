"""Every error survives the way over HTTP: the same class, the same words."""

import json
from collections.abc import Iterator

import pytest

from codencer import errors
from codencer.client.problems import error_from


def tree(kind: type[errors.CodencerError]) -> Iterator[type[errors.CodencerError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from tree(each)


@pytest.mark.parametrize("kind", list(tree(errors.CodencerError)))
def test_there_and_back(kind: type[errors.CodencerError]) -> None:
    document = {"code": kind.code, "detail": "what happened", "status": kind.http_status}
    error = error_from(kind.http_status, json.dumps(document).encode())
    assert type(error) is kind
    assert error.message == "what happened"


def test_an_unknown_code_is_judged_by_its_status() -> None:
    body = json.dumps({"code": "of the future", "detail": "x"}).encode()
    assert type(error_from(418, body)) is errors.InvalidInput
    assert type(error_from(500, body)) is errors.CodencerError


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code": "x"}'])
def test_what_is_no_problem_document_is_not_our_daemon(body: bytes) -> None:
    assert isinstance(error_from(200, body), errors.DaemonUnreachable)
