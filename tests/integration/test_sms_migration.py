"""Texts written before anything could send them: none of them leaves years later, and their words are not kept."""

from sqlalchemy import text

from desk.database.engine import Database
from desk.schema.migrate import migrate

ID = "0f8fad5bd9cb469fa16570867728950e"
AT = "'2026-11-24 08:00:00'"
CALLBACK = f"""
insert into callbacks (id, department, status, priority, phone, phone_mobile, promise_policy, promise_from, promise_by,
    promise_spoken, call_count, language, created_at, attempts_from, fence, version)
values ('{ID}', 'kirurgi', 'waiting', 1, '+4740612345', true, 'deadline', {AT}, {AT},
    'i dag', 1, 'nb', {AT}, {AT}, 0, 1)
"""
OUTBOX = "insert into outbox (callback_id, at, kind, text, sent_at) values ('{id}', {at}, 'sms', 'Ny tid', {sent})"


async def test_texts_that_waited_are_told_as_expired(database_url: str) -> None:
    await migrate(database_url, "0006")
    database = Database(database_url)
    async with database.begin() as connection:
        await connection.execute(text(CALLBACK))
        for sent in ("null", AT):
            await connection.execute(text(OUTBOX.format(id=ID, at=AT, sent=sent)))
    await migrate(database_url)
    async with database.read() as connection:
        found = await connection.execute(
            text("select id, kind, state, text, phone, tries, key from outbox order by id")
        )
        rows = [tuple(row) for row in found]
    assert [row[:6] for row in rows] == [
        (1, "new_promise", "expired", None, None, 0),
        (2, "new_promise", "sent", None, None, 0),
    ]
    assert len({row[6] for row in rows}) == 2
    async with database.begin() as connection:
        more = await connection.execute(text(_one_more()))
        assert more.scalar_one() == 3, "ids go on after those there were"
    await database.close()


def _one_more() -> str:
    columns = "callback_id, kind, key, at, state, changed_at, next_at, tries"
    return (
        f"insert into outbox ({columns}) values ('{ID}', 'receipt', '{ID}', {AT}, 'sent', {AT}, {AT}, 0) returning id"
    )
