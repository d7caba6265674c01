"""LINK Mobility's SMS gateway, over its JSON interface.

Source: LINK Mobility, «SMS REST API: MT and Delivery Reports», version 1.6 (3 July 2019), sections 0.5 (POST /sms/send,
basic authentication, result 1005 «Queued», error codes 106xxx) and 0.9 (delivery reports and their result codes);
version 2.4 (23 June 2025) has the same form, and one report for each part of a long message (`id$n`).

`refId` carries our key and returns with each report. LINK Mobility does not promise to send the same `refId` only
once: after a crash at the moment of sending, a patient may get the same message twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from desk.connections.tls import client_context
from desk.messages.model import GatewayRefusal, SmsState, TryLater
from desk.numbers.phone_number import PhoneNumber
from desk.settings.sms import LOOPBACK, SmsSettings

SECONDS: Final = 10.0
SHORTEST_VALID: Final = timedelta(minutes=1)
QUEUED: Final = 1005
OURS: Final = frozenset({106100, 106101, 106200, 106201, 106300, 106301})
"""Result codes that mean our settings are wrong, not the message."""
UNSURE: Final = frozenset({106000})
ON_ITS_WAY: Final = frozenset({1000, 1005, 1008, 1011, 1012})
ARRIVED: Final = frozenset({1001, 1007})
REASONS: Final[Mapping[int, str]] = {
    **dict.fromkeys((4, 5, 1010), "unknown"),  # it is unknown whether it arrived
    1002: "expired",
    1004: "phone_full",
    2104: "no_such_number",
    2105: "blocked",
    2106: "no_such_number",
    2107: "blocked",
}
"""Reasons of failures, as codes that agents may see; any other is `not_delivered`."""


class LinkMobility:
    """An SmsGateway. Close it at the end."""

    def __init__(self, settings: SmsSettings, *, seconds: float = SECONDS) -> None:
        """`settings` name this gateway and all it needs (`Settings.load` has checked that)."""
        password = settings.password.get_secret_value() if settings.password else ""
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            auth=httpx.BasicAuth(settings.user, password),
            timeout=seconds,
            trust_env=urlsplit(settings.url).hostname not in LOOPBACK,  # the hospital's proxy is in the environment
            verify=client_context("SMS", settings.ca) if settings.ca else True,
        )
        self._same = _same_for_all(settings)

    async def send(self, key: str, to: PhoneNumber, text: str, *, valid: timedelta) -> str:
        """Send a message and return LINK Mobility's messageId. Raises TryLater and GatewayRefusal."""
        milliseconds = max(valid, SHORTEST_VALID) // timedelta(milliseconds=1)
        body = self._same | {
            "destination": to.e164,
            "userData": text,
            "refId": key,
            "relativeValidityTime": milliseconds,
        }
        try:
            answer = await self._client.post("/sms/send", json=body)
        except httpx.TimeoutException:
            raise TryLater("timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise TryLater("unreachable") from None
        return _reference(answer)

    async def close(self) -> None:
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


@dataclass(frozen=True)
class DeliveryReport:
    """The state of one part of a message. `reason` is set when the delivery failed."""

    part: str
    state: SmsState
    reason: str | None


def reported(id: str | None, code: int) -> DeliveryReport:
    """Read a report's `id` and `resultCode`. A message that is neither on its way nor delivered has failed."""
    part = (id or "").partition("$")[2][:4]
    if code in ON_ITS_WAY:
        return DeliveryReport(part, SmsState.SENT, None)
    if code in ARRIVED:
        return DeliveryReport(part, SmsState.DELIVERED, None)
    return DeliveryReport(part, SmsState.FAILED, REASONS.get(code, "not_delivered"))


def _same_for_all(settings: SmsSettings) -> dict[str, Any]:
    """The fields that all messages share."""
    sender = settings.sender
    name = "SHORTNUMBER" if sender.isdecimal() else "ALPHANUMERIC"
    gates = {"deliveryReportGates": [settings.gate_id]} if settings.gate_id else {}
    return {
        "source": sender,
        "sourceTON": "MSISDN" if sender.startswith("+") else name,
        "destinationTON": "MSISDN",
        "dcs": "TEXT",
        "platformId": settings.platform_id,
        "platformPartnerId": settings.partner_id,
        "useDeliveryReport": bool(gates),
        "ignoreResponse": False,
        **gates,
    }


def _reference(answer: httpx.Response) -> str:
    """Return the messageId of an accepted message. Raises TryLater and GatewayRefusal."""
    status = answer.status_code
    if status == httpx.codes.NO_CONTENT:
        return ""
    said = _said(answer)
    code = said.get("resultCode", said.get("status"))
    if status == httpx.codes.OK and code == QUEUED:
        return str(said.get("messageId") or "")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND) or code in OURS:
        raise TryLater("refuses_us", ours=True)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise TryLater("too_many")
    if (status == httpx.codes.OK and isinstance(code, int)) or (
        status == httpx.codes.BAD_REQUEST and code not in UNSURE
    ):
        raise GatewayRefusal(f"link_{code}" if isinstance(code, int) else "refused")
    raise TryLater(f"http_{status}")


def _said(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
