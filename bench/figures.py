"""What a measurement yields, and the arithmetic and the table for it. Pure.

A figure whose goal is a ratio is taken from pairs: each value of the bridge is divided by the
bare one measured next to it, and the median of these quotients counts.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

MET, MISSED, OPEN = "met", "MISSED", "-"
HEADINGS = ("measured", "goal", "now", "verdict", "beside it")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table: `goal` None means that no budget was set for it.

    `want` says on which side of the goal the value must lie; `beside` is what it is to be
    compared with, in words.
    """

    group: str
    name: str
    value: float
    unit: str
    goal: float | None = None
    want: Literal["at most", "at least"] = "at most"
    beside: str = ""
    samples: tuple[float, ...] = ()

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return OPEN
        kept = self.value <= self.goal if self.want == "at most" else self.value >= self.goal
        return MET if kept else MISSED

    def document(self) -> dict[str, Any]:
        """The figure as it is kept, rounded to what can be told apart."""
        rounded = {"value": round(self.value, 4), "samples": [round(each, 4) for each in self.samples]}
        return {**asdict(self), **rounded, "verdict": self.verdict}


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Values measured alternately: the bridge's and the bare script's, in the same unit."""

    bridge: tuple[float, ...]
    bare: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(bridge / bare for bridge, bare in zip(self.bridge, self.bare, strict=True))

    def beside(self, unit: str) -> str:
        """Both medians and the ratio in words."""
        ours, plain = shown(median(self.bridge)), shown(median(self.bare))
        return f"bridge {ours} {unit}, bare {plain} {unit}: {self.ratio:.2f} x"


def paired(rounds: Sequence[tuple[float, float]]) -> Pairs:
    """Turn (bridge, bare) rounds into two columns."""
    if not rounds:
        raise ValueError("nothing was measured")
    return Pairs(bridge=tuple(bridge for bridge, _ in rounds), bare=tuple(bare for _, bare in rounds))


def spread(samples: Sequence[float]) -> str:
    """The range of samples in words, for values that were measured several times."""
    return f"{shown(min(samples))} to {shown(max(samples))} in {len(samples)} runs"


def shown(value: float) -> str:
    """A number with as many digits as mean something."""
    size = abs(value)
    if size >= 100 or value == round(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def table(figures: Sequence[Figure]) -> str:
    """All figures as aligned text, goal and value side by side."""
    rows = [HEADINGS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    ruled = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return "\n".join(_line(row, widths) for row in ruled)


def _row(figure: Figure) -> tuple[str, ...]:
    goal = "none" if figure.goal is None else f"{figure.want} {shown(figure.goal)} {figure.unit}"
    return figure.name, goal.strip(), f"{shown(figure.value)} {figure.unit}", figure.verdict, figure.beside


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
