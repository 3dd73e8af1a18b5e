"""Who gets in over TCP: the token, our own address, and no web page of another origin."""

import pytest

from codencer.api.access import Access
from codencer.errors import Forbidden, Unauthorized

ACCESS = Access(port=8085, token="secret")
GOOD = {"host": "127.0.0.1:8085", "authorization": "Bearer secret"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"host": "localhost:8085"},
        {"host": "[::1]:8085"},
        {"authorization": "bearer secret"},
        {"origin": "http://127.0.0.1:8085"},
        {"origin": "http://localhost:8085"},
    ],
)
def test_let_in(more: dict[str, str]) -> None:
    ACCESS.check(GOOD | more)


@pytest.mark.parametrize(
    "more",
    [
        {"host": "evil.example:8085"},  # a DNS name rebound to this machine
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:8086"},
        {"host": ""},
        {"host": "127.0.0.1:8085.evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "https://127.0.0.1:8085"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "null"},
        {"origin": ""},
    ],
)
def test_another_host_or_origin_is_forbidden(more: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        ACCESS.check(GOOD | more)


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer wrong", "Bearer secrets", "Basic secret", "sécret"]
)
def test_without_the_token_nobody_gets_in(authorization: str) -> None:
    with pytest.raises(Unauthorized):
        ACCESS.check(GOOD | {"authorization": authorization})


def test_the_token_is_not_shown_by_accident() -> None:
    assert "secret" not in repr(ACCESS)
