"""Rules for the dialplan's files, so that no caller is left in silence and no call is led astray."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from desk.departments.departments import Department, Departments
from desk.files.errors import OperatorsFileError
from desk.files.faults import FileFault, of_file, shown
from ops.commands.dialplan import harmful, modules_file, spoken, ways_out
from ops.commands.dialplan.config_file import ConfigFile
from ops.commands.dialplan.parser import Dialplan, Place, Step, handles_failure
from ops.commands.dialplan.spoken import Prompts
from ops.commands.dialplan.telephony_files import TelephonyFiles

SHORTEST_RESCUE, LONGEST_RESCUE = 2, 30
"""Seconds until a caller is rescued: the controller needs some to take over, and the caller may not wait longer."""

STASIS_ARGUMENTS = "${DEPARTMENT},${CHANNEL(language)},${CALLERID(num-pres)}"
ENTRIES = ("from-trunk", "phones")
_SETTING = re.compile(r"\s*(?P<name>[^=]+?)\s*=\s*(?P<value>.*)", re.S)


class DialplanCheck:
    """Checks Asterisk's files in `folder` against the departments. File names are shown relative to `root`.

    `local` is this machine's own extensions.conf, if it has one. Without `prompts`, what is played is not checked.
    """

    def __init__(
        self,
        folder: Path,
        departments: Departments,
        root: Path,
        *,
        local: Path | None = None,
        prompts: Prompts | None = None,
    ) -> None:
        self._folder, self._local, self._prompts = folder, local, prompts
        self._departments = departments
        self._file = shown(folder / "extensions.conf", root)
        self._root = root
        self._plan = Dialplan("")

    def faults(self) -> list[FileFault]:
        """Find all faults, each once, ordered by file and line."""
        try:
            files = TelephonyFiles(self._folder, self._root, local=self._local)
        except OperatorsFileError as error:
            return [of_file(error, self._root)]
        self._plan = Dialplan(files.texts[self._folder / "extensions.conf"])
        modules = files.files[self._folder / "modules.conf"]
        found = {
            *(fault for department in self._departments.all() for fault in self._department(department)),
            *(fault for department in self._departments.all() for fault in self._lines(department)),
            *self._unknown_departments(),
            *self._lost_targets(),
            *self._spoken_digits(),
            *self._rescued(self._plan.find("switchboard", "s"), None, "the context [switchboard]"),
            *self._modules(modules),
            *self._loud_logs(files.files),
            *self._ways_out(files.files),
            *self._spoken(files.files),
            *files.faults(),
        }
        return sorted(found, key=lambda fault: (fault.file, fault.line or 0, fault.reason))

    def _modules(self, modules: ConfigFile) -> Iterator[FileFault]:
        for line, reason in modules_file.in_modules(modules, self._plan):
            yield FileFault(shown(self._folder / "modules.conf", self._root), line, reason)

    def _loud_logs(self, files: Mapping[Path, ConfigFile]) -> Iterator[FileFault]:
        path = self._folder / "logger.conf"
        for line, reason in modules_file.loud_logs(files[path]) if path in files else ():
            yield FileFault(shown(path, self._root), line, reason)

    def _ways_out(self, files: Mapping[Path, ConfigFile]) -> Iterator[FileFault]:
        """Ways to make Asterisk call a number that neither we nor the dialplan chose."""
        for line, reason in ways_out.in_dialplan(self._plan):
            yield FileFault(self._file, line, reason)
        endpoints = {path: file for path, file in files.items() if path.name == "pjsip.conf"}
        for path, line, reason in ways_out.in_endpoints(endpoints):
            yield FileFault(shown(path, self._root), line, reason)

    def _spoken(self, files: Mapping[Path, ConfigFile]) -> Iterator[FileFault]:
        if self._prompts is None:
            return
        for line, reason in spoken.in_dialplan(self._plan, self._prompts):
            yield FileFault(self._file, line, reason)
        endpoints = {path: file for path, file in files.items() if path.name == "pjsip.conf"}
        for path, line, reason in spoken.in_endpoints(endpoints, self._prompts):
            yield FileFault(shown(path, self._root), line, reason)

    def _fault(self, step: Step | None, reason: str) -> FileFault:
        return FileFault(self._file, step.line if step else None, reason)

    def _department(self, department: Department) -> Iterator[FileFault]:
        for entry in ENTRIES:
            if entry not in self._plan.contexts and entry != ENTRIES[0]:
                continue
            start = self._taken(entry, department.extension)
            if start is None:
                yield self._fault(
                    None, f"[{entry}] has no extension {department.extension}, the number of [{department.slug}]"
                )
            else:
                yield from self._path_in(department, start)

    def _taken(self, entry: str, number: str) -> Place | None:
        """Find where calls to this number go. None if nothing takes them, or only the extension that refuses any."""
        start = self._plan.find(entry, number)
        step = self._plan.step(start) if start else None
        refused = start and start.extension != number and step and step.is_application("Hangup")
        return None if refused else start

    def _path_in(self, department: Department, start: Place) -> Iterator[FileFault]:
        """Check a call's path from its number into Stasis, and out again when no controller is there."""
        number, slug, limit, last = department.extension, None, None, self._plan.step(start)
        answered = False
        for place, step in self._plan.path(start):
            last = step
            if step.is_application("Set") and (setting := _SETTING.fullmatch(step.arguments)):
                name, value = setting["name"].lstrip("_"), setting["value"].strip()
                slug = value if name == "DEPARTMENT" else slug
                limit = value if name == "TIMEOUT(absolute)" else limit
            for line, reason in harmful.on_the_way_in(step, answered=answered):
                yield FileFault(self._file, line, reason)
            answered = answered or step.is_application("Answer")
            if step.is_application("Stasis"):
                if not answered:
                    yield self._fault(
                        step, f"{number} enters Stasis without Answer() before it: the caller hears nothing"
                    )
                yield from self._into_stasis(department, place, step, slug, limit)
                return
        yield self._fault(last, f"{number} never reaches Stasis(innringing,…): [{department.slug}] can't be called")

    def _into_stasis(
        self, department: Department, place: Place, step: Step, slug: str | None, limit: str | None
    ) -> Iterator[FileFault]:
        number = department.extension
        application, *arguments = [part.strip() for part in step.arguments.split(",")]
        passed = arguments[0].replace("${DEPARTMENT}", slug or "") if arguments else ""
        if application != "innringing":
            yield self._fault(step, f"Stasis({application},…) is unknown: the application is innringing")
        if passed != department.slug:
            start = self._plan.find(ENTRIES[0], number)
            first = self._plan.step(start) if start else step
            yield self._fault(first, f"{number} must set DEPARTMENT={department.slug}, as departments.toml says")
        if "${CALLERID(num-pres)}" not in arguments[1:]:
            reason = "Stasis() without ${CALLERID(num-pres)}: withheld numbers would be shown"
            yield self._fault(step, f"{reason}; write Stasis(innringing,{STASIS_ARGUMENTS})")
        if limit is None or not limit.isdigit() or not SHORTEST_RESCUE <= int(limit) <= LONGEST_RESCUE:
            yield self._fault(
                step,
                f"{number} enters Stasis without Set(TIMEOUT(absolute)=2) before it "
                f"({SHORTEST_RESCUE} to {LONGEST_RESCUE} seconds): "
                "a caller is left in silence when the controller dies",
            )
        yield from self._path_out(place, step)

    def _path_out(self, place: Place, stasis: Step) -> Iterator[FileFault]:
        expired = self._plan.find(place.context, "T")
        if expired is None:
            yield self._fault(
                stasis, f"[{place.context}] has no extension T: a caller whose time limit expires is hung up on"
            )
        else:
            yield from self._to_standby(expired, stasis, "extension T")
            yield from self._rescued(expired, stasis, "extension T")
        after = Place(place.context, place.extension, place.index + 1)
        for here, step in self._plan.path(after):
            if handles_failure(step):
                targets = self._plan.targets(step)
                target = self._plan.target(here, targets[0]) if targets else None
                yield from self._to_standby(target, step, "FAILED")
                yield from self._rescued(target, step, "FAILED")
                return
        yield self._fault(stasis, "no step after Stasis handles STASISSTATUS=FAILED: a caller is hung up on")

    def _to_standby(self, start: Place | None, stasis: Step, name: str) -> Iterator[FileFault]:
        """Check that a call from here is offered to the standby, which must not be able to hold it for ever."""
        ends_with_limit = False
        for _, step in self._plan.path(start, doors_fail=True) if start else ():
            if step.is_application("Set") and step.arguments.replace(" ", "") == "AGIEXITONHANGUP=yes":
                ends_with_limit = True
            if step.is_application("AGI"):
                if not ends_with_limit:
                    yield self._fault(step, "Set(AGIEXITONHANGUP=yes) is missing before it: no time limit ends AGI()")
                return
            if step.is_application("Dial") or step.is_application("Queue"):
                break
        yield self._fault(stasis, f"{name} does not lead to the standby: there is no AGI(${{STANDBY}},…) on that path")

    def _rescued(self, start: Place | None, stasis: Step | None, name: str) -> Iterator[FileFault]:
        """Check that a call from here reaches people, without a time limit."""
        limit_off = False
        for _, step in self._plan.path(start, doors_fail=True) if start else ():
            if step.is_application("Set") and step.arguments.replace(" ", "") == "TIMEOUT(absolute)=0":
                limit_off = True
            if step.is_application("Dial") or step.is_application("Queue"):
                if not limit_off:
                    yield self._fault(step, "Set(TIMEOUT(absolute)=0) is missing before it: the caller is cut off")
                return
        yield self._fault(stasis, f"{name} does not lead to the switchboard: there is no Dial(…) on that path")

    def _lines(self, department: Department) -> Iterator[FileFault]:
        """Check the numbers and lines that call people directly."""
        for key in ("referrer_extension", "urgent_extension"):
            if (number := department.extensions.get(key)) is None:
                continue
            for entry in ENTRIES:
                if entry not in self._plan.contexts and entry != ENTRIES[0]:
                    continue
                start = self._taken(entry, number)
                if start is None:
                    reason = f"[{entry}] has no extension {number}, [{department.slug}]'s «{key}»"
                    yield self._fault(None, reason)
                else:
                    yield from self._rings(start, number)
        if department.has_urgent_line:
            own = self._plan.contexts.get("urgent-line")
            if own is None or department.slug not in own.extensions:
                reason = f"[urgent-line] has no extension {department.slug}: [{department.slug}] has an urgent line"
                yield self._fault(None, reason)
            else:
                yield from self._rings(Place("urgent-line", department.slug, 0), f"[urgent-line] {department.slug}")

    def _rings(self, start: Place, name: str) -> Iterator[FileFault]:
        """Check that a call from here first calls people, and if they do not answer, plays a prompt and is rescued."""
        dial, announced = None, False
        last = self._plan.step(start)
        for place, step in self._plan.path(start):
            last = step
            if dial and step.is_application("Playback"):
                announced = True
            elif not dial and (step.is_application("Playback") or step.is_application("Stasis")):
                yield self._fault(step, f"{name} reaches {step.application} before it calls anyone")
                return
            if step.is_application("Dial") or step.is_application("Queue"):
                if not dial:
                    dial = place
                    continue
                if not announced:
                    yield self._fault(step, f"{name}: no Playback before this says that the line isn't answered")
                break
        else:
            what = f"{name}, unanswered, does not lead to the switchboard" if dial else f"{name} calls no one"
            yield self._fault(last, f"{what}: there is no Dial(…) on that path")
            return
        yield from self._rescued(start, last, name)

    def _unknown_departments(self) -> Iterator[FileFault]:
        """Find numbers that set a department which departments.toml does not have."""
        for _, extension, step in self._plan.steps():
            setting = _SETTING.fullmatch(step.arguments) if step.is_application("Set") else None
            if setting and setting["name"].lstrip("_") == "DEPARTMENT" and "${" not in setting["value"]:
                slug = setting["value"].strip()
                if slug not in self._departments:
                    yield self._fault(step, f"{extension} has no department: there is no [{slug}] in departments.toml")
                elif extension != self._departments.get(slug).extension:
                    own = self._departments.get(slug).extension
                    yield self._fault(step, f"{extension} is not [{slug}]'s number: departments.toml says {own}")

    def _lost_targets(self) -> Iterator[FileFault]:
        for context, extension, step in self._plan.steps():
            for text in self._plan.targets(step):
                if self._plan.target(Place(context.name, extension, 0), text) is None:
                    yield self._fault(step, f"{step.application} to «{text}», which does not exist")

    def _spoken_digits(self) -> Iterator[FileFault]:
        for _, _, step in self._plan.steps():
            if step.is_application("Read"):
                yield self._fault(step, "Read() writes callers' digits to the log: leave keys to the conversation")
