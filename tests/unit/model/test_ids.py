"""Ids: ours never collide and sort by age; the planner's are refused unless safe everywhere."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codencer.errors import InvalidInput
from codencer.model.ids import LONGEST_NAME, IdKind, check_name, new_id, shown


@pytest.mark.parametrize("kind", list(IdKind))
def test_an_id_is_its_kind_and_26_characters(kind: IdKind) -> None:
    prefix, _, rest = new_id(kind).partition("_")
    assert prefix == kind.value
    assert len(rest) == 26
    assert set(rest) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_an_id_is_a_uuid_of_version_7() -> None:
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    value = 0
    for digit in new_id(IdKind.STEP).removeprefix("step_"):
        value = value << 5 | alphabet.index(digit)
    assert value.bit_length() <= 128
    assert value >> 76 & 0xF == 7
    assert value >> 62 & 0b11 == 0b10


def test_ids_sort_by_age() -> None:
    made = [new_id(IdKind.STEP) for _ in range(5000)]
    assert made == sorted(made)


def test_many_ids_in_one_second_from_many_threads_are_all_different() -> None:
    made: list[list[str]] = [[] for _ in range(8)]
    start = threading.Barrier(8)

    def make(mine: list[str]) -> None:
        start.wait(10)
        mine.extend(new_id(IdKind.STEP) for _ in range(2000))

    threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({each for mine in made for each in mine}) == 8 * 2000
    assert all(mine == sorted(mine) for mine in made)


def test_the_shown_end_tells_ids_of_one_moment_apart() -> None:
    made = [new_id(IdKind.STEP) for _ in range(200)]
    assert len({shown(each) for each in made}) == 200


@pytest.mark.parametrize(
    "name", ["a", "A1", "_x", "0", "bug-fix", "v1.2.3", "a" * LONGEST_NAME, "CON", "a.", "a..b"]
)
def test_usable_names(name: str) -> None:
    assert check_name(name, "run id") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "-rf",
        "a/b",
        "../x",
        "/etc",
        "a b",
        " a",
        "a\n",
        "a\0b",
        "a\tb",
        "a\x1b[2J",
        "a\u202eb",
        "a\u200bb",
        "é",
        "\uff11",
        "a\\b",
        "a:b",
        "a*",
        "$(id)",
        "a;b",
        "\ud800",
        "a" * (LONGEST_NAME + 1),
    ],
)
def test_unusable_names(name: str) -> None:
    with pytest.raises(InvalidInput, match="run id") as caught:
        check_name(name, "run id")
    assert caught.value.message.isprintable()


@given(st.text(max_size=70))
def test_what_is_accepted_is_safe_in_a_path_and_a_shell(name: str) -> None:
    try:
        check_name(name, "id")
    except InvalidInput:
        return
    assert name.isascii()
    assert name.isprintable()
    assert 1 <= len(name) <= LONGEST_NAME
    assert not set(name) & set("/\\ '\"$&;|<>*?()[]{}!#~`:")
    assert name[0] not in ".-"
