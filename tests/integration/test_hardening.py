"""Every answer has the security headers, on every route and for every outcome; other origins are not allowed."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.routing import BaseRoute, Route

from api.openapi import DOCS_PATH, POLICY
from api.web.audit_rules import unaudited
from api.web.middleware.requests import MAX_BODY_BYTES
from api.web.middleware.security_headers import nonce_of
from api.web.security_headers import DEFAULT_POLICY, page_policy
from desk.access.permissions import Role
from tests.support.web.api import World, end_at_once, open_world, refused

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
ELSEWHERE = {"Origin": "https://elsewhere.example"}
FILLED = {"id": "00000000-0000-4000-8000-000000000000", "slug": "kirurgi"}
NAMES = "innringing.sykehus.example, *.klinikk.example"
KEPT = (f"{DOCS_PATH}/swagger-ui-bundle.js", f"{DOCS_PATH}/swagger-ui.css")
"""The same for everyone, and fixed in this version."""


@pytest.fixture
async def world(migrated_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(migrated_url, tmp_path, allowed_hosts=NAMES) as world:
        yield world


def routes_of(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """(method, address) of every route, with a value in each parameter."""
    for route in routes:
        if included := getattr(route, "original_router", None):  # as FastAPI keeps an included router
            yield from routes_of(included.routes)
            continue
        assert isinstance(route, Route), f"{type(route)} is of no kind this test knows"
        for method in sorted(route.methods or {"GET"}):
            yield method, re.sub(r"{(\w+)(:\w+)?}", lambda found: FILLED.get(found[1], "x"), route.path)


def check(answer: httpx.Response) -> None:
    """The headers, each of which must occur once."""
    where = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
    names = [name for name, _ in answer.headers.multi_items()]
    assert sorted(names) == sorted(set(names)), where
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS, where
    assert "camera=()" in answer.headers["permissions-policy"], where
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy, where
    assert "unsafe" not in policy, where
    if not answer.headers.get("content-type", "").startswith("text/html"):
        assert policy == DEFAULT_POLICY, where
    if answer.request.url.path not in KEPT or answer.status_code != 200:
        assert answer.headers["cache-control"] == "no-store", where
    assert "server" not in answer.headers, where
    assert not [name for name in names if name.startswith("access-control-")], where


async def test_every_route_has_the_headers_with_and_without_a_token(world: World) -> None:
    seen = set()
    token = await world.token("admin", Role.ADMIN)
    for method, path in routes_of(world.app.routes):
        for headers in ({}, {"Authorization": f"Bearer {token}"}):
            answer = await world.client.request(
                method, path, params=end_at_once(path), headers={**ELSEWHERE, **headers}, follow_redirects=False
            )
            check(answer)
            seen.add(answer.status_code)
    assert {200, 401, 404, 422} <= seen


async def test_refusals_and_crashes_have_the_headers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError

    await world.token("kari")
    large = b"x" * (MAX_BODY_BYTES + 1)
    monkeypatch.setattr(world.services.callbacks.lists, "page", crash)
    answers = [
        await world.client.get("/nowhere", headers=ELSEWHERE),
        await world.client.get("/api/v1/me", headers=ELSEWHERE),
        await world.client.delete("/api/v1/callbacks", headers=ELSEWHERE),
        await world.as_("kari", "POST", "/callbacks/claim", content=large, headers=ELSEWHERE),
        await world.as_("kari", "POST", "/callbacks/claim", json={}, headers=ELSEWHERE),
        await world.as_("kari", "GET", "/callbacks", headers=ELSEWHERE),
        await world.client.get("/healthz", headers={"Host": "elsewhere.example"}),
    ]
    for answer in answers:
        check(answer)
    assert [answer.status_code for answer in answers] == [404, 401, 405, 413, 422, 500, 421]


async def test_no_other_origin_is_allowed(world: World) -> None:
    for method, path in routes_of(world.app.routes):
        asked = {
            **ELSEWHERE,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization",
        }
        answer = await world.client.options(path, headers=asked)
        assert answer.status_code in (404, 405), path
        check(answer)


async def test_each_page_gets_a_new_nonce(world: World) -> None:
    _add_page(world.app)
    answers = [await world.client.get("/page") for _ in range(2)]
    nonces = [answer.text for answer in answers]
    assert len(set(nonces)) == 2 and all(len(nonce) >= 22 for nonce in nonces)
    for answer, nonce in zip(answers, nonces, strict=True):
        check(answer)
        assert answer.headers["content-security-policy"] == page_policy(nonce)


def _add_page(app: FastAPI) -> None:
    @app.get("/page")
    @unaudited("says nothing about anyone")
    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(nonce_of(request))


async def test_docs_page_respects_its_own_policy(world: World) -> None:
    page = await world.client.get(DOCS_PATH)
    check(page)
    assert page.headers["content-security-policy"] == POLICY
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=", page.text)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        asset = await world.client.get(f"/api/{address}")
        assert asset.status_code == 200, address
        check(asset)


async def test_strict_transport_security_is_sent_only_over_tls(world: World) -> None:
    assert "strict-transport-security" not in (await world.client.get("/healthz")).headers
    over_tls = httpx.AsyncClient(transport=httpx.ASGITransport(app=world.app), base_url="https://api.test")
    async with over_tls as client:
        told = (await client.get("/healthz")).headers["strict-transport-security"]
    assert told == "max-age=63072000; includeSubDomains"


ASKED_FOR = {
    "api.test": True,  # the address that was requested
    "API.TEST:8000": True,
    "localhost:8000": True,
    "innringing.sykehus.example": True,
    "innringing.sykehus.example.": True,
    "nord.innringing.sykehus.example": False,
    "en.klinikk.example:443": True,
    "to.en.klinikk.example": False,
    "klinikk.example": False,
    "elsewhere.example": False,
    "innringing.sykehus.example.elsewhere.example": False,
    "innringing.sykehus.example@elsewhere.example": False,
    "": False,
}


async def test_unknown_host_is_refused(world: World) -> None:
    for host, ours in ASKED_FOR.items():
        answer = await world.client.get("/healthz", headers={"Host": host})
        assert answer.status_code == (200 if ours else 421), host
        if not ours:
            refused(answer, 421, "unknown-host")
            assert "elsewhere" not in answer.text


async def test_two_host_headers_are_refused(world: World) -> None:
    answer = await world.client.get("/healthz", headers=[("Host", "localhost"), ("Host", "localhost")])
    refused(answer, 421, "unknown-host")
