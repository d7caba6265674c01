"""Mistakes that operators make in Asterisk's files: one edit each, the line that is reported, and why.

`at` is a text of the reported line after the edit; empty where no line is reported.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mistake:
    """One edit of one file."""

    file: str
    old: str
    new: str
    at: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.at or self.new}"[:60]

    def make(self, folder: Path) -> int | None:
        """Make the mistake in `folder`, and return the line that must be reported."""
        path = folder / self.file
        text = path.read_text("utf-8")
        assert text.count(self.old), self.old
        changed = text.replace(self.old, self.new, 1)
        path.write_text(changed, "utf-8")
        return changed[: changed.index(self.at)].count("\n") + 1 if self.at else None


EXT, SIP, MODULES, HTTP = "extensions.conf", "pjsip.conf", "modules.conf", "http.conf"
FIRST = "exten => 1000,1,Set(DEPARTMENT=kirurgi)"
DIAL = "Dial(PJSIP/demo-phone,30,ri)"
MATCH = ";[trunk]\n;type=identify\n;endpoint=trunk\n;match=192.0.2.10"
AGENT, ORDER = "user_agent=Innringing", "\nendpoint_identifier_order="
IDENTIFY = "[trunk]\ntype=identify\nendpoint=trunk\nmatch="

IN_EXTENSIONS = [
    Mistake(EXT, "Answer()", "Answr()", "Answr()", "Answr() is not an application of Asterisk: did you mean «Answer»?"),
    Mistake(EXT, "n,Goto(innringing", "n,Gotto(innringing", "Gotto", "did you mean «Goto»?"),
    Mistake(EXT, "TIMEOUT(absolute)=2", "TIMEOT(absolute)=2", "TIMEOT", "did you mean «TIMEOUT»?"),
    Mistake(EXT, "${CHANNEL(language)}", "${CHANEL(language)}", "CHANEL", "did you mean «CHANNEL»?"),
    Mistake(EXT, "CHANNEL(language)=nb", "channel(language)=nb", "channel(", "did you mean «CHANNEL»?"),
    Mistake(EXT, "exten => 1000,1", "exten => 1000,2", "1000,2", "1000 has no priority 1, so calls to it fail"),
    Mistake(EXT, "exten => 1000,1", "exten => 1000,n", "1000,n", "1000 has no priority 1"),
    Mistake(EXT, FIRST, "exten => 1000,Set(DEPARTMENT=kirurgi)", "1000,Set", "has no priority and application"),
    Mistake(EXT, "exten => 1000,1", "exten = 1000;1", "1000;1", "has no priority and application"),
    Mistake(EXT, "exten => 1000", "exsten => 1000", "exsten", "«exsten» is unknown: did you mean «exten»?"),
    Mistake(EXT, FIRST + "\n same", FIRST + "\n smae", "smae", "did you mean «same»?"),
    Mistake(EXT, "include => departments", "inclde => departments", "inclde", "did you mean «include»?"),
    Mistake(EXT, "include => departments", "include => department", "=> department", "did you mean «departments»?"),
    Mistake(EXT, "exten => 2000,1", "exten => 1000,1", "1000,1,Set(DEPARTMENT=hjerte", "has priority 1 already"),
    Mistake(EXT, " same => n,Set(CALLERID", " same => 5,Set(CALLERID", "5,Set", "s has no priority 2: write 2 or n"),
    Mistake(EXT, "[departments]", "[departments", "[departments", "is not a section"),
    Mistake(EXT, "[departments]", "departments]", "departments]", "has no «=»"),
    Mistake(EXT, "[from-trunk]", "[from trunk]", "[from trunk]", "write it without spaces"),
    Mistake(EXT, "[rescue]", "[innringing]", "[innringing]\nexten => s,1,Set(TIMEOUT", "[innringing] begins on line"),
    Mistake(EXT, "Goto(innringing,s,1)", "Goto(inringing,s,1)", "inringing", "which does not exist"),
    Mistake(EXT, "Goto(innringing,s,1)", "Goto(innringing,s,9)", "s,9", "which does not exist"),
    Mistake(EXT, "Goto(innringing,s,1)", "Goto(innringing.s.1)", "s.1", "which does not exist"),
    Mistake(EXT, "Goto(innringing,s,1)", "Goto(innringing,s,1", "s,1\n", "«(» is never closed with «)»"),
    Mistake(EXT, "${DEPARTMENT},", "${DEPARTMENT,", "${DEPARTMENT,", "closes nothing"),
    Mistake(EXT, '"FAILED"', '"FAILED', '"FAILED', "a quotation mark has no partner"),
    Mistake(EXT, "n,Answer()\n", "n,NoOp()\n", "n,Stasis", "without Answer() before it"),
    Mistake(EXT, "n,Answer()\n", "n,Answer()\n same => n,Wait(1)\n", "Wait(1)", "keys pressed meanwhile are lost"),
    Mistake(EXT, '#include "local/extensions.conf"', "", "; The way", '#include "local/extensions.conf" is missing'),
    Mistake(EXT, DIAL, "Dial(PJSIP/ane,30,ri)", "PJSIP/ane", "there is no [ane] with type=endpoint in pjsip.conf"),
    Mistake(EXT, DIAL, "Dial(PJSIP/demo-phone&PJSIP/ane,30,ri)", "PJSIP/ane", "so it never rings"),
    Mistake(EXT, DIAL, "Dial(PJSIP/demophone,30,ri)", "demophone", "did you mean «demo-phone»?"),
    Mistake(EXT, DIAL, "Dial(SIP/demo-phone,30,ri)", "SIP/demo-phone,30", "write PJSIP/demo-phone"),
    Mistake(EXT, DIAL, "Dial(demo-phone,30,ri)", "Dial(demo-phone", "write PJSIP/demo-phone"),
    Mistake(EXT, DIAL, "Dial(,30,ri)", "Dial(,", "no phone is named"),
    Mistake(EXT, DIAL, "Dial(PJSIP/demo-phone,tretti,ri)", "tretti", "write a number, such as 30"),
    Mistake(EXT, DIAL, "Dial(PJSIP/${EXTEN}@trunk,30,ri)", "${EXTEN}@trunk", "a variable chooses the number"),
    Mistake(EXT, DIAL, "Dial(PJSIP/21524000@trunkk,30,ri)", "@trunkk", "did you mean «trunk»?"),
    Mistake(EXT, DIAL, "Dial(PJSIP/nittito@trunk,30,ri)", "nittito", "write digits in front of @trunk"),
    Mistake(
        EXT, "SWITCHBOARD=PJSIP/switchboard", "SWITCHBOARD=PJSIP/swichboard", "swichboard", "SWITCHBOARD: there is no"
    ),
    Mistake(EXT, "SWITCHBOARD=PJSIP/switchboard", "SWITCHBOARD=", "SWITCHBOARD=\n", "no phone is named"),
    Mistake(EXT, "STANDBY=agi://127.0.0.1:4573", "STANDBY=127.0.0.1:4573", "STANDBY=", "write agi://127.0.0.1:4573"),
    Mistake(EXT, "n,AGI(${STANDBY},", "n,AGI(standby.sh,", "n,AGI(", "AGI() may call the standby only"),
    Mistake(EXT, "Dial(${SWITCHBOARD}", "Dial(${SWICHBOARD}", "SWICHBOARD", "did you mean «SWITCHBOARD»?"),
    Mistake(EXT, "Playback(innringing/rescue)", "Playback(innringing/resque)", "resque", "did you mean «rescue»?"),
    Mistake(EXT, "Playback(innringing/rescue)", "Playback(rescue)", "Playback(rescue)", "write innringing/rescue"),
    Mistake(EXT, "CHANNEL(language)=nb", "CHANNEL(language)=no", "language)=no", "catalogue.toml has nb, nn, en"),
    Mistake(EXT, "Set(DEPARTMENT=kirurgi)", "Set(DEPARTMENT)", "Set(DEPARTMENT)", "write Set(NAME=value)"),
    Mistake(EXT, FIRST, FIRST + "\n same => n,Hangup()", "n,Hangup()\n same => n,Goto", "1000 never reaches Stasis"),
    Mistake(EXT, ",${CALLERID(num-pres)})", ")", "n,Stasis(", "withheld numbers would be shown"),
    Mistake(EXT, "exten => 1000,1", "exten => 1XXX,1", "1XXX", "«1XXX» is a pattern: write _1XXX"),
    Mistake(EXT, '#include "local', '#inclde "local', "#inclde", "is unknown: write #include"),
    Mistake(EXT, '"local/extensions.conf"', '"local/extension.conf"', "extension.conf", "which does not exist"),
    Mistake(EXT, "#include", "#exec", "#exec", "#exec is not allowed"),
    Mistake(EXT, "; The way", ";-- The way", ";-- The way", "is missing"),
    Mistake(EXT, "; Every Dial", "Every Dial", "Every Dial", "or ; in front of a comment"),
]

IN_SIP = [
    Mistake(SIP, "dtmf_mode=auto", "dtmf_mod=auto", "dtmf_mod", "has no option «dtmf_mod»: did you mean «dtmf_mode»?"),
    Mistake(SIP, "dtmf_mode=auto", "dtmf_mode=rfc2833", "rfc2833", "dtmf_mode=rfc2833 is unknown"),
    Mistake(SIP, "(line,phone-security)", "(lines,phone-security)", "(lines", "did you mean «line»?"),
    Mistake(SIP, "(line,phone-security)", "(line,phone-securty)", "securty", "did you mean «phone-security»?"),
    Mistake(SIP, "[line](!)", "[line]", "[line]", "[line] has no context="),
    Mistake(SIP, "[trunk](line", "[trunk(line", "[trunk(line", "is not a section"),
    Mistake(SIP, "[trunk](line,trunk-security)", "[trunk](line,trunk-security", "[trunk](line,", "is not a section"),
    Mistake(
        SIP,
        "[switchboard]\ntype=aor",
        "[switchboard]\ntype=aors",
        "type=aors",
        "type=aors is unknown: did you mean «aor»?",
    ),
    Mistake(SIP, "[switchboard]\ntype=aor\n", "[switchboard]\n", "[switchboard]\nmax", "[switchboard] has no type="),
    Mistake(
        SIP,
        "[switchboard]\ntype=aor",
        "[switchboard]\ntype=aor\nmax_contacts=1\n[switchboard]\ntype=aor",
        "[switchboard]\ntype=aor\nmax_contacts=1\nremove",
        "[switchboard] with type=aor is on line",
    ),
    Mistake(SIP, "context=from-trunk", "context=from_trunk", "from_trunk", "did you mean «from-trunk»?"),
    Mistake(SIP, "context=from-trunk\n", "", "[trunk](", "[trunk] has no context="),
    Mistake(SIP, "context=phones", "contex=phones", "contex=", "did you mean «context»?"),
    Mistake(SIP, "auth=switchboard", "auth=swichboard", "swichboard", "write auth=switchboard for a generated one"),
    Mistake(SIP, "auth=switchboard\n", "", "[switchboard](", "so anyone can call as it: write auth=switchboard"),
    Mistake(SIP, "aors=switchboard", "aors=swichboard", "swichboard", "did you mean «switchboard»?"),
    Mistake(SIP, "aors=trunk", "aors=trunc", "trunc", "did you mean «trunk»?"),
    Mistake(SIP, "max_contacts=1\n", "", "[switchboard]\ntype=aor", "so no phone can register"),
    Mistake(SIP, "max_contacts=1", "max_contacts=0", "max_contacts=0", "so no phone can register"),
    Mistake(SIP, "max_contacts=1", "max_contacts=en", "max_contacts=en", "write a number, such as 1"),
    Mistake(SIP, "allow=alaw,ulaw", "allow=g729", "g729", "allows neither alaw nor ulaw"),
    Mistake(SIP, "allow=alaw,ulaw\n", "", "disallow=all", "allows neither alaw nor ulaw"),
    Mistake(SIP, "direct_media=no", "direct_media=nei", "nei", "direct_media=nei: write yes or no"),
    Mistake(SIP, "identify_by=ip", "identify_by=adress", "adress", "identify_by=adress is unknown"),
    Mistake(SIP, "identify_by=ip", "identify_by=", "identify_by=\n", "identify_by= has no value"),
    Mistake(SIP, AGENT, AGENT + ORDER + "username", "order=username", "«ip» is missing: no call from the telephone"),
    Mistake(SIP, AGENT, AGENT + ORDER + "username,ip,anonymous", ",anonymous", "«anonymous» is unknown"),
    Mistake(SIP, MATCH, IDENTIFY + "0.0.0.0/0", "0.0.0.0/0", "may call as the telephone company"),
    Mistake(SIP, MATCH, IDENTIFY + "10.0.0.0/8", "10.0.0.0/8", "16,777,216 addresses may call"),
    Mistake(SIP, MATCH, IDENTIFY + "192.0.2.300", "192.0.2.300", "this is no address"),
    Mistake(SIP, MATCH, IDENTIFY + "2001:db8::/32", "2001:db8::/32", "write its own, /48 or less"),
    Mistake(SIP, MATCH, IDENTIFY.replace("match=", ""), "[trunk]\ntype=identify", "it matches no one"),
    Mistake(SIP, MATCH, IDENTIFY.replace("=trunk", "=trunkk") + "192.0.2.10", "=trunkk", "did you mean «trunk»?"),
    Mistake(
        SIP,
        MATCH,
        IDENTIFY + "192.0.2.10\n" + IDENTIFY + "192.0.2.11",
        "[trunk]\ntype=identify\nendpoint=trunk\nmatch=192.0.2.11",
        "trunk] with type=identify is",
    ),
    Mistake(
        SIP,
        "[switchboard](line",
        "[anonymous](line,trunk-security)\ncontext=from-trunk\nidentify_by=ip\n[switchboard](line",
        "[anonymous]",
        "[anonymous] lets anyone on the network call the departments",
    ),
    Mistake(SIP, ";match=192.0.2.10", "match=192.0.2.10", "match=192", "type=endpoint has no option «match»"),
    Mistake(SIP, '#include "local/pjsip.conf"', "", "; SIP. The", "own settings are there"),
]

ELSEWHERE = [
    Mistake(MODULES, "load=app_dial.so", "laod=app_dial.so", "laod", "did you mean «load»?"),
    Mistake(MODULES, "[modules]", "[module]", "[module]", "[module] is unknown: did you mean «modules»?"),
    Mistake(MODULES, "load=pbx_config.so", "", "", "load=pbx_config.so is missing"),
    Mistake(MODULES, "load=res_pjsip_endpoint_identifier_ip.so\n", "", "", "identifier_ip.so is missing"),
    Mistake(HTTP, "enabled=yes", "enabled=no", "enabled=no", "enabled=no must be yes"),
    Mistake(HTTP, "enabled=yes\n", "", "[general]", "enabled=yes is missing"),
    Mistake(HTTP, "enable_static=no", "bindaddr=0.0.0.0", "bindaddr", "ARI is only for this machine"),
    Mistake(HTTP, "sessionlimit=100", "sessionlimit=mange", "mange", "write a number"),
    Mistake("ari.conf", "enabled=yes", "enabled=nei", "enabled=nei", "must be yes"),
    Mistake("ari.conf", "pretty=no", "prety=no", "prety", "did you mean «pretty»?"),
    Mistake("ari.conf", "pretty=no", "allowed_origins=*", "allowed_origins", "no page in a browser may use ARI"),
    Mistake("ari.conf", "[general]", "[genral]", "[genral]", "write it instead of [genral]"),
    Mistake("rtp.conf", "strictrtp=yes", "strictrtp=no", "strictrtp", "anyone could send sound into a call"),
    Mistake("rtp.conf", "strictrtp=yes", "strictrtp yes", "strictrtp yes", "has no «=»"),
    Mistake("logger.conf", "notice", "notise", "notise", "«notise» is not a level: did you mean «notice»?"),
    Mistake("logger.conf", "[logfiles]", "[logfile]", "[logfile]", "did you mean «logfiles»?"),
    Mistake("manager.conf", "enabled=no", "enabled=yes", "enabled=yes", "AMI can place calls to any number"),
    Mistake("cdr.conf", "enable=no", "enable=yes", "enable=yes", "outside the audited database"),
    Mistake("indications.conf", "country=no", "country=nn", "country=nn", "country=nn has no section"),
    Mistake("demo/pjsip.conf", "127.0.0.1/32", "127.0.0.1/3", "/3", "536,870,912 addresses may call"),
]

FOR_ASTERISK = [
    Mistake(SIP, "allow=alaw,ulaw", "allow=alaw,ulav", "ulav", "Asterisk says: "),
    Mistake(SIP, "language=nb", "language=nb\nrtp_timeout=ti", "rtp_timeout", "Error parsing rtp_timeout=ti"),
    Mistake(SIP, "user_agent=Innringing", "max_forwards=mange", "mange", "Error parsing max_forwards=mange"),
    Mistake(SIP, "language=nb", "language=nb\nincoming_call_offer_pref=mine", "=mine", "remote_first"),
    Mistake("demo/pjsip.conf", "context=phones", "context=phones\ntos_audio=blue", "blue", "Error parsing tos_audio"),
    Mistake(MODULES, "load=func_logic.so", "load=func_logik.so", "", "Error loading module 'func_logik.so'"),
]
