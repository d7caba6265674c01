"""Whether what runs on this machine answers."""

from __future__ import annotations

import base64
import ssl
import urllib.request

from desk.settings.settings import Settings

APPLICATION = "innringing"


def doors_are_open(settings: Settings) -> bool:
    """Whether a call would be taken and an agent be answered."""
    return api_answers(settings) and ari_finds(settings, f"applications/{APPLICATION}")


def api_answers(settings: Settings) -> bool:
    host = "127.0.0.1" if settings.api.host in ("0.0.0.0", "::") else settings.api.host
    scheme = "https" if settings.api.tls else "http"
    return _answers(urllib.request.Request(f"{scheme}://{host}:{settings.api.port}/healthz"))


def ari_finds(settings: Settings, resource: str) -> bool:
    """Whether the Asterisk of this machine answers a GET of the ARI resource (`asterisk/ping`)."""
    user = f"{settings.ari.user}:{settings.ari.require_password()}"
    request = urllib.request.Request(f"http://127.0.0.1:{settings.ari.port}/ari/{resource}")
    request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    return _answers(request)


def _answers(request: urllib.request.Request) -> bool:
    unnamed = ssl.create_default_context()  # this machine's certificate is another name's; nothing secret is asked
    unnamed.check_hostname, unnamed.verify_mode = False, ssl.CERT_NONE
    # never through a proxy: it is this machine
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unnamed))
    try:
        with opener.open(request, timeout=2):
            return True
    except OSError:
        return False
