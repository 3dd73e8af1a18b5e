"""Tests of paging.py; run with `python3 examples/buggy/check_paging.py`.

They fail until the bug is fixed. The name keeps them out of every test collection.
"""
# ruff: noqa: PT009, PT027

import unittest

from paging import page, page_count


class PageCount(unittest.TestCase):
    def test_full_pages(self) -> None:
        self.assertEqual(page_count(20, 10), 2)

    def test_last_page_is_not_full(self) -> None:
        self.assertEqual(page_count(21, 10), 3)

    def test_nothing_needs_no_page(self) -> None:
        self.assertEqual(page_count(0, 10), 0)


class Page(unittest.TestCase):
    def test_last_thing_is_on_the_last_page(self) -> None:
        self.assertEqual(page(["a", "b", "c"], 2, 2), ["c"])

    def test_no_page_after_the_last(self) -> None:
        with self.assertRaises(IndexError):
            page(["a", "b", "c"], 3, 2)


if __name__ == "__main__":
    unittest.main()
