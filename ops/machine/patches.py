"""`make patch`: build all images again from today's packages, and print which packages changed.

`make up` keeps the images it has until their recipe changes. Without this, Asterisk and PostgreSQL stay as they were on
the day of the first start. The images before are kept as `:previous`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from ops.machine import app_image, engine, images
from ops.machine.apt import AptError
from ops.messages.translation import translated

Packages = Mapping[str, str]
"""The versions of packages by their names."""


def patch() -> None:
    """Build the bases and all images again. A failure leaves the images as they were."""
    names = [images.ASTERISK, images.POSTGRES, app_image.APP]
    if packages_of(images.KAMAILIO):  # only on a machine with a proxy
        names.append(images.KAMAILIO)
    before = {name: packages_of(name) for name in names}
    for name in names:
        if before[name]:
            engine.docker("tag", name, f"{name}:previous")
    day = f"--label=innringing.patched={datetime.now(UTC):%Y-%m-%d}"
    for suite in sorted({*images.BASES.values(), "trixie"}):
        images.renew_base(suite)
    for name in (each for each in names if each in images.BASES):
        images.build(name, "--no-cache", day)
    app_image.build("--no-cache", day)
    for name in names:
        print(translated(f"{name}: {changes_in_words(before[name], packages_of(name))}"))
    print(translated("`make up` puts them in place. Calls in progress end where Asterisk's image changed."))


def packages_of(image: str) -> Packages:
    """Return the Debian packages in an image; empty if there is no such image."""
    if not engine.docker("images", "-q", image):
        return {}
    show = ("--entrypoint=dpkg-query", image, "-W", "-f", "${Package} ${Version}\\n")
    lines = engine.docker("run", "--rm", "--network=none", *show).splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)


def changes_in_words(before: Packages, after: Packages) -> str:
    """Return what changed, one line for each package."""
    if not before:
        return f"new, {len(after)} packages"
    return "".join(f"\n  {line}" for line in _changes(before, after)) or "nothing changed"


def _changes(before: Packages, after: Packages) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"{name}: {before.get(name, 'not there')} -> {after.get(name, 'removed')}"


if __name__ == "__main__":
    try:
        patch()
    except (engine.EngineError, AptError) as error:
        sys.exit(translated(f"innringing: {error}"))
