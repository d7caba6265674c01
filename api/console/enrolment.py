"""The QR code of a second factor, drawn here: the secret must not pass through another service."""

import segno
from markupsafe import Markup


def qr_code(address: str) -> Markup:
    """Draw the otpauth:// address as an SVG picture without styles of its own. Dark on white, in dark mode too."""
    picture = segno.make(address, error="m", micro=False).svg_inline(
        scale=5, border=4, dark="#000", light="#fff", omitsize=False, svgclass=None, lineclass=None
    )
    return Markup(picture)
