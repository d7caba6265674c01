"""Health, readiness and metrics, without a token and outside /api/v1: keep them inside your network."""

from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response

from api.health import telephony
from api.health.components import components
from api.schemas.health import ComponentOut, LivenessOut, ReadinessOut
from api.services import Services, services_of
from api.web.audit_rules import unaudited
from api.web.metrics import CONTENT_TYPE
from api.web.problems import Statuses
from desk.access.actor import SYSTEM
from desk.database.errors import StorageUnavailable
from desk.spool.errors import SpoolUnavailable
from desk.vault.errors import CannotOpen

router = APIRouter(tags=["health"])

STATUSES: Final[Statuses] = {
    CannotOpen: 500,
    StorageUnavailable: 503,
}

Inside = Annotated[Services, Depends(services_of)]


NEEDED: Final = ("database", "asterisk", "phone_door", *telephony.NAMES)
"""The components without which a caller meets the standby, the switchboard or no one."""


@router.get("/healthz", operation_id="getHealth")
@unaudited("says only that the process lives; machines ask every few seconds")
async def alive() -> LivenessOut:
    """Answer. This says nothing about the database or Asterisk, which a restart would not fix.

    A load balancer before several web doors asks this: agents need theirs most while no caller is served.
    """
    return LivenessOut(alive=True)


@router.get(
    "/readyz",
    operation_id="getReadiness",
    responses={503: {"model": ReadinessOut, "description": "A dependency does not answer."}},
)
@unaudited("says whether dependencies answer; machines ask every few seconds")
async def ready(services: Inside, response: Response) -> ReadinessOut:
    """Report whether callers are served: 503 when the database, Asterisk, a phone door or what a call needs is missing.

    For alarms. A missing standby, a clock in doubt, mistakes in operators' files and trouble with SMS are reported too,
    but do not make the service unready.
    """
    parts = await components(services)
    answer = ReadinessOut(
        ready=all(parts[name].ok for name in NEEDED),
        components={name: ComponentOut(ok=found.ok, detail=found.detail) for name, found in parts.items()},
    )
    if not answer.ready:
        response.status_code = 503
    return answer


@router.get(
    "/metrics", operation_id="getMetrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}}
)
@unaudited("counts, no one's data; machines ask every few seconds")
async def metrics(services: Inside) -> Response:
    """Return metrics for Prometheus. The queue and the phone doors are omitted while the database is away."""
    services.metrics.set_components({name: each.ok for name, each in (await components(services)).items()})
    with suppress(SpoolUnavailable):
        services.metrics.set_audit_spool(await services.audit_fallback.spool.state())
    services.metrics.set_clock_skew(services.clock_check.skew)
    try:
        services.metrics.set_callbacks(await services.queue.counts(services.departments()))
        services.metrics.set_controllers(await services.controllers.all(SYSTEM), services.lease_clock.now())
        services.metrics.set_suspected(await services.callbacks.floods.waiting(SYSTEM), services.departments())
        services.metrics.set_trunk_use(await services.dials.trunk_use(SYSTEM))
    except StorageUnavailable:
        services.metrics.set_callbacks({})
        services.metrics.set_suspected({}, ())
        services.metrics.set_controllers([], services.lease_clock.now())
    return Response(services.metrics.exposition(), headers={"content-type": CONTENT_TYPE})
