"""The colours of the charts as people with each kind of colour blindness see them, in light and dark.

The simulation is that of Machado, Oliveira and Fernandes, «A Physiologically-based Model for Simulation of Color Vision
Deficiency» (2009), at full severity. Distances are CIE 1976 ΔE; contrast is that of WCAG 2.
"""

import re
from collections.abc import Sequence

import pytest

from api.console.rendering import TEMPLATES
from desk.paths import ROOT

STATIC = ROOT / "api/console/static"
FAR = 20.0
"""Ten times what an eye just notices."""
GRAPHICS = 3.0
"""The contrast that WCAG 1.4.11 asks of graphics."""
SIGHT = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
WHITE = (0.9505, 1.0, 1.089)

Linear = Sequence[float]


def times(matrix: Sequence[Sequence[float]], colour: Linear) -> list[float]:
    return [sum(a * b for a, b in zip(row, colour, strict=True)) for row in matrix]


def seen(colour: str, sight: str) -> list[float]:
    """A colour in linear RGB, as it is seen."""
    digits = colour.removeprefix("#")
    full = digits if len(digits) == 6 else "".join(each * 2 for each in digits)
    parts = [int(full[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return [min(max(each, 0.0), 1.0) for each in times(SIGHT[sight], linear)]


def distance(first: Linear, second: Linear) -> float:
    one, other = (lab(each) for each in (first, second))
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)


def lab(colour: Linear) -> list[float]:
    x, y, z = (n / white for n, white in zip(times(XYZ, colour), WHITE, strict=True))
    fx, fy, fz = (n ** (1 / 3) if n > 0.008856 else 7.787 * n + 16 / 116 for n in (x, y, z))
    return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)]


def contrast(first: Linear, second: Linear) -> float:
    low, high = sorted(times(XYZ, each)[1] for each in (first, second))
    return (high + 0.05) / (low + 0.05)


def palette(scheme: str) -> dict[str, str]:
    """The theme's colours in light or dark."""
    rules = "".join(
        found
        for file in sorted(STATIC.glob("vendor/digdir-designsystemet-css-*/*.css"))
        for found in re.findall(rf"\[data-color-scheme={scheme}\]\s*\{{([^{{}}]*)\}}", file.read_text("utf-8"))
    )
    return dict(re.findall(r"--ds-color-([a-z-]+):\s*(#[0-9a-f]+)", rules))


def fill(part: str) -> str:
    """The theme's name of the colour that a part of the charts is filled with."""
    (name,) = re.findall(
        rf"^\.{part} \{{ fill: var\(--ds-color-([a-z-]+)\)", (STATIC / "console.css").read_text(), re.M
    )
    return str(name)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sight", list(SIGHT))
def test_kept_and_broken_differ_from_each_other_and_from_the_paper(scheme: str, sight: str) -> None:
    colours = palette(scheme)
    kept, broken, paper = (seen(colours[fill(part)], sight) for part in ("mark", "ink", "paper"))
    assert distance(kept, broken) >= FAR
    assert contrast(kept, paper) >= GRAPHICS
    assert contrast(broken, paper) >= GRAPHICS


def test_colour_is_never_alone() -> None:
    """Broken promises are striped, a cell of the heat map has its number, and each chart has its table beside it."""
    css, page = (STATIC / "console.css").read_text(), (TEMPLATES / "figures.html").read_text()
    assert '.broken { fill: url("#broken-pattern")' in css and 'id="broken-pattern"' in page
    assert re.search(r'<td data-level="\{\{ dark }}">\{\{ n or "" }}</td>', page)
    sections = [each.split("</section>")[0] for each in page.split("<section")[1:]]
    charts = [each for each in sections if 'role="img"' in each]
    assert charts and all("grid(tables." in each for each in charts)
