"""Requests to the identity provider, with limits in time and size. They accept JSON only."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from api.auth.oidc.errors import ProviderUnavailable
from desk.connections.tls import client_context
from desk.settings.oidc import LOOPBACK

SECONDS: Final = 5.0
MOST_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class ProviderResponse:
    """A response below 500: its status, its JSON object, and the nonce for the next DPoP proof, if any."""

    status: int
    body: Mapping[str, Any]
    nonce: str | None


class ProviderTransport:
    """The HTTP client for one provider. Close it at the end."""

    def __init__(self, issuer: str, *, seconds: float = SECONDS, authority: Path | None = None) -> None:
        """`authority`: the only authority (PEM) trusted for the provider's certificate; None for those httpx trusts."""
        self._seconds = seconds
        self._client = httpx.AsyncClient(
            timeout=seconds,
            follow_redirects=False,
            trust_env=urlsplit(issuer).hostname not in LOOPBACK,  # the hospital's proxy is in the environment
            headers={"Accept": "application/json"},
            verify=client_context("OIDC", authority) if authority else True,
        )

    async def get(self, url: str) -> Mapping[str, Any]:
        """Get a JSON object. Raises ProviderUnavailable."""
        async with self._request("GET", url) as response:
            if response.status != httpx.codes.OK:
                raise ProviderUnavailable("unexpected-status")
            return response.body

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> ProviderResponse:
        """Post a form. Raises ProviderUnavailable."""
        async with self._request("POST", url, data=dict(form), headers=dict(headers)) as response:
            return response

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def _request(self, method: str, url: str, **more: Any) -> AsyncIterator[ProviderResponse]:
        try:
            async with asyncio.timeout(self._seconds), self._client.stream(method, url, **more) as answer:
                if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                    raise ProviderUnavailable("server-error")
                body = _object(await _bytes(answer))
                response = ProviderResponse(answer.status_code, body, answer.headers.get("dpop-nonce"))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            raise ProviderUnavailable("no-answer") from None  # its message quotes the address and the request
        yield response


async def _bytes(answer: httpx.Response) -> bytes:
    found = bytearray()
    async for part in answer.aiter_bytes():
        found += part
        if len(found) > MOST_BYTES:
            raise ProviderUnavailable("too-much")
    return bytes(found)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ProviderUnavailable("not-json") from None
    if not isinstance(found, dict):
        raise ProviderUnavailable("not-json")
    return found
