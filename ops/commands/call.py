"""`innringing call`: one real call to the running system, told as the caller heard it."""

from __future__ import annotations

import asyncio
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from desk.errors import SettingsError
from desk.logging.log import Scrubber
from desk.paths import ROOT
from desk.settings.settings import Settings
from ivr.prompts.catalogue import Catalogue, PromptsError, load_catalogue
from ops.softphone.errors import PhoneError
from ops.softphone.listening import Heard, Listener
from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from ops.softphone.sip import MalformedMessage

DEMO_CALLER: Final = "+4768050001"  # a number kept for fiction
BEFORE_KEYS: Final = 1.0  # seconds into the welcome: keys are taken while it plays
LONGEST: Final = 120.0
RECEIPTS: Final = frozenset({"received", "already_on_list"})
LANGUAGE: Final = "nb"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the caller does."""

    extension: str
    caller: str
    withheld: bool
    keys: str
    info: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it. Seconds from the moment the call was answered."""

    call: PhoneCall
    keyed: float | None
    over: float
    by_us: bool


def call(
    extension: Annotated[str, typer.Argument(help="The number to ring: 1000 is kirurgi, 2000 is hjerte.")] = "1000",
    identity: Annotated[
        str, typer.Option("--id", help="Identity number to key, synthetic ones only. '-' asks for it, or reads stdin.")
    ] = "",
    caller: Annotated[str, typer.Option("--from", help="The number you ring from.")] = DEMO_CALLER,
    withheld: Annotated[bool, typer.Option("--withheld", help="Hide the number you ring from.")] = False,
    info: Annotated[bool, typer.Option("--info", help="Key by SIP INFO, not as RTP events (RFC 4733).")] = False,
    out: Annotated[Path | None, typer.Option(help="Where to save what was heard. [default: var/call.wav]")] = None,
    host: Annotated[str, typer.Option(help="Address of the system's SIP.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Its SIP port. [default: INNRINGING_SIP_PORT, 5060]")] = None,
) -> None:
    """Ring the running system as a patient would, key the digits, and save what the caller heard as a WAV file."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        settings = Settings.load(need_keys=False)
        keys = _asked_for() if identity == "-" else identity
        if keys.strip("0123456789*#"):
            raise PhoneError("--id takes digits, * and # only.")
        plan = Plan(extension, caller, withheld, keys, info)
        tls = _tls(settings)
        port = port or (settings.sip_tls_port if tls else settings.sip_port)
        rung = escape(Scrubber()(extension))
        console.print(f"Ringing {rung} at {host}:{port}{' over TLS and SRTP' if tls else ''} …")
        told = asyncio.run(_ring(plan, host, port, tls))
        path = out or settings.var_dir / "call.wav"
        told.call.heard.save(path)
    except (PhoneError, MalformedMessage, SettingsError, OSError) as error:
        typer.echo(f"innringing call: {error}", err=True)
        raise typer.Exit(1) from None
    received = _tell(console, settings, told, plan)
    shown = path.relative_to(ROOT) if path.is_absolute() and path.is_relative_to(ROOT) else path
    console.print(f"What the caller heard: {escape(str(shown))} ({told.call.heard.seconds:.1f} s)")
    if not received:
        typer.echo("innringing call: the call ended without a receipt being heard", err=True)
        raise typer.Exit(1)


def _asked_for() -> str:
    """The number from the terminal, unseen, or from a pipe: it stays out of the shell's history."""
    if sys.stdin.isatty():
        return str(typer.prompt("Identity number", hide_input=True)).strip()
    return sys.stdin.readline().strip()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """Where only encrypted calls are taken: trust in the very certificate Asterisk was given, whatever its name."""
    if settings.sip_encryption != "all" or settings.sip_tls_cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # rung by address
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(settings.sip_tls_cert_file)
    return context


async def _ring(plan: Plan, host: str, port: int, tls: ssl.SSLContext | None) -> Told:
    async with Phone(host, port, tls=tls) as phone:
        call = await phone.ring(plan.extension, caller=plan.caller, withheld=plan.withheld)
        started = call.heard.started
        keyed = None
        by_us = False
        try:
            async with asyncio.timeout(LONGEST):
                if plan.keys:
                    await asyncio.sleep(BEFORE_KEYS)
                    keyed = BEFORE_KEYS
                    await call.key(plan.keys, info=plan.info)
                await call.ended.wait()
        except TimeoutError:
            by_us = True
            await call.hang_up()
        return Told(call, keyed, (call.ended_at or started) - started, by_us)


def _tell(console: Console, settings: Settings, told: Told, plan: Plan) -> bool:
    """Print the call, one line for each thing that happened. Returns whether a receipt was heard (or can't be told)."""
    folder = settings.prompts_dir / "build" / LANGUAGE
    listener = Listener.of_folder(folder)
    if not len(listener):
        console.print("No prompts are built here, so what was said is not told. Build them: innringing prompts build")
        return True
    heard = listener.recognise(told.call.heard.samples())
    texts = _texts(settings.prompts_dir / "catalogue.toml")
    lines = [(0.0, "[green]answered[/]")]
    if told.keyed is not None:
        lines.append((told.keyed, f"[cyan]keyed {len(plan.keys)} digits[/] {'by SIP INFO' if plan.info else ''}"))
    lines += [(one.start, _sentence(one, texts)) for one in heard]
    lines.append((told.over, "hung up by us: too long" if told.by_us else "[green]the other side hung up[/]"))
    for at, line in sorted(lines, key=lambda pair: pair[0]):
        console.print(f"  {at:6.1f} s  {line}")
    return any(one.key in RECEIPTS and one.whole for one in heard)


def _sentence(heard: Heard, texts: Catalogue | None) -> str:
    text = texts.text(LANGUAGE, heard.key) if texts else heard.key
    return f"«{escape(text)}»" + ("" if heard.whole else " [dim](cut short)[/]")


def _texts(path: Path) -> Catalogue | None:
    try:
        return load_catalogue(path)
    except PromptsError:
        return None
