"""More mistakes: each file can be read, and most mean something. Do they reach a running system, and hurt a call?

`reason` is empty where the edit is no mistake: it is taken in, and calls go on as before.
"""

from tests.support.mistakes import EXT, FIRST, HTTP, MODULES, SIP, Mistake

RTP, ARI = "rtp.conf", "ari.conf"
GOTO = " same => n,Goto(innringing,s,1)\nexten => 2000"
STASIS = "same => n,Stasis(innringing,${DEPARTMENT},${CHANNEL(language)},${CALLERID(num-pres)})"
LINE = "redirect_method=user"


def _line(option: str, reason: str) -> Mistake:
    """An option of every phone and of the trunk."""
    return Mistake(SIP, LINE, f"{LINE}\n{option}", option, reason)


SLY_IN_EXTENSIONS = [
    Mistake(EXT, FIRST, FIRST.replace("kirurgi", "kirugi"), "kirugi", "kirugi"),
    Mistake(EXT, FIRST, FIRST.replace("kirurgi", "hjerte"), "1000,1,Set", "hjerte"),
    Mistake(EXT, "exten => 1000", "exten => l000", "", "1000"),
    Mistake(EXT, "exten => 1000", "exten => 1003", "", "1000"),
    Mistake(EXT, GOTO, GOTO.replace("innringing,s", "rescue,s"), "", "Dial() before Stasis"),
    Mistake(EXT, GOTO, " same => n,Busy()\n" + GOTO, "", "Busy"),
    Mistake(EXT, GOTO, " same => n,Wait(60)\n" + GOTO, "", "Wait"),
    Mistake(EXT, GOTO, " same => n,Answer(60000)\n" + GOTO, "", "Answer"),
    Mistake(EXT, GOTO, " same => n,Set(CHANNEL(audioreadformat)=g729)\n" + GOTO, "", "audioreadformat"),
    Mistake(EXT, STASIS, STASIS.replace("(innringing", "(inringing"), "inringing", "inringing"),
    Mistake(EXT, STASIS, STASIS.replace("${DEPARTMENT}", "${DEPARMENT}"), "", "DEPARTMENT"),
    Mistake(EXT, STASIS, STASIS.replace("${DEPARTMENT},", ""), "", "DEPARTMENT"),
    Mistake(EXT, STASIS, "same => n,Hangup()\n " + STASIS, "", "Stasis"),
    Mistake(EXT, "Set(TIMEOUT(absolute)=2)", "Set(TIMEOUT(absolute)=1)", "", "TIMEOUT"),
    Mistake(EXT, "Set(TIMEOUT(absolute)=2)", "Set(TIMEOUT(absolute)=tolv)", "", "TIMEOUT"),
    Mistake(EXT, '" = "FAILED"]?again', '" = "SUCCESS"]?again', "", "FAILED"),
    Mistake(EXT, "[from-trunk]\ninclude => departments", "[from-trunk]", "", "from-trunk"),
    Mistake(
        EXT, "exten => T,1,Set(HOW=${IF($[${EPOCH} - ${BEGAN} > 4]?again)})\n same => n,Goto(again,s,1)\n", "", "", "T"
    ),
]
COPIED = [
    Mistake(EXT, " same => n,Goto(innringing", "\u00a0same => n,Goto(innringing", "\u00a0same", "invisible"),
    Mistake(EXT, "exten => 1000,", "exten => 1000\u00a0,", "1000\u00a0", "invisible"),
    Mistake(EXT, FIRST, FIRST.replace(")", "\u200b)"), "\u200b", "invisible"),
    Mistake(EXT, FIRST, FIRST.replace(")", " )"), "kirurgi )", "keeps the spaces"),
    Mistake(EXT, FIRST, FIRST.replace("=k", " = k"), "DEPARTMENT = k", "keeps the spaces"),
    Mistake(EXT, FIRST, FIRST.replace("kirurgi", "Kirurgi"), "Kirurgi", "no [Kirurgi]"),
    Mistake(EXT, '"FAILED"', "\u201cFAILED\u201d", "\u201cFAILED", "word processor"),
    Mistake(EXT, "include => departments", "include \u2013> departments", "\u2013>", "no «=»"),
    Mistake(EXT, "Goto(innringing,s,1)", "Goto(innringing;s,1)", "", "never reaches Stasis"),
    Mistake(EXT, "[departments]", "<<<<<<< HEAD\n[departments]", "<<<<<<< HEAD", "no «=»"),
    Mistake(EXT, "exten => 1000,1,", "exten\t=>\t1000,1,", "", ""),
    Mistake(EXT, "[departments]\n", "[departments]\nexten => _X.,1,Hangup(1)\n", "", ""),
    Mistake(EXT, "[no-number]\n", "[no-number]\nexten => 1000,1,Hangup(1)\n", "", ""),
    Mistake(SIP, "dtmf_mode=auto", "dtmf_mode=\u00a0auto", "\u00a0auto", "invisible"),
    Mistake(SIP, "(line,trunk-security)", "(line,\u00a0trunk-security)", "\u00a0trunk", "invisible"),
    Mistake(SIP, "[switchboard](line", "[switch board](line", "[switch board]", "without spaces"),
    Mistake(SIP, "allow=alaw,ulaw", "allow=alaw ulaw", "", "allows neither"),
]
"""What comes with text from a letter, a web page or a merge."""
SLY_IN_SIP = [
    _line("timers_min_se=7200", "timers_min_se"),
    _line("max_audio_streams=0", "max_audio_streams"),
    _line("dtmf_mode=inband", "inband"),
    _line("dtmf_mode=none", "none"),
    _line("media_encryption=sdes", "media_encryption"),
    _line("webrtc=yes", "webrtc"),
    _line("use_avpf=yes", "use_avpf"),
    _line("100rel=required", "100rel"),
    _line("media_address=192.0.2.9", "media_address"),
    _line("transport=transport-tpc", "transport"),
    _line("deny=0.0.0.0/0", "deny"),
    _line("rtp_timeout=1", "rtp_timeout"),
    _line("bind_rtp_to_media_address=yes", ""),
    _line("rtcp_mux=yes", "rtcp_mux"),
    _line("message_context=phones", ""),
    Mistake(SIP, "identify_by=ip", "identify_by=username", "", "auth="),
    Mistake(SIP, "context=from-trunk", "context=switchboard", "", "from-trunk"),
]
SLY_ELSEWHERE = [
    Mistake(MODULES, "load=res_pjsip_sdp_rtp.so\n", "", "", "res_pjsip_sdp_rtp.so"),
    Mistake(MODULES, "load=codec_alaw.so\n", "", "", "codec_alaw.so"),
    Mistake(MODULES, "load=res_ari_channels.so\n", "", "", "res_ari_channels.so"),
    Mistake(MODULES, "load=format_pcm.so\n", "", "", "format_pcm.so"),
    Mistake(HTTP, "enable_static=no", "prefix=asterisk", "prefix", "prefix"),
    Mistake(HTTP, "sessionlimit=100", "sessionlimit=1", "sessionlimit", "sessionlimit"),
    Mistake(RTP, "icesupport=no", "icesupport=no\nrtpstart=40000\nrtpend=40001", "", "rtp"),
]
DEPARTMENTS = "departments.toml"
"""Read while the service runs; after a mistake the last good version counts."""
LIVE = [
    Mistake(DEPARTMENTS, '\npolicy = "deadline"', '\npolicy = "dedline"', "dedline", "policy"),
    Mistake(DEPARTMENTS, 'cutoff = "14:00"', 'cutoff = "25:00"', "25:00", "cutoff"),
    Mistake(DEPARTMENTS, 'cutoff = "14:00"', "cutoff = 14:00", "cutoff = 14:00", ""),
    Mistake(DEPARTMENTS, 'cutoff = "14:00"', 'cutof = "14:00"', "cutof =", "cutoff"),
    Mistake(DEPARTMENTS, 'extension = "2000"', 'extension = "1000"', "", "extension"),
    Mistake(DEPARTMENTS, 'hospital_number = "+4768050002"', 'hospital_number = "113"', "113", "hospital_number"),
    Mistake(DEPARTMENTS, 'rounds = ["10:00", "13:00"]', "rounds = []", "rounds = []", "rounds"),
    Mistake(DEPARTMENTS, 'rounds = ["10:00", "13:00"]', 'rounds = ["10:00", "13:00"', "", ""),
    Mistake(DEPARTMENTS, 'languages = ["nb", "en"]', 'languages = ["no"]', "", "languages"),
    Mistake(DEPARTMENTS, "[hjerte]\n", "[kirurgi]\n", "", ""),
]
SLY = [*SLY_IN_EXTENSIONS, *COPIED, *SLY_IN_SIP, *SLY_ELSEWHERE]
