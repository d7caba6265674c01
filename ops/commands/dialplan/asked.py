"""Check Asterisk's files by loading them in a throw-away Asterisk."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from desk.departments.departments import Departments
from desk.errors import SettingsError
from desk.files.faults import FileFault, shown
from desk.settings.settings import Settings
from ops.commands.dialplan.telephony_files import TelephonyFiles
from ops.commands.dialplan.words import words
from ops.machine.asterisk import AsteriskError
from ops.machine.instance import DEMO
from ops.machine.questions import Expected, lacking
from ops.machine.trial import Complaint, NoTrial, trial

FOLLOWS = re.compile(
    r"Could not create an object of type|Contents of config file|Some non-required modules|declined to load"
    r"|Unable to set the default country"
)
"""What Asterisk says after another complaint, and that adds nothing."""
_OPTION = re.compile(r"named '(?P<named>[^']+)'|Error parsing (?P<parsed>[^=\s]+)=")


def asked(
    settings: Settings,
    dialplan: Path,
    departments: Departments,
    *,
    root: Path,
    local: Path | None = None,
    known: Sequence[FileFault] = (),
) -> list[FileFault]:
    """Return what Asterisk says about the files, without what is `known` already about the same lines.

    If something is known, complaints without a line are left out: they are usually about the same.
    """
    places = {(fault.file, fault.line) for fault in known}
    found = [
        fault
        for fault in _asked(settings, dialplan, departments, root, local)
        if (fault.file, fault.line) not in places and (fault.line or fault.note or not known)
    ]
    return [*dict.fromkeys(found)]


def _asked(
    settings: Settings, dialplan: Path, departments: Departments, root: Path, local: Path | None
) -> Iterator[FileFault]:
    folder = shown(dialplan, root)
    try:
        files = TelephonyFiles(dialplan, root, local=local)
        with trial(settings, dialplan, local=local) as throw_away:
            complaints = throw_away.complaints()
            expected = Expected([each.extension for each in departments.all()], files.endpoints(demo=settings.demo))
            missing = [] if complaints else lacking(throw_away.console, expected)
    except NoTrial as reason:
        yield FileFault(folder, None, str(reason), note=True)
    except SettingsError as error:
        yield FileFault("environment", None, str(error))
    except AsteriskError as error:
        yield FileFault(folder, None, f"Asterisk does not start with these files: {error}")
    except (OSError, UnicodeError):
        return  # reported already
    else:
        first = [each for each in complaints if not FOLLOWS.search(each.text)]
        for complaint in first or complaints:
            yield _fault(complaint, files, dialplan, root, local)
        yield from (FileFault(folder, None, reason) for reason in missing)


def _fault(complaint: Complaint, files: TelephonyFiles, dialplan: Path, root: Path, local: Path | None) -> FileFault:
    option = _OPTION.search(complaint.text)
    key = (option["named"] or option["parsed"]) if option else None
    path = _path(complaint.file, dialplan, local) if complaint.file else None
    if path is None and complaint.line and key:
        path = _with_option(files, complaint.line, key)
    values = next((kind.values[key] for kind in words().sip.values() if key and key in kind.values), ())
    advice = f" ({', '.join(values)})" if values else ""
    text = re.sub(r",? (?:at |in )?line \d+ of ?\S*$", "", complaint.text)
    return FileFault(shown(path or dialplan, root), complaint.line if path else None, f"Asterisk says: {text}{advice}")


def _path(name: str, dialplan: Path, local: Path | None) -> Path | None:
    """Return the operators' file behind a file of etc/; None for a generated one."""
    if name == DEMO:
        return dialplan / "demo" / "pjsip.conf"
    if name == "local/extensions.conf":
        return local
    return None if name.startswith("local/") else dialplan / name


def _with_option(files: TelephonyFiles, line: int, key: str) -> Path | None:
    """Find the file with this option on this line."""
    for path, text in files.texts.items():
        lines = text.split("\n")
        if path.name == "pjsip.conf" and line <= len(lines) and lines[line - 1].strip().lower().startswith(key.lower()):
            return path
    return None
