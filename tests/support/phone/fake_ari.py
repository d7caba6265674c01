"""A scriptable ARI server: descriptions, requests, the websocket of events. Records every request."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import WSMsgType, web

USER = "innringing"
PASSWORD = "hemmelig"
ASTERISK_ID = "02:00:00:00:00:01"

OPERATIONS = {
    "applications": [
        ("get", "GET", "/applications/{applicationName}", ""),
        ("filter", "PUT", "/applications/{applicationName}/eventFilter", "filter:body"),
    ],
    "asterisk": [("ping", "GET", "/asterisk/ping", ""), ("getInfo", "GET", "/asterisk/info", "only")],
    "channels": [
        ("list", "GET", "/channels", ""),
        ("ring", "POST", "/channels/{channelId}/ring", ""),
        ("ringStop", "DELETE", "/channels/{channelId}/ring", ""),
        ("get", "GET", "/channels/{channelId}", ""),
        ("hangup", "DELETE", "/channels/{channelId}", "reason_code reason"),
        ("continueInDialplan", "POST", "/channels/{channelId}/continue", "context extension priority label"),
        ("play", "POST", "/channels/{channelId}/play", "media lang playbackId"),
        ("playWithId", "POST", "/channels/{channelId}/play/{playbackId}", "media lang"),
        ("getChannelVar", "GET", "/channels/{channelId}/variable", "variable"),
        ("setChannelVar", "POST", "/channels/{channelId}/variable", "variable value"),
    ],
    "playbacks": [
        ("get", "GET", "/playbacks/{playbackId}", ""),
        ("stop", "DELETE", "/playbacks/{playbackId}", ""),
        ("control", "POST", "/playbacks/{playbackId}/control", "operation"),
    ],
    "events": [("eventWebsocket", "GET", "/events", "app subscribeAll")],
    "bridges": [
        ("list", "GET", "/bridges", ""),
        ("createWithId", "POST", "/bridges/{bridgeId}", "type"),
        ("addChannel", "POST", "/bridges/{bridgeId}/addChannel", "channel"),
        ("destroy", "DELETE", "/bridges/{bridgeId}", ""),
    ],
    "endpoints": [("get", "GET", "/endpoints/{tech}/{resource}", "")],
    "recordings": [],
    "sounds": [],
    "mailboxes": [],
    "deviceStates": [],
}
EVENT_FIELDS = {
    "StasisStart": {"args": "List[string]", "channel": "Channel", "replace_channel": "Channel"},
    "StasisEnd": {"channel": "Channel"},
    "ChannelDtmfReceived": {"digit": "string", "channel": "Channel"},
    "ChannelDestroyed": {"channel": "Channel"},
    "PlaybackFinished": {"playback": "Playback"},
}
RESPONSES = {"play": "Playback", "playWithId": "Playback", "get": "object"}


@dataclass(frozen=True)
class Request:
    """One received request. `url` is path and query, still quoted."""

    method: str
    path: str
    url: str
    query: dict[str, str]
    body: str


@dataclass
class FakeAri:
    """Start it with `serving`, then script it by its fields and methods."""

    port: int = 0
    password: str = PASSWORD
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    pings: int = 0
    answers_pings: bool = True
    takes_requests: bool = True  # on the websocket
    on_websocket: list[Request] = field(default_factory=list)  # those of `requests` that came that way
    playing_time: float = 0.01  # seconds
    phones: dict[str, str] = field(default_factory=dict)  # states of endpoints by name
    playback_state: str = "done"
    ends_playback_before_answering: bool = False
    hanging: str | None = None  # requests whose path matches are never answered
    statuses: list[tuple[str, int]] = field(default_factory=list)  # (method and path by regex, status)
    delay: float = 0.0
    allowed: frozenset[str] = frozenset()
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    playbacks: dict[str, str] = field(default_factory=dict)
    bridges: dict[str, list[str]] = field(default_factory=dict)
    open_requests: int = 0
    most_open_requests: int = 0
    _sockets: list[web.WebSocketResponse] = field(default_factory=list)
    _runner: web.AppRunner | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def made(self, pattern: str) -> list[Request]:
        """Requests whose `METHOD /path` matches."""
        return [request for request in self.requests if re.search(pattern, f"{request.method} {request.path}")]

    async def start(self) -> None:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        """Act as if Asterisk was stopped: close every connection, and end every call."""
        self.channels.clear()
        for task in list(self._tasks):
            task.cancel()
        self.drop()
        if self._runner:
            await self._runner.cleanup()

    def drop(self) -> None:
        """Cut the websocket without a close frame."""
        for socket in self._sockets:
            if socket._req and socket._req.transport:
                socket._req.transport.abort()
        self._sockets.clear()

    async def close_socket(self) -> None:
        """Close the websocket properly."""
        sockets, self._sockets = self._sockets, []
        for socket in sockets:
            await socket.close()

    async def send(self, message: Any) -> None:
        """Send an event, or raw text or bytes, regardless of the filter."""
        for socket in list(self._sockets):
            with suppress(ConnectionError):  # the other end may be gone
                if isinstance(message, bytes):
                    await socket.send_bytes(message)
                else:
                    await socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def emit(self, type_: str, **fields: Any) -> None:
        if not self.allowed or type_ in self.allowed:
            await self.send({"type": type_, "asterisk_id": ASTERISK_ID, "application": "innringing", **fields})

    async def call_in(self, channel_id: str, *args: str, number: str = "+4768050001") -> None:
        """Let a call enter the application."""
        self.channels[channel_id] = channel_json(channel_id, args, number)
        await self.emit("StasisStart", args=list(args), channel=self.channels[channel_id])

    async def press(self, channel_id: str, keys: str) -> None:
        for key in keys:
            await self.emit("ChannelDtmfReceived", digit=key, channel=self.channels[channel_id], duration_ms=100)

    async def hang_up(self, channel_id: str) -> None:
        """Let the caller hang up: three events, as Asterisk sends them."""
        channel = self.channels.pop(channel_id)
        for type_ in ("ChannelHangupRequest", "StasisEnd", "ChannelDestroyed"):
            await self.emit(type_, channel=channel)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/ari")
        body = await request.text()
        self.requests.append(Request(request.method, path, request.raw_path, dict(request.query), body))
        self.open_requests += 1
        self.most_open_requests = max(self.most_open_requests, self.open_requests)
        try:
            if not self._lets_in(request):
                return web.Response(status=401)
            if path == "/events":
                return await self._events(request)
            return await self._respond(self.requests[-1])
        finally:
            self.open_requests -= 1

    async def _answer_on(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        query = {each["name"]: each["value"] for each in asked["query_strings"]}
        path = "/" + unquote(asked["uri"])
        request = Request(asked["method"], path, f"/ari/{asked['uri']}?{urlencode(query)}", query, "")
        if path != "/asterisk/ping":
            self.requests.append(request)
            self.on_websocket.append(request)
        response = await self._respond(request)
        answer = {"type": "RESTResponse", "request_id": asked["request_id"], "status_code": response.status}
        with suppress(ConnectionError):  # the other end may be gone
            await socket.send_str(json.dumps({**answer, "message_body": response.text or ""}))

    async def _respond(self, request: Request) -> web.Response:
        if self.delay and not request.path.startswith("/api-docs"):
            await asyncio.sleep(self.delay)
        if self.hanging and re.search(self.hanging, request.path):
            await asyncio.Event().wait()
        for pattern, status in self.statuses:
            if re.search(pattern, f"{request.method} {request.path}"):
                return web.Response(status=status)
        return await self._operate(request.method, request.path, request.query, request.body)

    def _lets_in(self, request: web.Request) -> bool:
        wanted = f"{USER}:{self.password}"
        header = "Basic " + base64.b64encode(wanted.encode()).decode()
        return request.headers.get("Authorization") == header or request.query.get("api_key") == wanted

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await self.emit("ApplicationReplaced")
        self._sockets = [socket]
        self.connections += 1
        async for message in socket:
            if message.type is WSMsgType.TEXT and self.takes_requests:
                task = asyncio.create_task(self._answer_on(socket, json.loads(message.data)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if message.type is WSMsgType.PING:
                self.pings += 1
                if self.answers_pings:
                    await socket.pong(message.data)
        return socket

    async def _operate(self, method: str, path: str, query: dict[str, str], body: str) -> web.Response:
        match [method, *path.strip("/").split("/")]:
            case ["GET", "api-docs", name]:
                return web.json_response(self._description(name.removesuffix(".json")))
            case ["GET", "asterisk", "ping"]:
                return web.json_response({"ping": "pong", "asterisk_id": ASTERISK_ID})
            case ["GET", "applications", name]:
                return web.json_response({"name": name, "channel_ids": list(self.channels)})
            case ["PUT", "applications", _, "eventFilter"]:
                self.allowed = frozenset(entry["type"] for entry in json.loads(body).get("allowed", []))
                return web.json_response({"name": "innringing"})
            case ["POST", "channels", channel, "play", playback] if channel in self.channels:
                return await self._play(channel, playback)
            case ["POST", "channels", channel, "play"] if channel in self.channels:
                return await self._play(channel, query.get("playbackId", f"p{len(self.requests)}"))
            case ["DELETE", "channels", channel] if channel in self.channels:
                await self.hang_up(channel)
            case ["POST", "channels", channel, "continue"] if channel in self.channels:
                await self.emit("StasisEnd", channel=self.channels.pop(channel))
            case ["GET", "channels"]:
                return web.json_response(list(self.channels.values()))
            case ["POST", "channels", "create"]:
                asked = json.loads(body)
                await self.call_in(asked["channelId"], *asked["appArgs"].split(","))
                return web.json_response(self.channels[asked["channelId"]])
            case ["POST", "channels", channel, "dial"] if channel in self.channels:
                pass
            case ["POST" | "DELETE", "channels", channel, "ring"] if channel in self.channels:
                pass
            case ["GET", "bridges"]:
                return web.json_response([{"id": id_} for id_ in self.bridges])
            case ["POST", "bridges", bridge]:
                self.bridges[bridge] = []
                return web.json_response({"id": bridge})
            case ["POST", "bridges", bridge, "addChannel"] if bridge in self.bridges:
                self.bridges[bridge] += query["channel"].split(",")
            case ["DELETE", "bridges", bridge] if bridge in self.bridges:
                del self.bridges[bridge]
            case ["GET", "endpoints", "PJSIP", phone] if phone in self.phones:
                return web.json_response({"resource": phone, "state": self.phones[phone]})
            case ["GET", "asterisk", "info"]:
                return web.json_response({"status": {"startup_time": "2026-11-24T08:00:00.000+0000"}})
            case ["GET", "channels", channel] if channel in self.channels:
                return web.json_response(self.channels[channel])
            case ["GET", "channels", channel, "variable"] if channel in self.channels:
                return web.json_response({"value": "kirurgi"})
            case ["POST", "channels", channel, "variable"] if channel in self.channels:
                pass
            case ["GET", "playbacks", playback] if playback in self.playbacks:
                return web.json_response({"id": playback, "state": "playing"})
            case ["DELETE", "playbacks", playback] if playback in self.playbacks:
                await self._finish(playback)
            case _:
                return web.json_response({"message": "not found"}, status=404)
        return web.Response(status=204)

    async def _play(self, channel: str, playback: str) -> web.Response:
        self.playbacks[playback] = channel
        if self.ends_playback_before_answering:
            await self._finish(playback)
            await asyncio.sleep(0.05)
        else:
            task = asyncio.create_task(self._finish(playback, self.playing_time))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return web.json_response({"id": playback, "target_uri": f"channel:{channel}", "state": "queued"}, status=201)

    async def _finish(self, playback: str, after: float = 0.0) -> None:
        await asyncio.sleep(after)
        channel = self.playbacks.pop(playback, None)
        if channel:
            json_ = {"id": playback, "target_uri": f"channel:{channel}", "state": self.playback_state}
            await self.emit("PlaybackFinished", playback=json_)

    def _description(self, name: str) -> dict[str, Any]:
        base = f"http://127.0.0.1:{self.port}/ari"
        if name == "resources":
            apis = [{"path": f"/api-docs/{name}.{{format}}", "description": name} for name in OPERATIONS]
            return {"swaggerVersion": "1.1", "apiVersion": "10.0.0", "basePath": base, "apis": apis}
        models = {
            type_: {"id": type_, "properties": {key: {"type": value} for key, value in fields.items()}}
            for type_, fields in (EVENT_FIELDS if name == "events" else {}).items()
        }
        apis = [_described(*operation) for operation in OPERATIONS[name]]
        return {"swaggerVersion": "1.1", "basePath": base, "resourcePath": f"/{name}", "apis": apis, "models": models}


@asynccontextmanager
async def serving(**fields: Any) -> AsyncIterator[FakeAri]:
    """A FakeAri on a free port of the loopback address."""
    fake = FakeAri(**fields)
    await fake.start()
    try:
        yield fake
    finally:
        await fake.stop()


def channel_json(channel_id: str, args: tuple[str, ...] = (), number: str = "+4768050001") -> dict[str, Any]:
    """A channel as Asterisk 22 describes it."""
    return {
        "id": channel_id,
        "name": f"PJSIP/trunk-{channel_id}",
        "state": "Up",
        "caller": {"name": "", "number": number},
        "connected": {"name": "", "number": ""},
        "dialplan": {
            "context": "innringing",
            "exten": "s",
            "priority": 4,
            "app_name": "Stasis",
            "app_data": ",".join(("innringing", *args)),
        },
        "language": "nb",
    }


def _described(nickname: str, method: str, path: str, queries: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "paramType": "path", "required": True, "dataType": "string"}
        for name in re.findall(r"{(\w+)}", path)
    ]
    for query in queries.split():
        name, _, kind = query.partition(":")
        parameters.append({"name": name, "paramType": kind or "query", "required": False, "dataType": "string"})
    operation: dict[str, Any] = {
        "httpMethod": method,
        "nickname": nickname,
        "responseClass": RESPONSES.get(nickname, "void"),
        "parameters": parameters,
    }
    if path == "/events":
        operation["upgrade"] = "websocket"
    return {"path": path, "description": nickname, "operations": [operation]}
