"""Opening hours of a small shop, as half-open intervals of minutes since midnight."""

Interval = tuple[int, int]


def parse(text: str) -> Interval:
    """Read '9:30-12' as (570, 720)."""
    start, _, end = text.partition("-")
    interval = _minutes(start), _minutes(end)
    if interval[0] >= interval[1]:
        raise ValueError(f"{text!r} ends before it begins")
    return interval


def _minutes(text: str) -> int:
    hours, _, minutes = text.strip().partition(":")
    return int(hours) * 60 + int(minutes or 0)


def merge(intervals: list[Interval]) -> list[Interval]:
    """Join intervals that overlap or touch; the result is sorted."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def minutes_open(texts: list[str]) -> int:
    """How long the shop is open in a day, double entries counted once."""
    return sum(end - start for start, end in merge([parse(text) for text in texts]))
