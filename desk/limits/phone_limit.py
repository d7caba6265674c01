"""How many texts callers may cause to one phone number. Counted in the database, under HMACs that reveal no number."""

import hashlib
from datetime import timedelta
from typing import Final

from desk.database.unit_of_work import Unit
from desk.limits import repository as rows
from desk.limits.rate import Rate, use
from desk.numbers.phone_number import PhoneNumber
from desk.vault.vault import Vault

TEXTS: Final = Rate(3, timedelta(days=1))


async def count_text(unit: Unit, vault: Vault, phone: PhoneNumber, kind: str, rate: Rate) -> bool:
    """Count one more text of that kind to the number. Returns whether it may be sent.

    Others that write to the number wait for this unit of work.
    """
    key = hashlib.sha256(b"texts\0" + vault.index(f"texts\0{phone.e164}")).hexdigest()
    checked = use((await rows.locked_share(unit, kind, key)).full_at, unit.now, rate)
    if not checked.wait:
        await rows.set_share(unit, kind, key, full_at=checked.full_at)
    await rows.delete_full_shares(unit, [kind])
    return not checked.wait
