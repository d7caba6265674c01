"""Which passwords are accepted. Pure.

The rules follow NIST SP 800-63B-4 and ASVS 5.0, 6.2: long enough, without demands on the characters, and never one that
anyone would guess first, that is common, or that has leaked.
"""

import re
import secrets
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from desk.accounts.errors import WeakPassword
from desk.accounts.passwords.common_passwords import is_common

SHORTEST: Final = 12
LONGEST: Final = 128
"""In characters (code points of NFKC), not bytes."""
DISTINCT: Final = 5
"""How many different characters must remain when everything obvious is removed."""

OBVIOUS: Final = (
    *("passord", "password", "passwd", "pass", "hemmelig", "secret", "login", "admin", "administrator", "bruker"),
    *("innringing", "tilbakeringing", "callback", "sykehus", "sjukehus", "hospital", "helse", "klinikk", "poliklinikk"),
    *("sykepleier", "helsesekretær", "lege", "doktor", "pasient", "avdeling", "universitet", "kontor", "jobb"),
    *("ahus", "ullevål", "rikshospitalet", "radiumhospitalet", "haukeland", "lovisenberg", "diakonhjemmet", "stolav"),
    *("akershus", "sunnaas", "nordland", "finnmark", "innlandet", "sørlandet", "østfold", "vestfold", "telemark"),
    *("vestre", "viken", "bærum", "kalnes", "rogaland", "møre", "romsdal", "sogn", "fjordane", "unn", "hus", "sus"),
    *("oslo", "bergen", "trondheim", "stavanger", "tromsø", "kristiansand", "drammen", "fredrikstad", "sarpsborg"),
    *("sandnes", "bodø", "ålesund", "tønsberg", "sandefjord", "haugesund", "skien", "porsgrunn", "arendal", "larvik"),
    *("hamar", "lillehammer", "gjøvik", "elverum", "kongsberg", "molde", "kristiansund", "volda", "førde", "levanger"),
    *("namsos", "harstad", "narvik", "hammerfest", "kirkenes", "lørenskog", "halden", "moss", "horten", "voss"),
    *("velkommen", "velkomen", "welcome", "hei", "hallo", "norge", "noreg", "norway", "norsk", "kjærlighet"),
    *("sommer", "sumar", "vinter", "høst", "haust", "vår", "påske", "jul", "iloveyou", "jegelskerdeg", "elskerdeg"),
    *("fotball", "brann", "rosenborg", "vålerenga", "liverpool", "arsenal", "manchester", "united", "chelsea"),
    *("januar", "februar", "mars", "april", "mai", "juni", "juli", "august", "september", "oktober", "november"),
    *("desember", "mandag", "måndag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "laurdag", "søndag"),
    *("sundag", "changeme", "letmein", "test", "demo"),
)
RUNS: Final = (
    *("abcdefghijklmnopqrstuvwxyzæøå", "01234567890", "qwertyuiopå", "asdfghjkløæ", "zxcvbnm", "!@#$%^&*()"),
    *('!"#¤%&/()=', "1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn", "7ujm"),
)
"""The alphabet, and the rows and columns of Norwegian and English keyboards."""
RUN: Final = 3
YEAR: Final = re.compile(r"(19|20)\d\d")


class PasswordProblem(StrEnum):
    """Why a password is not accepted."""

    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    OBVIOUS = "obvious"
    COMMON = "common"
    LEAKED = "leaked"
    THE_SAME = "the_same"


def check_password(password: str, words: Iterable[str] = ()) -> None:
    """Raises WeakPassword. `words`: what is easy to guess here, such as the account's name and the departments'."""
    text = normal(password)
    if len(text) < SHORTEST:
        raise WeakPassword(PasswordProblem.TOO_SHORT)
    if len(text) > LONGEST:
        raise WeakPassword(PasswordProblem.TOO_LONG)
    if len(set(_without_obvious(text.casefold(), words))) < DISTINCT:
        raise WeakPassword(PasswordProblem.OBVIOUS)
    if is_common(text.casefold()):
        raise WeakPassword(PasswordProblem.COMMON)


def random_password() -> str:
    """A random password of 120 bits."""
    return secrets.token_urlsafe(15)


def normal(password: str) -> str:
    """The same characters however a keyboard composed them (NFKC). The rules use this form; it is never stored."""
    return unicodedata.normalize("NFKC", password)


def _without_obvious(text: str, words: Iterable[str]) -> str:
    """The text without obvious words, years and runs along the alphabet or the keyboard."""
    own = (part for word in words for part in re.findall(r"\w{3,}", word.casefold()))
    for word in sorted({*OBVIOUS, *own}, key=len, reverse=True):
        text = text.replace(word, " ")
    text = YEAR.sub(" ", text)
    for row in RUNS:
        for line in (row, row[::-1]):
            for size in range(len(line), RUN - 1, -1):
                for start in range(len(line) - size + 1):
                    text = text.replace(line[start : start + size], " ")
    return text.replace(" ", "")
