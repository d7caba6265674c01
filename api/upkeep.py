"""The background work of the web door, while it runs."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial

from api.services import Services
from api.web.background import repeating
from api.web.middleware.limits import SHARE_EVERY
from desk.access.actor import SYSTEM
from desk.database.errors import StorageUnavailable
from desk.doors.doors import REPORT_EVERY
from desk.messages.sender import sending
from desk.safeguards import make_audit_drainer

HOUR = 3600.0
LEASE_CHECK_SECONDS = 10.0
DRAIN_EVERY_SECONDS = 5.0
COUNT_SECONDS = 5.0


@asynccontextmanager
async def background_work(services: Services) -> AsyncIterator[None]:
    """Run the background work: ended leases, warnings, sending of messages, nightly deletion, upkeep of the audit."""
    expire = partial(services.callbacks.claiming.expire_leases, SYSTEM)
    expired = repeating(expire, not_done="leases that ran out not ended", every=LEASE_CHECK_SECONDS)
    watched = repeating(services.ledger.warn, not_done="promises not watched")
    deleted = repeating(services.retention.run_if_due, not_done="nothing deleted")  # one process does it for all
    pruned = repeating(services.audit_retention.run, not_done="old rows of the audit not deleted", every=HOUR)
    anchored = repeating(services.audit.keep_anchor, not_done="audit anchor not stored", every=HOUR)
    compared = repeating(services.clock_check.check, not_done="clock not compared with the database's")
    shared = repeating(services.limits.share, not_done="counts of requests not shared", every=SHARE_EVERY)
    drain = make_audit_drainer(services.audit, services.audit_fallback).drain
    drained = repeating(drain, not_done="rows of the audit on disk not stored", every=DRAIN_EVERY_SECONDS)
    forgotten, sent = _forgotten_absentees(services), sending(services.sender)
    counted = repeating(services.statistics.tallies.follow, not_done="figures not counted", every=COUNT_SECONDS)
    report = services.reporter.report
    reported = repeating(report, not_done="files in use not reported", every=REPORT_EVERY)
    async with (
        counted,
        compared,
        expired,
        watched,
        sent,
        deleted,
        pruned,
        anchored,
        forgotten,
        shared,
        drained,
        reported,
    ):
        yield
    await services.reporter.leave()
    with suppress(StorageUnavailable):
        await services.audit.keep_anchor()


def _forgotten_absentees(services: Services) -> AbstractAsyncContextManager[None]:
    """Delete refresh tokens of agents who are logged out, also while no provider is set up."""

    async def forget() -> None:
        await services.clock_check.require()
        await services.oidc_identities.forget_absent(SYSTEM, services.settings.login.session_limits)

    return repeating(forget, not_done="refresh tokens of ended sessions not deleted", every=HOUR)
