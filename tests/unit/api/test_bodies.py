"""Bodies are decoded strictly: what cannot be parsed is 400, what is wrong is 422, never a guess."""

from dataclasses import dataclass, field

import pytest

from codencer.api.bodies import parse
from codencer.api.runs import ChangeRun, StartRun, SubmitStep
from codencer.errors import InvalidInput, MalformedInput


@dataclass(frozen=True, kw_only=True)
class Inner:
    flag: bool = False


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner = Inner()
    number: int = 0
    items: tuple[Inner, ...] = field(default=())


def test_no_bytes_mean_an_empty_object() -> None:
    assert parse(Outer, b"") == Outer()


@pytest.mark.parametrize(
    "data", [b"{", b"nonsense", b'{"number": 1,}', b"\xff\xfe", b'"\x00"', b"[" * 100_000]
)
def test_not_json(data: bytes) -> None:
    with pytest.raises(MalformedInput) as caught:
        parse(Outer, data)
    assert caught.value.http_status == 400


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[]", "mapping"),
        (b"null", "mapping"),
        (b'{"nmber": 1}', "nmber: unknown key"),
        (b'{"inner": {"flags": true}}', "inner.flags: unknown key"),
        (b'{"items": [{"flags": true}]}', "items.0.flags: unknown key"),
        (b'{"inner": {"flag": "yes"}}', "inner.flag: expected"),
        (b'{"inner": {"flag": 1}}', "inner.flag: expected"),
        (b'{"number": "1"}', "number: expected"),
        (b'{"number": 1.0}', "number: expected"),
        (b'{"number": true}', "number: expected"),
        (b'{"number": NaN}', "NaN"),
        (b'{"number": 1, "number": 2}', "given twice"),
        (b'{"inner": {"flag": true, "flag": false}}', "given twice"),
        (b'{"number": null}', "number"),
    ],
)
def test_wrong(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        parse(Outer, data)
    assert caught.value.http_status == 422


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        parse(StartRun, b'{"id": "\\ud800"}')


def test_what_must_be_given_is_named() -> None:
    with pytest.raises(InvalidInput, match="text: missing"):
        parse(SubmitStep, b"{}")
    with pytest.raises(InvalidInput, match="action: expected one of abort"):
        parse(ChangeRun, b'{"action": "explode"}')
