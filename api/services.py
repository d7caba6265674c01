"""The services behind the web door, built once at start and reached through the application."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request

from api.auth.cookies import Cookies
from api.auth.oidc.single_sign_on import SingleSignOn
from api.demo.patient import DemoPatient
from api.health.queue_gauge import QueueGauge
from api.health.readiness import Asterisk, OperatorsFiles
from api.own_commands import OwnCommands
from api.prompts.builds import PromptBuilds
from api.prompts.script import PromptScript
from api.shared_pages import SharedPages
from api.web.events.live import Live
from api.web.events.recent_reads import RecentReads
from api.web.metrics import Metrics
from api.web.middleware.limits import RequestLimits
from desk.accounts.agents import Agents
from desk.accounts.emergency_access import Emergencies
from desk.accounts.login import Logins
from desk.accounts.oidc.identities import OidcIdentities
from desk.accounts.second_factor.service import SecondFactors
from desk.accounts.sessions.service import Sessions
from desk.accounts.tokens.management import TokenManagement
from desk.audit.anchors import AnchorFile
from desk.audit.audit import Audit
from desk.audit.fallback import AuditFallback
from desk.audit.retention import AuditRetention
from desk.audit.verify import AuditVerifier
from desk.callbacks.services import CallbackServices
from desk.clock import Clock
from desk.clock_check.clock_check import ClockCheck
from desk.controllers.controllers import Controllers
from desk.departments.departments import Departments
from desk.dials.dials import Dials
from desk.doors.doors import DoorReporter
from desk.idempotency.answers import Answers
from desk.ledger.ledger import Ledger
from desk.messages.outbox import Outbox
from desk.messages.sender import Sender
from desk.privacy.retention import Retention
from desk.recordings.recordings import Recordings
from desk.settings.settings import Settings
from desk.statistics.figures import StatisticsReader


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that routes use."""

    settings: Settings
    callbacks: CallbackServices
    controllers: Controllers
    reporter: DoorReporter
    dials: Dials
    recordings: Recordings
    answers: Answers
    ledger: Ledger
    emergencies: Emergencies
    agents: Agents
    cookies: Cookies
    token_management: TokenManagement
    sessions: Sessions
    logins: Logins
    second_factors: SecondFactors
    departments: Callable[[], Departments]
    files: OperatorsFiles
    pages: SharedPages
    clock: Clock
    lease_clock: Clock
    clock_check: ClockCheck
    metrics: Metrics
    queue: QueueGauge
    live: Live
    limits: RequestLimits
    asterisk: Asterisk
    outbox: Outbox
    sender: Sender
    retention: Retention
    statistics: StatisticsReader
    single_sign_on: SingleSignOn | None
    oidc_identities: OidcIdentities
    audit: Audit
    audit_anchors: AnchorFile
    audit_verifier: AuditVerifier
    audit_fallback: AuditFallback
    audit_retention: AuditRetention
    commands: OwnCommands = field(default_factory=OwnCommands)
    demo_patient: DemoPatient = field(default_factory=DemoPatient)
    prompt_script: PromptScript = field(default_factory=PromptScript)
    prompt_builds: PromptBuilds = field(default_factory=PromptBuilds)
    recent_reads: RecentReads = field(default_factory=RecentReads)
    translate: Callable[[str], str] = str
    """Puts a message of commands, such as a mistake in a file, into Bokmål."""

    async def close(self) -> None:
        """Stop background work and close connections. Close the database afterwards."""
        await self.demo_patient.close()
        await self.prompt_builds.close()
        await self.live.close()
        await self.asterisk.close()
        await self.sender.close()
        if self.single_sign_on is not None:
            await self.single_sign_on.close()


async def services_of(request: Request) -> Services:
    """Return the services of the application.

    A coroutine, since FastAPI runs a plain function in a thread, which would cost each request two of them.
    """
    services = request.app.state.services
    assert isinstance(services, Services)
    return services
