import unittest

from intervals import merge, minutes_open, parse


class IntervalsTest(unittest.TestCase):
    def test_parse(self) -> None:
        self.assertEqual(parse("9:30-12"), (570, 720))

    def test_parse_refuses_a_backward_interval(self) -> None:
        with self.assertRaises(ValueError):
            parse("12-9:30")

    def test_merge_overlapping(self) -> None:
        self.assertEqual(merge([(540, 720), (600, 780)]), [(540, 780)])

    def test_merge_touching(self) -> None:
        self.assertEqual(merge([(540, 720), (720, 780)]), [(540, 780)])

    def test_merge_one_within_another(self) -> None:
        self.assertEqual(merge([(540, 1080), (600, 660)]), [(540, 1080)])

    def test_minutes_open(self) -> None:
        self.assertEqual(minutes_open(["9-18", "10-11", "18-18:30"]), 570)


if __name__ == "__main__":
    unittest.main()
