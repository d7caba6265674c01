"""Requests that can be repeated: with the same Idempotency-Key, the second gets the first response and does nothing.

A key is valid for 24 hours and for one agent.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.access import Access, Worker
from desk.access.actor import Actor
from desk.callbacks.errors import CallbackNotFound
from desk.database.unit_of_work import Unit
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
        description="A text of your own, such as a UUID, new for each request. Repeating the request with it within "
        "24 hours returns the first response; a different request gets 409.",
    ),
]


def answered(body: BaseModel, status: int = 200, *, version: int | None = None, of: str | None = None) -> Answer:
    """Build the response with that body; `version` becomes its ETag.

    `of` is the department it concerns. Without one, only an agent of all departments gets it again.
    """
    return Answer(status, body.model_dump_json(by_alias=True), None if version is None else f'"{version}"', of)


def respond(answer: Answer, *, replayed: bool = False) -> Response:
    """Turn a stored response into an HTTP response."""
    headers = {"ETag": answer.etag} if answer.etag else {}
    if replayed:
        headers[REPLAYED] = "true"
    return Response(answer.body, status_code=answer.status, headers=headers, media_type="application/json")


@dataclass(frozen=True)
class Once:
    """Does a request's work once, or finds its first response. Lookups belong in the work: a replay needs none."""

    access: Access
    request: Request
    key: str | None

    async def __call__(self, work: Callable[[Actor | Unit], Awaitable[Answer]]) -> Response:
        """Respond with the result of `work`, which passes what it gets to the services it calls.

        Raises what it raises, KeyUsedBefore and CallbackNotFound.
        """
        if self.key is None:
            return respond(await work(self.access.actor))
        body = (await self.request.body()).decode("latin-1")
        asked = f"{self.request.method} {self.request.url.path}\n{body}"
        try:
            answer, replayed = await self.access.services.answers.once(self.access.actor, self.key, asked, work)
        except AnswerNotVisible:
            raise CallbackNotFound from None  # as for any callback outside the agent's departments
        return respond(answer, replayed=replayed)


async def _once(request: Request, access: Worker, key: IdempotencyKey = None) -> Once:
    return Once(access, request, key)


Idempotent = Annotated[Once, Depends(_once)]
