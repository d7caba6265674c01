"""LINK Mobility's gateway for text messages, spoken to in its own JSON form over HTTPS.

Source: LINK Mobility, «SMS REST API: MT and Delivery Reports», version 1.6 (3 July 2019), sections 0.5 (POST /sms/send,
basic authentication, result 1005 «Queued», error codes 106xxx) and 0.9 (delivery reports and their result codes);
version 2.4 (23 June 2025) has the same form, and a report for each part of a text in several (`id$n`).

`refId` carries our key and comes back with each report. LINK Mobility does not promise to send the same `refId` only
once: after a crash at the very moment of sending, a patient may get the same text twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx

from desk.messages.model import Refused, SmsState, TryLater
from desk.numbers.phone_number import PhoneNumber
from desk.settings.sms import LOOPBACK, SmsSettings
from desk.tls import client_context

SECONDS: Final = 10.0
SHORTEST_VALID: Final = timedelta(minutes=1)
QUEUED: Final = 1005
OURS: Final = frozenset({106100, 106101, 106200, 106201, 106300, 106301})
"""Result codes that tell of our settings: the texts themselves are good."""
UNSURE: Final = frozenset({106000})
ON_ITS_WAY: Final = frozenset({1000, 1005, 1008, 1011, 1012})
ARRIVED: Final = frozenset({1001, 1007})
REASONS: Final[Mapping[int, str]] = {
    **dict.fromkeys((4, 5, 1010), "unknown"),  # nobody can say whether it arrived
    1002: "expired",
    1004: "phone_full",
    2104: "no_such_number",
    2105: "blocked",
    2106: "no_such_number",
    2107: "blocked",
}
"""What failed, in codes agents may be shown; any other is `not_delivered`."""


class LinkMobility:
    """The gateway as a `desk.sms.SmsGateway`. Close it at the end."""

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
        """LINK Mobility's messageId. Raises TryLater and Refused."""
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
class Reported:
    """What a delivery report says: of which part of the text, and what became of it. `reason` where it failed."""

    part: str
    state: SmsState
    reason: str | None


def reported(id: str | None, code: int) -> Reported:
    """A report's `id` and `resultCode`, read. What is neither on its way nor arrived has failed."""
    part = (id or "").partition("$")[2][:4]
    if code in ON_ITS_WAY:
        return Reported(part, SmsState.SENT, None)
    if code in ARRIVED:
        return Reported(part, SmsState.DELIVERED, None)
    return Reported(part, SmsState.FAILED, REASONS.get(code, "not_delivered"))


def _same_for_all(settings: SmsSettings) -> dict[str, Any]:
    """What every text is sent with."""
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
    """The messageId of a text that was taken. Raises TryLater and Refused."""
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
        raise Refused(f"link_{code}" if isinstance(code, int) else "refused")
    raise TryLater(f"http_{status}")


def _said(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
