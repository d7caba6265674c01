"""The web application, wired by hand."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI

from api.auth.cookies import Cookies
from api.auth.oidc.errors import STATUSES as SINGLE_SIGN_ON_STATUSES
from api.auth.oidc.single_sign_on import single_sign_on
from api.console.all_pages import PAGES
from api.console.answers import error_page
from api.console.assets import router as assets
from api.console.pages.prompts import LARGER_BODIES
from api.demo.agent import ensure_demo_agent, ensure_demo_password
from api.fhir.routes import add_fhir
from api.health.queue_gauge import QueueGauge
from api.health.readiness import Asterisk, OperatorsFiles
from api.messaging.gateways import make_sender
from api.openapi import describe
from api.openapi import router as docs
from api.routes import (
    agents,
    callbacks,
    calls,
    departments,
    dials,
    edits,
    emergency,
    events,
    floods,
    health,
    ledger,
    login,
    recordings,
    search,
    second_factor,
    session,
    sms,
    statistics,
    tokens,
)
from api.routes import (
    audit as audit_routes,
)
from api.services import Services
from api.shared_pages import SharedPages
from api.upkeep import background_work
from api.web.audit_rules import require_audit_rules
from api.web.errors import STATUSES as WEB_STATUSES
from api.web.events.live import Live
from api.web.metrics import Metrics
from api.web.middleware.audit import AuditMiddleware
from api.web.middleware.forwarding import ForwardedMiddleware
from api.web.middleware.head import HeadMiddleware
from api.web.middleware.hosts import AllowedHostsMiddleware
from api.web.middleware.limits import RequestLimits
from api.web.middleware.requests import RequestMiddleware
from api.web.middleware.security_headers import SecurityHeadersMiddleware
from api.web.problems import Statuses, register, registered, use_problem_documents
from desk.accounts.agents import Agents
from desk.accounts.emergency_access import Emergencies
from desk.accounts.login import Logins
from desk.accounts.oidc.identities import OidcIdentities
from desk.accounts.second_factor.service import SecondFactors
from desk.accounts.sessions.service import Sessions
from desk.accounts.tokens.management import TokenManagement
from desk.audit.anchors import AnchorFile
from desk.audit.verify import AuditVerifier
from desk.callbacks.services import CallbackServices, callback_services
from desk.clock import Clock, SystemClock
from desk.clock_check.clock_check import ClockCheck, SharedClock
from desk.controllers.controllers import Controllers
from desk.database.engine import Database
from desk.departments.departments import Departments
from desk.departments.file import DepartmentsFile
from desk.doors.doors import DoorReporter, Doors
from desk.doors.model import DoorKind
from desk.files.edited_file import EditedFile
from desk.history.feed import Changes
from desk.history.standstill import Standstill
from desk.idempotency.answers import Answers
from desk.inquiries.claiming import LEASE
from desk.ledger.ledger import Ledger
from desk.limits.request_buckets import RequestBuckets
from desk.messages.outbox import Outbox
from desk.messages.texts import SmsTextsFile
from desk.recordings.recordings import Recordings
from desk.safeguards import make_audit, make_audit_retention, make_passwords, make_retention
from desk.settings.settings import Settings
from desk.statistics.figures import StatisticsReader
from desk.vault.vault import Vault
from desk.wire import check_keys, make_dials, make_notices, make_own_numbers, make_vault, sms_texts

ROUTES: Final = (
    callbacks,
    edits,
    calls,
    dials,
    departments,
    floods,
    agents,
    ledger,
    statistics,
    recordings,
    search,
    events,
    emergency,
    audit_routes,
    login,
    session,
    second_factor,
    tokens,
    sms,
    health,
)


def create_app(
    settings: Settings,
    *,
    services: Services | None = None,
) -> FastAPI:
    """Create the application. Without `services` it opens its own at start-up and closes them at the end.

    Services passed in need no start-up, and the caller closes them: see `open_services` and `build_services`.
    Raises MissingAuditRule when an endpoint does not say what the audit records about it.
    """
    metrics = services.metrics if services is not None else Metrics()
    app = FastAPI(
        title="Innringing",
        version=version("innringing"),
        openapi_url=None,  # api/openapi.py serves the document
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # no redirect is built from the Host header
        lifespan=_own_services(settings, metrics) if services is None else None,
    )
    if services is not None:
        app.state.services = services
    # The last one added is the outermost.
    app.add_middleware(AuditMiddleware)
    app.add_middleware(AllowedHostsMiddleware, hosts=settings.api.hosts)
    app.add_middleware(RequestMiddleware, metrics=metrics, larger=LARGER_BODIES)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(ForwardedMiddleware, proxies=settings.api.proxies, header=settings.api.forwarded_header)
    use_problem_documents(app)
    app.state.error_page = error_page
    add_routes(app)
    require_audit_rules(app)
    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(describe(app))
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    return app


def add_routes(app: FastAPI) -> None:
    """Add every route, and the status codes of the errors it can raise."""
    register(app, WEB_STATUSES)
    register(app, SINGLE_SIGN_ON_STATUSES)
    for room in ROUTES:
        app.include_router(room.router)
        register(app, getattr(room, "STATUSES", {}), getattr(room, "FIELDS", {}))
    add_fhir(app)
    app.include_router(docs)
    for page in PAGES:
        app.include_router(page.router)
        register(app, getattr(page, "STATUSES", {}))
    app.include_router(assets)


def problem_statuses() -> Statuses:
    """Return the status codes of all errors that the web door reports."""
    app = FastAPI()
    use_problem_documents(app)
    add_routes(app)
    return registered(app)


def _own_services(settings: Settings, metrics: Metrics) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, metrics=metrics, clock=SystemClock()) as services:
            app.state.services = services
            async with background_work(services):
                yield

    return lifespan


@asynccontextmanager
async def open_services(settings: Settings, *, metrics: Metrics, clock: Clock) -> AsyncIterator[Services]:
    """Open database, desk and agents from `settings`, in demo with the demo agent.

    Raises DepartmentsFileError, SettingsError, StorageUnavailable.
    """
    departments = DepartmentsFile(settings.files.departments)
    vault = make_vault(settings.vault)
    database = Database(settings.database.url)
    texts = sms_texts(settings.sms)
    notices = make_notices(settings.sms, vault, texts)
    shared = SharedClock(clock)
    callbacks = callback_services(
        database=database,
        departments=departments,
        vault=vault,
        clock=clock,
        lease_clock=shared,
        notices=notices,
        numbers=settings.limits.number_rate,
        transfers=settings.limits.transfer_rate,
        most_claimed=settings.limits.claims_at_once,
        own_numbers=make_own_numbers(settings, departments),
    )
    services = build_services(
        settings,
        database=database,
        vault=vault,
        callbacks=callbacks,
        agents=Agents(database=database, clock=clock),
        departments=departments,
        metrics=metrics,
        clock=clock,
        check=ClockCheck(database=database, clock=clock, shared=shared),
        shared=shared,
        texts=texts,
    )
    try:
        await database.ping()
        await check_keys(database, vault, clock)
        await services.clock_check.check()
        if settings.demo:
            await ensure_demo_agent(services.agents, settings.files.var)
            await ensure_demo_password(services.logins, settings.files.var)
        yield services
    finally:
        await services.close()
        await database.close()


def build_services(
    settings: Settings,
    *,
    database: Database,
    vault: Vault,
    callbacks: CallbackServices,
    agents: Agents,
    departments: Callable[[], Departments],
    metrics: Metrics,
    clock: Clock,
    check: ClockCheck,
    shared: SharedClock | None = None,
    texts: SmsTextsFile | None = None,
) -> Services:
    """Build the services on an open database. Close them before it. `shared`: the leases' clock, else `clock`."""
    outbox = Outbox(database=database, vault=vault, clock=clock)
    audit, fallback = make_audit(settings.audit, database=database, vault=vault, clock=clock)
    sessions = _sessions(settings, database, clock)
    oidc = single_sign_on(settings, database=database, vault=vault, sessions=sessions, agents=agents, clock=clock)
    return Services(
        settings=settings,
        callbacks=callbacks,
        controllers=Controllers(database=database, clock=shared or clock),
        reporter=_reporter(database, clock, departments, texts, oidc.groups_file if oidc else None),
        dials=make_dials(database, callbacks, settings.dials, departments=departments, clock=clock),
        recordings=Recordings(database=database, vault=vault, clock=clock),
        answers=Answers(database=database, vault=vault, clock=clock),
        ledger=Ledger(database=database, departments=departments, clock=clock, lease=LEASE),
        emergencies=Emergencies(database=database, departments=departments, clock=clock),
        agents=agents,
        cookies=Cookies(demo=settings.demo),
        token_management=TokenManagement(database=database, tokens=agents.tokens, clock=clock),
        sessions=sessions,
        logins=_logins(settings, database, vault, clock, sessions),
        second_factors=SecondFactors(database=database, vault=vault, clock=clock, sessions=sessions),
        departments=departments,
        files=OperatorsFiles(departments, settings.files.prompts),
        pages=SharedPages(Standstill(database=database, clock=clock)),
        clock=clock,
        lease_clock=shared or clock,
        clock_check=check,
        metrics=metrics,
        queue=QueueGauge(callbacks=callbacks.lists, clock=clock),
        limits=_request_limits(settings, database, clock, metrics),
        live=Live(changes=Changes(database=database, clock=clock)),
        asterisk=Asterisk(settings.ari),
        outbox=outbox,
        sender=make_sender(settings.sms, outbox=outbox, texts=texts or sms_texts(settings.sms), clock=clock),
        statistics=StatisticsReader(database=database, departments=departments, clock=clock),
        retention=make_retention(database, settings.retention, clock, check),
        single_sign_on=oidc,
        oidc_identities=OidcIdentities(database=database, vault=vault, clock=clock),
        audit=audit,
        audit_anchors=AnchorFile(settings.audit.anchors_file, vault),
        audit_verifier=AuditVerifier(database=database, vault=vault, clock=clock),
        audit_fallback=fallback,
        audit_retention=make_audit_retention(database, audit, settings.audit, clock, check),
    )


def _reporter(database: Database, clock: Clock, *used: object) -> DoorReporter:
    """Report on those of the given that are operators' files."""
    files = [each for each in used if isinstance(each, EditedFile)]
    doors = Doors(database=database, clock=clock)
    return DoorReporter(doors, DoorKind.API, lambda: [each.checked() for each in files])


def _sessions(settings: Settings, database: Database, clock: Clock) -> Sessions:
    login = settings.login
    return Sessions(database=database, clock=clock, limits=login.session_limits, policy=login.second_factor_policy)


def _logins(settings: Settings, database: Database, vault: Vault, clock: Clock, sessions: Sessions) -> Logins:
    passwords = make_passwords(settings.login)
    return Logins(database=database, vault=vault, clock=clock, sessions=sessions, passwords=passwords)


def _request_limits(settings: Settings, database: Database, clock: Clock, metrics: Metrics) -> RequestLimits:
    return RequestLimits(
        clock=clock,
        metrics=metrics,
        buckets=RequestBuckets(database=database, clock=clock),
        requests=settings.limits.request_rate,
        refusals=settings.limits.refusal_rate,
    )
