"""The people who ring in the weekend, how they answer on Monday, and the secretaries who call them back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.support.phone.dial_system import Exchange
from tests.support.phone.town import Reply, Town
from tests.support.synthetic import synthetic_identity
from tests.support.web.secretary import Line, Person

TOPICS: Final = ("time", "resept", "prove")
PROMISED: Final = "mandag innen klokken 15"
AGAIN: Final = "i dag innen klokken 15"
_DEPARTMENT: Final = """
[{slug}]
name = "{name}"
extension = "{extension}"
hospital_number = "{number}"
policy = "deadline"
cutoff = "14:00"
answer_by = "15:00"
max_attempts = 2
[{slug}.topics]
time = "Time"
resept = "Resept"
prove = "Prøvesvar"
"""


@dataclass(frozen=True)
class Desk:
    """Where one secretary works, and how."""

    slug: str
    name: str
    extension: str
    number: str
    agent: str
    hands: str
    first: int
    """The first of her people: numbers and persons are counted from it."""


DESKS: Final = (
    Desk("kirurgi", "Kirurgisk poliklinikk", "1000", "+4768059000", "mari", "mouse", 100),
    Desk("hjerte", "Hjertepoliklinikken", "2000", "+4768059001", "kari", "keyboard", 200),
)
DEPARTMENTS: Final = "".join(_DEPARTMENT.format(**vars(desk)) for desk in DESKS)
REPLIES: Final = (
    (Reply.REACHED,),
    (Reply.BUSY, Reply.REACHED),
    (Reply.SILENT, Reply.SILENT),
    (Reply.WRONG,),
    (Reply.MACHINE, Reply.BUSY),
    (Reply.REACHED,),
    (Reply.SILENT, Reply.REACHED),
    (Reply.REACHED,),
    (Reply.REACHED,),
    (Reply.REACHED,),
)
"""How people answer, one after another: in the morning, and at noon those who did not."""


def people(desk: Desk, count: int) -> list[Person]:
    """Those who ring a department in the weekend."""
    return [
        Person(
            number=f"+476805{desk.first + n:04}",
            identity=synthetic_identity(desk.first + n),
            topic=TOPICS[n % len(TOPICS)],
            urgent=n % 4 == 3,
            replies=REPLIES[n % len(REPLIES)],
        )
        for n in range(count)
    ]


@dataclass
class Worked:
    """What one secretary did. `used`: her hands, as the browser saw them."""

    desk: Desk
    people: Sequence[Person]
    diary: list[Line] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    sorting: int = 0
    """Clicks or keys to sort the backlog by topic and urgency."""
    calling: int = 0
    """Clicks or keys for everything after it."""
    letters: int = 0
    """Letters of the notes that she wrote."""
    seconds: float = 0.0

    @property
    def outcomes(self) -> Counter[Reply]:
        return Counter(line.reply for line in self.diary)


@dataclass
class Monday:
    """What happened. `seconds`: what each part took."""

    system: Exchange
    town: Town
    worked: list[Worked]
    seconds: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """What the browser reported, and each moment at which the focus could not be seen."""
    wrong: list[str] = field(default_factory=list)
    """Where the desk has something else than what happened at the phones."""
