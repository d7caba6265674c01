"""Check if the services on this machine respond."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request

from desk.settings.settings import Settings

APPLICATION = "innringing"
ANSWER_LIMIT = 8.0  # seconds; /readyz itself waits a few for Asterisk and the database


def doors_are_open(settings: Settings) -> bool:
    """Whether both doors serve: the api responds, and the phone door is connected to Asterisk."""
    return api_answers(settings) and ari_finds(settings, f"applications/{APPLICATION}")


def lacking(settings: Settings) -> list[str]:
    """Return what is not in order, as /readyz says it: one sentence for each component, empty if a caller is served."""
    body = _read(_of_api(settings, "readyz"))
    if body is None:
        return ["the web door does not answer"]
    answer = json.loads(body)
    if answer["ready"]:
        return []
    return [f"{name}: {part['detail']}" for name, part in answer["components"].items() if not part["ok"]]


def api_answers(settings: Settings) -> bool:
    return _answers(_of_api(settings, "healthz"))


def _of_api(settings: Settings, path: str) -> urllib.request.Request:
    scheme = "https" if settings.api.tls else "http"
    return urllib.request.Request(f"{scheme}://{address(from_here(settings.api.host), settings.api.port)}/{path}")


def from_here(host: str) -> str:
    """Return where this machine reaches a server of its own that listens on `host`, which may be every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def address(host: str, port: int) -> str:
    """Write a host and a port as in a URL: an IPv6 address gets brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ari_finds(settings: Settings, resource: str) -> bool:
    """Whether this machine's Asterisk responds to a GET of an ARI resource such as `asterisk/ping`."""
    user = f"{settings.ari.user}:{settings.ari.require_password()}"
    request = urllib.request.Request(f"http://127.0.0.1:{settings.ari.port}/ari/{resource}")
    request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    return _answers(request)


def _answers(request: urllib.request.Request) -> bool:
    return _read(request, refusals=False) is not None


def _read(request: urllib.request.Request, *, refusals: bool = True) -> bytes | None:
    """Return the body of an answer, or None if there is none. With `refusals` an error's body counts too."""
    unnamed = ssl.create_default_context()  # the certificate has another name than 127.0.0.1; we send no secrets
    unnamed.check_hostname, unnamed.verify_mode = False, ssl.CERT_NONE
    # no proxy: it is this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unnamed))
    try:
        with opener.open(request, timeout=ANSWER_LIMIT) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        return bytes(error.read()) if refusals else None
    except OSError:
        return None
