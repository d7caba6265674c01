"""Let the demo's patient call: only in the demo, and only from a browser on this machine."""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.auth.cookies import is_from_here
from api.console.access import PageReader, PageWorker
from api.console.answers import on_to
from api.console.fields import FormSlug
from api.console.rendering import render
from api.console.rows import readable
from api.demo.patient import DemoCall, DemoCallRunning
from api.web.audit_rules import unaudited
from api.web.problems import Statuses
from desk.errors import DeskError
from desk.numbers.phone_number import PhoneNumber

router = APIRouter(prefix="/demo/patient", include_in_schema=False)


class OnlyInDemo(DeskError):
    """Only the demo has a patient, and only for a browser on its own machine."""

    id = "only-in-demo"


STATUSES: Final[Statuses] = {OnlyInDemo: 404, DemoCallRunning: 409}


def has_demo_patient(access: PageReader, request: Request) -> bool:
    """Whether the page may let the patient call."""
    services = access.services
    return services.settings.demo and services.commands.available and is_from_here(request)


@router.post("")
@unaudited("a made-up patient of the demo calls")
async def let_ring(request: Request, access: PageWorker, department: FormSlug) -> Response:
    """Place a real call to the department from the softphone."""
    if not has_demo_patient(access, request):
        raise OnlyInDemo
    access.looking(department)
    access.services.demo_patient.rings(access.services.commands, access.services.departments().get(department))
    return on_to("/queue")


@router.get("")
@unaudited("what a made-up patient of the demo heard")
async def demo_call(request: Request, access: PageReader) -> Response:
    """Return the newest call, for the page that shows it."""
    if not has_demo_patient(access, request):
        raise OnlyInDemo
    return render(request, "demo_call.html", access, **demo_values(access, request))


def demo_values(access: PageReader, request: Request) -> dict[str, Any]:
    """What the queue page shows about the demo's patient."""
    latest = access.services.demo_patient.latest
    shown = has_demo_patient(access, request)
    return {"has_demo_patient": shown, "demo_call": latest if shown else None, "demo_phone": _readable(latest)}


def _readable(call: DemoCall | None) -> str | None:
    return readable(PhoneNumber(call.phone, mobile=False)) if call else None
