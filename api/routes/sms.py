"""Delivery reports of the SMS gateway. Outside /api/v1: only the gateway's own secret gives access."""

import base64
import binascii
import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Security
from fastapi.security import APIKeyHeader

from api.messaging.link_mobility import reported
from api.openapi import problems
from api.schemas.sms import ReceiptOut, ReportIn
from api.services import Services, services_of
from api.web.audit_rules import audited
from api.web.errors import NotSignedIn
from api.web.middleware.trace import trace_of
from api.web.request_checks import require_json
from desk.access.actor import SYSTEM
from desk.audit.actions import AuditAction

router = APIRouter(prefix="/sms", tags=["sms"])

MAX_SECRET = 500

secret_header = APIKeyHeader(
    name="Authorization",
    scheme_name="gateway",
    auto_error=False,
    description="INNRINGING_SMS_REPORT_SECRET: `Bearer <secret>`, or `Basic` with it as the password of any user.",
)


async def from_gateway(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    authorization: Annotated[str | None, Security(secret_header)],
) -> Services:
    """Return the services if the request carries the secret, as a bearer token or as the password of any user.

    Raises NotSignedIn, and TooManyRequests after too many such requests.
    """
    secret = services.settings.sms.report_secret
    shown = _shown(authorization or "")
    if secret is None or shown is None or not hmac.compare_digest(shown, secret.get_secret_value().encode()):
        services.limits.opened_nothing(request)
        raise NotSignedIn
    trace_of(request).who = "sms-gateway"
    await require_json(request)
    return services


@router.post("/reports", operation_id="reportDelivery", responses=problems())
@audited(AuditAction.REPORT_DELIVERY)
async def report(body: ReportIn, services: Annotated[Services, Depends(from_gateway)]) -> ReceiptOut:
    """Receive a delivery report. The response is the same for unknown messages, and repeating it changes nothing."""
    if body.refId is not None:
        read = reported(body.id, body.resultCode)
        await services.outbox.report(SYSTEM, body.refId, read.part, read.state, read.reason)
    return ReceiptOut(received=True)


def _shown(authorization: str) -> bytes | None:
    """Parse the secret in a header; None without one."""
    scheme, _, rest = authorization.strip()[:MAX_SECRET].partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return rest.encode()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(rest, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return None
