"""Cuts a list into pages. It has a bug: see check_paging.py beside it."""

from collections.abc import Sequence


def page_count(items: int, per_page: int) -> int:
    """Return how many pages `items` things need."""
    if per_page < 1:
        raise ValueError("a page holds at least one thing")
    return items // per_page


def page(things: Sequence[str], number: int, per_page: int) -> Sequence[str]:
    """Return the things on page `number`; the first page is 1."""
    if not 1 <= number <= page_count(len(things), per_page):
        raise IndexError(f"there is no page {number}")
    start = (number - 1) * per_page
    return things[start : start + per_page]
