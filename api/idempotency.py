"""Requests that can be repeated: with the same Idempotency-Key, the second gets the first response and does nothing.

A key is valid for 24 hours and for one agent.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel

from api.access import Access, Worker
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

    async def __call__(self, work: Callable[[], Awaitable[Answer]]) -> Response:
        """Respond with the result of `work`. Raises what it raises, KeyUsedBefore and CallbackNotFound."""
        if self.key is None:
            return respond(await work())

        async def recorded() -> Answer:
            answer = await work()
            return replace(answer, callbacks=tuple(sorted(self.access.trail.callbacks)))

        body = (await self.request.body()).decode("latin-1")
        asked = f"{self.request.method} {self.request.url.path}\n{body}"
        try:
            answer, replayed = await self.access.services.answers.once(
                self.access.agent.name, self.key, asked, recorded, scope=self.access.scope
            )
        except AnswerNotVisible:
            raise CallbackNotFound from None  # as for any callback outside the agent's departments
        if replayed:
            self._record(answer)
        return respond(answer, replayed=replayed)

    def _record(self, answer: Answer) -> None:
        """Record what a stored response shows in the trail of the request that gets it now."""
        self.access.trail.saw(*answer.callbacks)
        if answer.department is not None:
            self.access.actor.reached(answer.department)


async def _once(request: Request, access: Worker, key: IdempotencyKey = None) -> Once:
    return Once(access, request, key)


Idempotent = Annotated[Once, Depends(_once)]
