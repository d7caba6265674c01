"""`innringing call`: make one real call to the running system, and print what the caller heard."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from desk.errors import SettingsError
from desk.logging.scrubber import Scrubber
from desk.paths import ROOT
from desk.settings.settings import Settings
from ivr.prompts.catalogue import Catalogue, PromptsError, load_catalogue
from ivr.rehearsal import people
from ops.commands.terminal import load_settings, say
from ops.machine.ready import address, from_here
from ops.messages.translation import translated
from ops.softphone.errors import PhoneError
from ops.softphone.listening import HeardPrompt, PromptRecogniser
from ops.softphone.phone import Phone
from ops.softphone.phone_call import PhoneCall
from ops.softphone.sip import MalformedMessage

DEMO_CALLER: Final = "+4740612345"
"""A mobile, so that the receipt by SMS shows in the demo (var/sms.jsonl). It is no department's own number."""
BEFORE_KEYS: Final = 1.0  # seconds into the welcome; keys are accepted while it plays
LONGEST: Final = 120.0
RECEIPTS: Final = frozenset({"received", "already_on_list"})
LANGUAGE: Final = "nb"


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What the caller does."""

    extension: str
    caller: str
    withheld: bool
    keys: str
    info: bool


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of the call. Times are seconds from the answer. `timed_out`: we hung up, because it was too long."""

    call: PhoneCall
    keyed: float | None
    end: float
    timed_out: bool


def call(
    extension: Annotated[str, typer.Argument(help="The number to call: 1000 is kirurgi, 2000 is hjerte.")] = "1000",
    identity: Annotated[
        str, typer.Option("--id", help="Synthetic identity number to key. '-' asks for it, or reads stdin.")
    ] = "",
    caller: Annotated[str, typer.Option("--from", help="The number to call from.")] = DEMO_CALLER,
    withheld: Annotated[bool, typer.Option("--withheld", help="Hide the number you call from.")] = False,
    info: Annotated[bool, typer.Option("--info", help="Press keys by SIP INFO, not as RTP events (RFC 4733).")] = False,
    out: Annotated[Path | None, typer.Option(help="Where to save the recording. [default: var/call.wav]")] = None,
    host: Annotated[
        str | None, typer.Option(help="The SIP address of the system. [default: INNRINGING_SIP_HOST]")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Its SIP port. [default: INNRINGING_SIP_PORT, 5060]")] = None,
    someone: Annotated[
        int | None,
        typer.Option(min=1, help="Call as that synthetic person, with an identity and a phone of their own."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the call as JSON, for programs.")] = False,
) -> None:
    """Call the running system like a patient, key the digits, and save what the caller heard as a WAV file."""
    console = Console(highlight=False, soft_wrap=True, quiet=as_json)
    try:
        settings = load_settings()
        keys = _ask_identity() if identity == "-" else identity
        if someone is not None:
            keys, caller = people.identity(someone), people.number(someone)
        if keys.strip("0123456789*#"):
            raise PhoneError("--id may only contain digits, * and #.")
        plan = CallPlan(extension, caller, withheld, keys, info)
        tls = _tls(settings)
        host = host or from_here(settings.sip.host)
        port = port or (settings.sip.tls_port if tls else settings.sip.port)
        shown_extension = escape(Scrubber()(extension))
        console.print(
            translated(f"Calling {shown_extension} at {address(host, port)}{' over TLS and SRTP' if tls else ''} …")
        )
        result = asyncio.run(_ring(plan, host, port, tls))
        path = out or settings.files.var / "call.wav"
        result.call.heard.save(path)
    except (PhoneError, MalformedMessage, SettingsError, OSError) as error:
        say(f"innringing call: {error}")
        raise typer.Exit(1) from None
    received = _print_call(console, settings, result, plan, as_json=as_json)
    shown = path.relative_to(ROOT) if path.is_absolute() and path.is_relative_to(ROOT) else path
    console.print(translated(f"What the caller heard: {escape(str(shown))} ({result.call.heard.seconds:.1f} s)"))
    if not received:
        say("innringing call: the call ended without a receipt")
        raise typer.Exit(1)


def _ask_identity() -> str:
    """Read the number from the terminal without echo, or from a pipe. So it stays out of the shell's history."""
    if sys.stdin.isatty():
        return str(typer.prompt(translated("Identity number"), hide_input=True)).strip()
    return sys.stdin.readline().strip()


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """Return a context that trusts exactly Asterisk's certificate, where only encrypted calls are accepted."""
    if settings.sip.in_clear or settings.sip.tls_cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # we call an address, not a name
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(settings.sip.tls_cert_file)
    return context


async def _ring(plan: CallPlan, host: str, port: int, tls: ssl.SSLContext | None) -> CallResult:
    async with Phone(host, port, tls=tls) as phone:
        call = await phone.ring(plan.extension, caller=plan.caller, withheld=plan.withheld)
        started = call.heard.started
        keyed = None
        timed_out = False
        try:
            async with asyncio.timeout(LONGEST):
                if plan.keys:
                    await asyncio.sleep(BEFORE_KEYS)
                    keyed = BEFORE_KEYS
                    await call.key(plan.keys, info=plan.info)
                await call.ended.wait()
        except TimeoutError:
            timed_out = True
            await call.hang_up()
        return CallResult(call, keyed, (call.ended_at or started) - started, timed_out)


def _print_call(
    console: Console, settings: Settings, result: CallResult, plan: CallPlan, *, as_json: bool = False
) -> bool:
    """Print the call, one line per event. Return whether a receipt was heard. True if that is not known."""
    folder = settings.files.prompts / "build" / LANGUAGE
    recogniser = PromptRecogniser.of_folder(folder)
    if not len(recogniser):
        console.print(
            translated("The prompts are not built here, so the call is not shown. Build them: innringing prompts build")
        )
        return True
    heard = recogniser.recognise(result.call.heard.samples())
    texts = _texts(settings.files.prompts / "catalogue.toml")
    lines = [(0.0, translated("[green]answered[/]"))]
    if result.keyed is not None:
        lines.append(
            (result.keyed, translated(f"[cyan]keyed {len(plan.keys)} digits[/]{' by SIP INFO' if plan.info else ''}"))
        )
    lines += [(one.start, _sentence(one, texts)) for one in heard]
    lines.append(
        (result.end, translated("we hung up: too long" if result.timed_out else "[green]the other side hung up[/]"))
    )
    for at, line in sorted(lines, key=lambda pair: pair[0]):
        console.print(f"  {at:6.1f} s  {line}")
    received = any(one.key in RECEIPTS and one.whole for one in heard)
    if as_json:
        said = [{"at": one.start, "text": texts.text(LANGUAGE, one.key) if texts else one.key} for one in heard]
        spoken = {"heard": said, "keyed": result.keyed, "ended": result.end, "received": received}
        print(json.dumps(spoken))
    return received


def _sentence(heard: HeardPrompt, texts: Catalogue | None) -> str:
    text = texts.text(LANGUAGE, heard.key) if texts else heard.key
    return f"«{escape(text)}»" + ("" if heard.whole else translated(" [dim](cut short)[/]"))


def _texts(path: Path) -> Catalogue | None:
    try:
        return load_catalogue(path)
    except PromptsError:
        return None
