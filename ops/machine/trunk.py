"""Write the telephone company's trunk to local/pjsip.conf: its address, our account, and a registration."""

from __future__ import annotations

from desk.settings.settings import Settings
from desk.settings.sip import SWITCHBOARD_NUMBER

ACCOUNT = "trunk-account"
RETRY = "retry_interval=30\nforbidden_retry_interval=300\nfatal_retry_interval=300\nmax_retries=1000000\n"
"""A refused registration is tried again: the telephone company may have been the one at fault."""


def endpoint_options(settings: Settings) -> str:
    """Return what the trunk's endpoint needs beyond its encryption."""
    account = f"outbound_auth={ACCOUNT}\n" if settings.trunk.user else ""
    domain = f"from_domain={settings.trunk.from_domain}\n" if settings.trunk.from_domain else ""
    return account + domain


def sections(settings: Settings) -> list[str]:
    """Return the trunk's address, and its account and registration where they are set."""
    trunk, hosts = settings.trunk, settings.sip.ways_out
    encrypted = not settings.sip.in_clear
    secure = r"\;transport=tls" if encrypted else ""  # a bare semicolon starts a comment
    contacts = "".join(f"contact=sip:{host}{secure}\n" for host in hosts)
    parts = [f"[trunk]\ntype=aor\n{contacts}" + (f"qualify_frequency={trunk.qualify}\n" if hosts else "")]
    if trunk.user and trunk.password:
        password = trunk.password.get_secret_value().replace(";", "\\;")
        parts.append(f"[{ACCOUNT}]\ntype=auth\nauth_type=userpass\nusername={trunk.user}\npassword={password}\n")
    if trunk.registers and settings.sip.trunk:
        domain = trunk.from_domain or settings.sip.trunk
        parts.append(
            f"[trunk]\ntype=registration\ntransport={'transport-tls' if encrypted else 'transport-udp'}\n"
            f"outbound_auth={ACCOUNT}\nserver_uri=sip:{settings.sip.trunk}{secure}\nclient_uri=sip:{trunk.user}@{domain}\n"
            # with a line its calls are recognised wherever they come from
            f"contact_user={trunk.user}\nexpiration=300\nline=yes\nendpoint=trunk\nauth_rejection_permanent=no\n{RETRY}"
        )
    return parts


def public_address(settings: Settings) -> str:
    """Return the options of a transport behind address translation; empty if the address is its own."""
    public = settings.sip.public_address
    if not public:
        return ""
    local = "".join(f"local_net={each.strip()}\n" for each in settings.sip.local_networks.split(","))
    return f"external_media_address={public}\nexternal_signaling_address={public}\n{local}"


def switchboard(settings: Settings) -> str:
    """Return what Dial() calls for INNRINGING_SWITCHBOARD; empty if it is not set."""
    value = settings.sip.switchboard
    if not value:
        return ""
    return f"PJSIP/{value}@trunk" if SWITCHBOARD_NUMBER.fullmatch(value) else f"PJSIP/{value}"
