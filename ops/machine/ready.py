"""Check if the services on this machine respond."""

from __future__ import annotations

import base64
import ssl
import urllib.request

from desk.settings.settings import Settings

APPLICATION = "innringing"


def doors_are_open(settings: Settings) -> bool:
    """Whether both doors serve: the api responds, and the phone door is connected to Asterisk."""
    return api_answers(settings) and ari_finds(settings, f"applications/{APPLICATION}")


def api_answers(settings: Settings) -> bool:
    host = "127.0.0.1" if settings.api.host in ("0.0.0.0", "::") else settings.api.host
    scheme = "https" if settings.api.tls else "http"
    return _answers(urllib.request.Request(f"{scheme}://{host}:{settings.api.port}/healthz"))


def ari_finds(settings: Settings, resource: str) -> bool:
    """Whether this machine's Asterisk responds to a GET of an ARI resource such as `asterisk/ping`."""
    user = f"{settings.ari.user}:{settings.ari.require_password()}"
    request = urllib.request.Request(f"http://127.0.0.1:{settings.ari.port}/ari/{resource}")
    request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    return _answers(request)


def _answers(request: urllib.request.Request) -> bool:
    unnamed = ssl.create_default_context()  # the certificate has another name than 127.0.0.1; we send no secrets
    unnamed.check_hostname, unnamed.verify_mode = False, ssl.CERT_NONE
    # no proxy: it is this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unnamed))
    try:
        with opener.open(request, timeout=2):
            return True
    except OSError:
        return False
