"""Ways for a phone or a caller to make Asterisk call a number of their choice. None may be open: that is toll fraud."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ops.commands.dialplan.brackets import split
from ops.commands.dialplan.config_file import ConfigFile, effective
from ops.commands.dialplan.parser import Dialplan, Step

OPTIONS_AT = {"dial": 2, "retrydial": 4, "queue": 1}
"""Applications that call phones, and the position of their options."""
ON_REQUEST = frozenset("tTkKwWxX")
"""Options by which somebody in the call can transfer (t, T), park (k, K) or record (w, W, x, X) it by keys."""
FORBIDDEN = frozenset(
    {
        *("transfer", "blindtransfer", "attendedtransfer", "followme", "disa", "originate", "page", "park"),
        *("channelredirect", "system", "trysystem", "externalivr"),
    }
)
"""Applications that can lead a call to any number."""
FORBIDDEN_VARIABLES = ("DYNAMIC_FEATURES", "BRIDGE_FEATURES", "FEATURE(", "FEATUREMAP(", "TRANSFER_CONTEXT")
FORBIDDEN_MODULES = {
    "res_pjsip_refer": "phones can transfer calls by REFER",
    "res_parking": "calls can be parked",
    "pbx_spool": "any file in its folder is a call",
    "app_disa": "callers get a dialling tone",
    "app_followme": "calls are forwarded",
    "app_originate": "the dialplan can call any number",
    "app_transfer": "calls can be transferred",
    "app_blind_transfer": "calls can be transferred",
    "app_attended_transfer": "calls can be transferred",
    "app_system": "the dialplan can run programs",
}
OFF = ("no", "false", "off", "0", "n", "f")
_HIDDEN = re.compile(rf"\b({'|'.join((*OPTIONS_AT, *FORBIDDEN))})[(,]", re.IGNORECASE)
_FLAG = re.compile(r"([A-Za-z])(?:\([^)]*\))?")

Finding = tuple[int, str]
"""A line and what is wrong with it."""


def in_dialplan(plan: Dialplan) -> Iterator[Finding]:
    """What is wrong in extensions.conf."""
    for _, _, step in plan.steps():
        name = step.application.lower()
        if name in OPTIONS_AT:
            yield from _options(step, OPTIONS_AT[name])
        elif name in FORBIDDEN:
            yield step.line, f"{step.application}() is not allowed: it can lead a call to any number"
        elif name == "agi" and split(step.arguments)[:1] != ["${STANDBY}"]:
            yield step.line, "AGI() may call the standby only, since it can run programs: write AGI(${STANDBY},…)"
        elif name in ("exec", "tryexec", "execif") and (hidden := _HIDDEN.search(step.arguments)):
            yield step.line, f"{step.application}() hides {hidden[1]}(): call it on a line of its own"
        elif name == "set" and (found := [each for each in FORBIDDEN_VARIABLES if each in step.arguments.upper()]):
            yield step.line, f"Set({found[0].rstrip('(')}…) is not allowed: keys in a call could transfer it"


def _options(step: Step, position: int) -> Iterator[Finding]:
    arguments = split(step.arguments)
    options = arguments[position] if len(arguments) > position else ""
    if "${" in options:
        yield step.line, f"{step.application}() takes its options from a variable: write them out"
        return
    flags = {match[1] for match in _FLAG.finditer(options)}
    if "i" not in flags:
        yield (
            step.line,
            f"{step.application}() without option i: a phone that redirects (302) makes Asterisk call any number",
        )
    if unwanted := sorted(flags & ON_REQUEST):
        yield (
            step.line,
            f"{step.application}() with option {', '.join(unwanted)}: keys in a call could transfer, park or record it",
        )


def in_endpoints(files: Mapping[Path, ConfigFile]) -> Iterator[tuple[Path, int, str]]:
    """What is wrong with the endpoints of pjsip.conf and the files it includes: file, line, reason."""
    sections = [(path, section) for path, file in files.items() for section in file.sections]
    templates = {section.name: section for _, section in sections if section.is_template}
    for path, section in sections:
        settings = {setting.key: setting.value for setting in effective(section, templates)}
        if section.is_template or settings.get("type") != "endpoint":
            continue
        for key, what in (("allow_transfer", "can transfer calls"), ("allow_subscribe", "can watch other phones")):
            if settings.get(key, "yes").lower() not in OFF:
                yield path, section.line, f"[{section.name}] {what}: {key}=no is missing"
        if settings.get("redirect_method", "user").lower() == "uri_pjsip":
            yield (
                path,
                section.line,
                f"[{section.name}] redirects calls past the dialplan: write redirect_method=user",
            )
