"""Rules for Asterisk's smaller files: which sections and keys they have, and the values that the service needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ops.commands.dialplan.config_file import ConfigFile, Section, Setting
from ops.commands.dialplan.words import nearest

YES, NO = ("yes", "true", "y", "t", "1", "on"), ("no", "false", "n", "f", "0", "off")
LEVELS = ("notice", "warning", "error", "security", "verbose", "debug", "dtmf", "fax", "*")

Finding = tuple[int, str]


@dataclass(frozen=True)
class Rule:
    """What a key may hold: `must` is its only value, and `why` says what happens otherwise."""

    must: str = ""
    why: str = ""
    number: bool = False
    boolean: bool = False
    least: int = 0


TEXT, NUMBER, BOOLEAN = Rule(), Rule(number=True), Rule(boolean=True)
QUIET = Rule(must="no", why="callers' numbers would be stored outside the audited database")

FILES: Mapping[str, Mapping[str, Mapping[str, Rule]]] = {
    "http.conf": {
        "general": {
            "enabled": Rule(must="yes", why="the conversation reaches Asterisk through it"),
            "enable_static": Rule(must="no", why="it opens pages that no one needs"),
            "enable_status": Rule(must="no", why="it opens pages that no one needs"),
            **dict.fromkeys(("session_keep_alive", "session_inactivity"), Rule(number=True, least=10_000)),
            "sessionlimit": Rule(number=True, least=50),
            "bindport": Rule(why="INNRINGING_ARI_PORT is the port: remove the line"),
            "prefix": Rule(why="the conversation reaches Asterisk without one: remove the line"),
            "bindaddr": Rule(must="127.0.0.1", why="ARI is only for this machine"),
            **dict.fromkeys(("servername", "tlsenable", "tlsbindaddr", "tlscertfile", "tlsprivatekey"), TEXT),
            **dict.fromkeys(
                ("tlscipher", "tlsdisablev1", "tlsdisablev11", "tlsdisablev12", "tlsservercipherorder"), TEXT
            ),
        }
    },
    "ari.conf": {
        "general": {
            "enabled": Rule(must="yes", why="the conversation reaches Asterisk through it"),
            "pretty": BOOLEAN,
            "websocket_write_timeout": NUMBER,
            "auth_realm": TEXT,
            "channelvars": Rule(must="", why="variables would be sent with every event"),
            "allowed_origins": Rule(must="", why="no page in a browser may use ARI: remove the line"),
        }
    },
    "rtp.conf": {
        "general": {
            "strictrtp": Rule(must="yes", why="anyone could send sound into a call"),
            "icesupport": BOOLEAN,
            **dict.fromkeys(("rtpstart", "rtpend"), Rule(why="INNRINGING_RTP_PORTS has the ports: remove the line")),
            **dict.fromkeys(("probation", "dtmftimeout", "rtcpinterval", "dtls_mtu"), NUMBER),
            **dict.fromkeys(("rtpchecksums", "srtpreplayprotection"), BOOLEAN),
            **dict.fromkeys(("stunaddr", "turnaddr", "turnusername", "turnpassword"), TEXT),
        }
    },
    "logger.conf": {
        "general": {
            **dict.fromkeys(("dateformat", "queue_log_name", "rotatestrategy", "exec_after_rotate"), TEXT),
            **dict.fromkeys(("use_callids", "appendhostname", "queue_log", "queue_log_to_file"), BOOLEAN),
            "logger_queue_limit": NUMBER,
        },
        "logfiles": {},
    },
    "modules.conf": {
        "modules": {
            "autoload": BOOLEAN,
            **dict.fromkeys(("load", "preload", "require", "noload", "preload-require"), TEXT),
        }
    },
    "manager.conf": {
        "general": {
            "enabled": Rule(must="no", why="AMI can place calls to any number"),
            "webenabled": Rule(must="no", why="AMI can place calls to any number"),
            **dict.fromkeys(("bindaddr", "port"), TEXT),
        }
    },
    "cdr.conf": {"general": {"enable": QUIET}},
    "cel.conf": {"general": {"enable": QUIET}},
    "indications.conf": {"general": {"country": TEXT}},
}
WITH_LOCAL = ("extensions.conf", "pjsip.conf", "ari.conf", "http.conf", "rtp.conf")
"""Files that include a file of local/ with the addresses, ports and passwords of this machine."""
OPEN_SECTIONS = {"indications.conf", "ari.conf"}
"""Files that may have more sections: countries, and users of ARI."""


def in_file(name: str, file: ConfigFile) -> Iterator[Finding]:
    """What is wrong in one of the files above. Other files have no rules here."""
    yield from ((each.line, each.reason) for each in file.broken)
    if name in WITH_LOCAL and not any(each.file == f"local/{name}" for each in file.includes):
        yield 1, f'#include "local/{name}" is missing: this machine\'s own settings are there'
    rules = FILES.get(name)
    if rules is None:
        return
    for wanted in rules:
        if not file.named(wanted):
            near = next((each for each in file.sections if nearest(each.name, [wanted])), None)
            found = f": write it instead of [{near.name}]" if near else ""
            yield near.line if near else 1, f"[{wanted}] is missing, so the file does nothing{found}"
    seen: dict[str, int] = {}
    for section in file.sections:
        if section.name in seen and not section.is_addition:
            yield section.line, f"[{section.name}] begins on line {seen[section.name]} already: put the lines there"
        seen.setdefault(section.name, section.line)
        if section.name in rules:
            yield from _section(name, section, rules[section.name])
        elif name not in OPEN_SECTIONS:
            yield section.line, f"[{section.name}] is unknown{nearest(section.name, rules)}"
    if name == "indications.conf":
        yield from _country(file)


def _section(name: str, section: Section, rules: Mapping[str, Rule]) -> Iterator[Finding]:
    if name == "logger.conf" and section.name == "logfiles":
        yield from _levels(section)
        return
    for setting in section.settings:
        rule = rules.get(setting.key)
        if rule is None:
            yield setting.line, f"«{setting.key}» is unknown{nearest(setting.key, rules)}"
        elif reason := _wrong(setting, rule):
            yield setting.line, reason
    for key, rule in rules.items():
        needed = rule.must == "yes" and name != "rtp.conf"
        if needed and not section.last(key):
            yield section.line, f"{key}={rule.must} is missing: {rule.why}"


def _wrong(setting: Setting, rule: Rule) -> str | None:
    value, what = setting.value.lower(), f"{setting.key}={setting.value}"
    if rule.number:
        if not value.isdigit():
            return f"{what}: write a number"
        return None if int(value) >= rule.least else f"{what} is too small: write {rule.least} or more"
    if rule.boolean:
        return None if value in YES + NO else f"{what}: write yes or no"
    if rule.why and not rule.must:
        return f"{what} is not allowed: {rule.why}"
    same = YES if rule.must == "yes" else NO if rule.must == "no" else (rule.must,)
    return f"{what} must be {rule.must}: {rule.why}" if rule.must and value not in same else None


def _levels(section: Section) -> Iterator[Finding]:
    for setting in section.settings:
        for level in (part.strip().lower().partition("(")[0] for part in setting.value.split(",")):
            if level not in LEVELS:
                yield (
                    setting.line,
                    f"«{level}» is not a level{nearest(level, LEVELS) or ': write notice,warning,error'}",
                )


def _country(file: ConfigFile) -> Iterator[Finding]:
    for section in file.named("general"):
        if (country := section.last("country")) and not file.named(country.value):
            others = [each.name for each in file.sections if each.name != "general"]
            yield country.line, f"country={country.value} has no section{nearest(country.value, others)}"
