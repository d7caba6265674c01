"""Rules for modules.conf and logger.conf: everything that is used is loaded, and nothing writes callers' digits."""

from __future__ import annotations

from collections.abc import Iterator

from ops.commands.dialplan import ways_out
from ops.commands.dialplan.config_file import ConfigFile
from ops.commands.dialplan.extensions_file import functions
from ops.commands.dialplan.parser import Dialplan
from ops.commands.dialplan.words import words

DIGIT_LEVELS = {"dtmf", "verbose", "debug", "*"}
CLEAN_LOGS = {"console", "messages.pipe"}
"""The pipe is filtered (docker/with-clean-log), and the console is printed nowhere."""
MODULES = (
    *("pbx_config", "app_stasis", "res_stasis", "res_stasis_answer", "res_stasis_playback", "res_stasis_recording"),
    *("res_http_websocket", "res_ari", "res_ari_applications", "res_ari_asterisk", "res_ari_channels"),
    *("res_ari_endpoints", "res_ari_events", "res_ari_playbacks", "res_ari_recordings"),
    *("chan_pjsip", "res_pjsip", "res_pjsip_session", "res_pjsip_sdp_rtp", "res_rtp_asterisk", "res_sorcery_config"),
    *("res_pjsip_endpoint_identifier_ip", "res_pjsip_endpoint_identifier_user", "res_pjsip_authenticator_digest"),
    *("res_pjsip_registrar", "res_pjsip_nat", "res_pjsip_caller_id", "res_timing_timerfd", "bridge_simple"),
    *("codec_alaw", "format_pcm", "format_sln", "format_wav"),
)
"""What the phone door needs, whatever the dialplan uses."""

Finding = tuple[int | None, str]


def in_modules(file: ConfigFile, plan: Dialplan) -> Iterator[Finding]:
    """Check that all modules that are needed are loaded, and none that opens a way out."""
    pairs = [(setting.key, setting.value) for section in file.named("modules") for setting in section.settings]
    loaded = {_bare(value) for key, value in pairs if key in ("load", "preload", "require", "preload-require")}
    left_out = {_bare(value) for key, value in pairs if key == "noload"}
    by_itself = ("autoload", "yes") in pairs
    for module, why in _needed(plan).items():
        if module in left_out or (module not in loaded and not by_itself):
            yield None, f"load={module}.so is missing: {why} needs it"
    for module, reason in ways_out.FORBIDDEN_MODULES.items():
        if module in loaded or (by_itself and module not in left_out):
            yield None, f"{module}.so must not be loaded: with it {reason}"


def _needed(plan: Dialplan) -> dict[str, str]:
    """Return the modules that must be loaded, and who needs each."""
    needed = dict.fromkeys(MODULES, "the phone door")
    known = words()
    for _, _, step in plan.steps():
        name = known.application(step.application)
        if name and (module := known.applications[name]):
            needed.setdefault(module, f"{step.application}() in extensions.conf:{step.line}")
        for function in functions(step.arguments, is_setting=step.is_application("Set")):
            if module := known.functions.get(function, ""):
                needed.setdefault(module, f"{function}() in extensions.conf:{step.line}")
    return needed


def loud_logs(file: ConfigFile) -> Iterator[tuple[int, str]]:
    """Find logs that list a level which writes what callers key, and files that are not filtered."""
    for section in file.sections:
        for setting in section.settings:
            loud = DIGIT_LEVELS & {level.strip() for level in setting.value.split(",")}
            if loud and section.name != "general":
                yield setting.line, f"{setting.key} lists {', '.join(sorted(loud))}, which writes callers' digits"
            elif section.name == "logfiles" and setting.key not in CLEAN_LOGS:
                yield setting.line, f"{setting.key} would have callers' numbers in clear: write to messages.pipe"


def _bare(module: str) -> str:
    return module.strip().removesuffix(".so")
