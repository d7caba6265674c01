"""Charts of the figures, drawn by ourselves as SVG: sizes only, which a template turns into shapes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 160
GAP: Final = 0.25
"""The part of each bar's place that is left empty."""
LEVELS: Final = 5


@dataclass(frozen=True)
class Rectangle:
    """A part of a bar. `part`: which of the parts; the template gives each its own fill and pattern."""

    x: float
    y: float
    width: float
    height: float
    part: int
    title: str


@dataclass(frozen=True)
class StackedBars:
    """Bars made of parts that lie on each other. `top`: the number at the upper edge."""

    rectangles: Sequence[Rectangle]
    top: int


def stacked_bars(bars: Sequence[tuple[str, Sequence[int]]]) -> StackedBars:
    """Draw a bar for each label, of its parts from below."""
    top = max((sum(parts) for _, parts in bars), default=0)
    place = WIDTH / max(len(bars), 1)
    drawn: list[Rectangle] = []
    for n, (label, parts) in enumerate(bars):
        y = float(HEIGHT)
        for part, value in enumerate(parts):
            height = HEIGHT * value / top if top else 0.0
            y -= height
            if value:
                x, width = place * (n + GAP / 2), place * (1 - GAP)
                drawn.append(Rectangle(round(x, 2), round(y, 2), round(width, 2), round(height, 2), part, label))
    return StackedBars(drawn, top)


def level(value: int, most: int) -> int:
    """Return how dark a cell of a heat map is: 0 for nothing, up to 5 for the most."""
    return -(-LEVELS * value // most) if most > 0 else 0
