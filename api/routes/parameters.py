"""Parameters and refusals that several routes share."""

from typing import Annotated

from fastapi import Path, Query

from api.schemas.fields import MAX_LIMIT, SLUG

NO_DEPARTMENT = (404, "There is no such department.")
NOT_FOUND = (404, "There is no such callback.")
CONFLICT = (
    409,
    "The callback is not in a status that allows this, the claim is not yours, "
    "or the Idempotency-Key was used for a different request.",
)
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=500, description="The `next_cursor` of the previous page.")]
DepartmentQuery = Annotated[
    str | None,
    Query(max_length=64, pattern=SLUG, description="A department's slug. By default all of your departments."),
]
SlugPath = Annotated[str, Path(max_length=64, pattern=SLUG)]
"""A department's slug in a path."""
Number = Annotated[int, Path(ge=0, le=9_999_999)]
"""The id of a session, a token or an emergency access. Too short for a personal number, which no address may hold."""
