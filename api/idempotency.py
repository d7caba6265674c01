"""Requests that may be sent twice: with an Idempotency-Key the second is answered as the first was, and does nothing.

A key holds for 24 hours and for one agent. See desk/idempotency/answers.py.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.auth.access import Access, Worker
from desk.callbacks.errors import CallbackNotFound
from desk.idempotency.answers import Answer
from desk.idempotency.errors import AnswerNotVisible

REPLAYED = "Idempotency-Replayed"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern="^[!-~]+$",
        description="Any text of your own (a UUID, say), new for each request. Sent again with the same request "
        "within 24 hours, the first answer comes back; with another request it is 409.",
    ),
]


def answered(body: BaseModel, status: int = 200, *, version: int | None = None, of: str | None = None) -> Answer:
    """The answer with that body; `version` becomes its ETag. What we built ourselves is not validated again.

    `of`: the department it is about; without one, an answer kept for a repeated request is told hardly anybody again.
    """
    return Answer(status, body.model_dump_json(by_alias=True), None if version is None else f'"{version}"', of)


def respond(answer: Answer, *, replayed: bool = False) -> Response:
    """The answer as it goes over the wire."""
    headers = {"ETag": answer.etag} if answer.etag else {}
    if replayed:
        headers[REPLAYED] = "true"
    return Response(answer.body, status_code=answer.status, headers=headers, media_type="application/json")


@dataclass(frozen=True)
class Once:
    """Does a request's work, or finds the answer it had. Look-ups belong into the work: a replay needs none."""

    access: Access
    request: Request
    key: str | None

    async def __call__(self, work: Callable[[], Awaitable[Answer]]) -> Response:
        """Answer with what `work` gives. Raises what it raises, KeyUsedBefore and CallbackNotFound."""
        if self.key is None:
            return respond(await work())
        body = (await self.request.body()).decode("latin-1")
        asked = f"{self.request.method} {self.request.url.path}\n{body}"
        try:
            answer, replayed = await self.access.services.answers.once(
                self.access.agent.name, self.key, asked, work, scope=self.access.scope
            )
        except AnswerNotVisible:
            raise CallbackNotFound from None  # as for any callback outside the caller's departments
        return respond(answer, replayed=replayed)


async def _once(request: Request, access: Worker, key: IdempotencyKey = None) -> Once:
    return Once(access, request, key)


Idempotent = Annotated[Once, Depends(_once)]
