"""An OpenID provider that issues invalid tokens on request. For tests, on loopback only.

One line of JSON on stdin says the port; it ends when stdin does. POST /control: `claims` to put in (null takes one
out; ["now", seconds] is an instant), `header` likewise, `sign` (see `_signed`), `answer` for what /auth adds to its
redirect, `token` for what /token adds to its answer. GET /logout-token?sub=… makes a logout token, forged the same way.
"""

import base64
import hashlib
import hmac
import json
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwk, jwt

LOGOUT = {"http://schemas.openid.net/event/backchannel-logout": {}}
GOOD: dict[str, Any] = {"claims": {}, "header": {}, "sign": "good", "answer": {}, "token": {}, "metadata": {}}


class Forger:
    """What the provider has issued, and the current settings for forging."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "known", "use": "sig", "alg": "RS256"})
        self.other = jwk.RSAKey.generate_key(2048, {"kid": "known", "use": "sig", "alg": "RS256"})
        self.codes: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self.way = dict(GOOD)

    def metadata(self) -> dict[str, Any]:
        own = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": True,
        }
        return {**own, **self.way["metadata"]}

    def answered(self, query: dict[str, str]) -> str:
        """The address that /auth redirects to: back at once, as for a user who is already logged in."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = query["nonce"]
        answer = {"code": code, "state": query["state"], "iss": self.issuer, **self.way["answer"]}
        return (
            f"{query['redirect_uri']}?{urlencode({name: value for name, value in answer.items() if value is not None})}"
        )

    def tokens(self, form: dict[str, str]) -> dict[str, Any]:
        access_token = secrets.token_urlsafe(16)
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = {
            "nonce": self.codes.pop(form.get("code", ""), "none"),
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        }
        found = {"access_token": access_token, "token_type": "Bearer", "id_token": self.forged("kari", claims)}
        return {**found, **self.way["token"]}

    def forged(self, subject: str, more: dict[str, Any]) -> str:
        """A token for our client with the requested faults."""
        now = int(time.time())
        claims = {
            **{"iss": self.issuer, "aud": "innringing", "sub": subject, "iat": now, "exp": now + 300},
            **{"name": "Kari Nordmann", "groups": ["7a1c9d52"]},
            **more,
            **{name: now + value[1] if _is_instant(value) else value for name, value in self.way["claims"].items()},
        }
        header = {"alg": "RS256", "kid": "known", **self.way["header"]}
        return self._signed(
            {name: value for name, value in header.items() if value is not None},
            {name: value for name, value in claims.items() if value is not None},
        )

    def _signed(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        match self.way["sign"]:
            case "none":
                return f"{_part({**header, 'alg': 'none'})}.{_part(claims)}."
            case "public key as a secret":
                start = f"{_part({**header, 'alg': 'HS256'})}.{_part(claims)}"
                signature = hmac.digest(self.key.as_pem(private=False), start.encode(), "sha256")
                return f"{start}.{_b64(signature)}"
            case "another key":
                return jwt.encode(header, claims, self.other, algorithms=["RS256"])
            case "tampered":
                start, _, signature = jwt.encode(header, claims, self.key, algorithms=["RS256"]).split(".")
                return f"{start}.{_part({**claims, 'groups': ['drift']})}.{signature}"
            case "not a token":
                return "not.a-token"
        return jwt.encode(header, claims, self.key, algorithms=["RS256"])


def _is_instant(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and value[0] == "now"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _part(value: dict[str, Any]) -> str:
    return _b64(json.dumps(value).encode())


class Door(BaseHTTPRequestHandler):
    """The provider's endpoints."""

    forger: Forger

    def do_GET(self) -> None:
        path, query = self._asked()
        if path == "/.well-known/openid-configuration":
            self._tell(self.forger.metadata())
        elif path == "/jwks":
            self._tell({"keys": [self.forger.key.as_dict(private=False)]})
        elif path == "/logout-token":
            claims = {"jti": secrets.token_urlsafe(16), "events": LOGOUT}
            self._tell({"logout_token": self.forger.forged(query.get("sub", "kari"), claims)})
        else:
            self.send_response(303)
            self.send_header("location", self.forger.answered(query))
            self.end_headers()

    def do_POST(self) -> None:
        path, _ = self._asked()
        body = self.rfile.read(int(self.headers["content-length"]))
        if path == "/control":
            asked = json.loads(body)
            if asked:
                self.forger.way = {**GOOD, **asked}
            self._tell({"counts": self.forger.counts})
        else:
            self._tell(self.forger.tokens({name: values[0] for name, values in parse_qs(body.decode()).items()}))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        self.forger.counts[parts.path] = self.forger.counts.get(parts.path, 0) + 1
        return parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}

    def _tell(self, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def main() -> None:
    port = json.loads(sys.stdin.readline())["port"]
    Door.forger = Forger(f"http://127.0.0.1:{port}")
    server = ThreadingHTTPServer(("127.0.0.1", port), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("listening", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
