"""Check each of Asterisk's files by itself and against the others: words, sections, phones, and who may call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from desk.files.errors import OperatorsFileError
from desk.files.faults import FileFault, shown
from desk.files.toml_files import read_text
from ops.commands.dialplan import dialled, extensions_file, other_files
from ops.commands.dialplan.config_file import ConfigFile, parse
from ops.commands.dialplan.parser import Dialplan
from ops.commands.dialplan.sip_file import SipFiles
from ops.machine.instance import SWITCHBOARD

NEEDED = (
    *("ari.conf", "cdr.conf", "cel.conf", "extensions.conf", "http.conf", "indications.conf", "logger.conf"),
    *("manager.conf", "modules.conf", "pjsip.conf", "rtp.conf"),
)
"""Without one of these, Asterisk's defaults would count at its next start: no ARI, other ports, numbers in its logs."""
LOCAL = "local"
"""Included files of this folder are written when Asterisk starts, except extensions.conf."""


class TelephonyFiles:
    """Asterisk's files in `folder`, with the demo's, and the operators' own `local` extensions.conf if there is one.

    Raises OperatorsFileError if a file can't be read.
    """

    def __init__(self, folder: Path, root: Path, *, local: Path | None = None) -> None:
        self._folder, self._root = folder, root
        others = [
            path for path in (folder / "demo" / "pjsip.conf", local) if path and (path.exists() or path.is_symlink())
        ]
        paths = [*sorted({*folder.glob("*.conf"), *(folder / name for name in NEEDED)}), *others]
        self.texts = {path: read_text(path, OperatorsFileError, missing="the file is missing") for path in paths}
        self.files: Mapping[Path, ConfigFile] = {path: parse(text) for path, text in self.texts.items()}
        self._extensions = [path for path in paths if path.name == "extensions.conf"]
        self._plans = {path: Dialplan(self.texts[path]) for path in self._extensions}

    def faults(self) -> Iterator[FileFault]:
        """Find all faults of all files."""
        for path, file in self.files.items():
            for line, reason in other_files.in_file(shown(path, self._folder), file):
                yield self._fault(path, line, reason)
            yield from self._includes(path, file)
        contexts = [*dict.fromkeys(name for plan in self._plans.values() for name in plan.contexts)]
        for path in self._extensions:
            for line, reason in extensions_file.in_extensions(self.files[path], contexts):
                yield self._fault(path, line, reason)
        for path, line, reason in self._sip(contexts).findings():
            yield self._fault(path, line, reason)
        yield from self._phones(self.endpoints())

    def endpoints(self, *, demo: bool = True) -> list[str]:
        """Return the names of all endpoints, with or without the demo's."""
        return self._sip([], demo=demo).endpoints

    def transports(self) -> list[str]:
        """Return the names of the operators' own transports."""
        return [each.name for each in self._sip([]).objects if each.kind == "transport"]

    def _sip(self, contexts: list[str], *, demo: bool = True) -> SipFiles:
        paths = [path for path in self.files if path.name == "pjsip.conf" and (demo or path.parent.name != "demo")]
        return SipFiles({path: self.files[path] for path in paths}, contexts)

    def _includes(self, path: Path, file: ConfigFile) -> Iterator[FileFault]:
        for each in file.includes:
            generated = each.file in (f"{LOCAL}/{path.name}", f"{LOCAL}/{SWITCHBOARD}")
            if not each.optional and not generated and not (self._folder / each.file).exists():
                reason = f"#include of «{each.file}», which does not exist: Asterisk then reads nothing of {path.name}"
                yield self._fault(path, each.line, reason)

    def _phones(self, phones: list[str]) -> Iterator[FileFault]:
        variables: dict[str, tuple[int, str]] = {}
        for path in self._extensions:
            own = {
                setting.key.upper(): (setting.line, setting.value)
                for section in self.files[path].named("globals")
                for setting in section.settings
            }
            for line, reason in dialled.in_variables(own, phones):
                yield self._fault(path, line, reason)
            variables |= own
        values = {name: value for name, (_, value) in variables.items()}
        for path, plan in self._plans.items():
            for line, reason in dialled.in_dials(plan, phones, values):
                yield self._fault(path, line, reason)

    def _fault(self, path: Path, line: int, reason: str) -> FileFault:
        return FileFault(shown(path, self._root), line, reason)
