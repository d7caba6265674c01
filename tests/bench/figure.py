"""A figure of the benchmarks, with its goal."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`value` None: it could not be measured, as `note` says. `goal` None: there is none. `unit` is written after it.

    `at_least`: the goal is the lowest value that meets it, otherwise the highest.
    """

    name: str
    value: float | None
    goal: float | None = None
    unit: str = ""
    at_least: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None if there is no goal."""
        if self.goal is None:
            return None
        if self.value is None:
            return False
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def row(self) -> str:
        """The figure as a row of a Markdown table."""
        value = "not measured" if self.value is None else _text(self.value, self.unit)
        goal = "" if self.goal is None else f"{'≥' if self.at_least else '≤'} {_text(self.goal, self.unit)}"
        met = {None: "", True: "met", False: "**missed**"}[self.is_met]
        return f"| {self.name} | {value} | {goal} | {met} | {self.note} |"


def _text(value: float, unit: str) -> str:
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f} {unit}".strip()
