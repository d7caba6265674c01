"""Mistakes that operators make in the texts and groups while the service runs: the last good version must count."""

from tests.support.mistakes import Mistake

SMS, ACCESS, CATALOGUE = "sms.toml", "access.toml", "catalogue.toml"
RECEIPT = "Vi har fått innringingen din og ringer deg {when}, fra {number}."
WELCOME = 'welcome = "Hei. Du har ringt sykehuset.'
CLOSED = 'closed_course = "Avdelingen er stengt på grunn av kurs."'

IN_SMS = [
    Mistake(SMS, RECEIPT, "Vi har fått innringingen din, fra {number}.", "Vi har fått innringingen din, fra", "when"),
    Mistake(SMS, RECEIPT, RECEIPT.replace("{when}", "{wen}"), "{wen}", "fills in"),
    Mistake(SMS, RECEIPT, RECEIPT.replace("deg", "deg 🙂"), "🙂", "can't carry"),
    Mistake(SMS, RECEIPT, RECEIPT + " Vi ringer." * 20, "Vi ringer.", "messages"),
    Mistake(SMS, RECEIPT, RECEIPT.replace("deg", "deg fra kirurgi"), "", "identifies"),
    Mistake(SMS, "[nb]\n", "[nbb]\n", "", "language"),
    Mistake(SMS, "[en]\n", "[en\n", "", "TOML"),
]
IN_ACCESS = [
    Mistake(ACCESS, 'claim = "groups"', "claim = groups", "claim = groups", "TOML"),
    Mistake(ACCESS, 'claim = "groups"', 'clam = "groups"', "clam", "claim"),
    Mistake(ACCESS, 'claim = "groups"', "claim = 5", "claim = 5", "claim"),
    Mistake(ACCESS, 'name = "name"', 'name = "name"\n[groups.a]\nagnet = ["kirurgi"]', "agnet", "agent"),
    Mistake(ACCESS, 'name = "name"', 'name = "name"\n[groups.a]\nagent = "kirurgi"', "", "list"),
    Mistake(ACCESS, 'name = "name"', 'name = "name"\n[groups.a]\nagent = ["kirugi"]', "kirugi", "kirugi"),
]
IN_CATALOGUE = [
    Mistake(CATALOGUE, WELCOME, WELCOME + " Ring 113.", "Ring 113.", "113"),
    Mistake(CATALOGUE, WELCOME, WELCOME + " Vi ringer klokken sytten.", "sytten", "sytten"),
    Mistake(CATALOGUE, WELCOME, WELCOME + " Dette sier vi." * 30, "Dette sier vi.", "characters"),
    Mistake(CATALOGUE, WELCOME, WELCOME + " {navn}", "{navn}", "read aloud"),
    Mistake(CATALOGUE, CLOSED, CLOSED.replace("closed_course", "closed_corse"), "", "closed_course"),
    Mistake(CATALOGUE, CLOSED, 'closed_course = ""', 'closed_course = ""', "no text"),
    Mistake(CATALOGUE, CLOSED, CLOSED[:-1], "", "TOML"),
]
IN_TEXTS = [*IN_SMS, *IN_ACCESS, *IN_CATALOGUE]
