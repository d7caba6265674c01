"""Judge Asterisk's files as a whole before an Asterisk gets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from desk.departments.file import load_departments
from desk.files.faults import FileFault
from desk.paths import ROOT
from desk.settings.settings import Settings
from ivr.prompts import rules
from ivr.prompts.catalogue import Catalogue, load_catalogue
from ops.commands.dialplan.asked import asked
from ops.commands.dialplan.rules import DialplanCheck
from ops.commands.dialplan.spoken import Prompts
from ops.machine.demo_parts import demo_parts
from ops.machine.instance import DIALPLAN, OWN, files_in_force, is_demo


def prompts_of(catalogue: Catalogue) -> Prompts:
    """Return what the dialplan can play."""
    keys = frozenset.intersection(*(catalogue.keys(language) for language in catalogue.languages))
    return Prompts(catalogue.languages, keys)


class FilesRefused(Exception):
    """Asterisk's files have a mistake, and there are no previous ones. The message is one line."""


def files_for_start(
    settings: Settings, folder: Path, *, dialplan: Path = DIALPLAN, root: Path = ROOT, say: Callable[[str], None]
) -> Path | None:
    """Return the folder whose files Asterisk shall start with: `dialplan`, or None for those it had last time.

    The previous files are used if the new ones have a mistake: it is said, and calls are taken as before. Raises
    FilesRefused if there are none.
    """
    found = mistakes(settings, folder / "etc" / "local" / OWN, dialplan=dialplan, root=root)
    if not found:
        return dialplan
    if not files_in_force(folder) or is_demo(folder) != settings.demo:
        raise FilesRefused(f"{found[0]} (innringing check shows all)")
    for fault in found:
        say(str(fault))
    say("Asterisk starts with the files it had last time. Fix the mistakes, then: innringing reload")
    return None


def mistakes(settings: Settings, local: Path, *, dialplan: Path = DIALPLAN, root: Path = ROOT) -> list[FileFault]:
    """Return all mistakes in Asterisk's files, without notes. `local` is this machine's own extensions.conf.

    Raises DepartmentsFileError or CatalogueError, because the files can't be judged without the two.
    """
    departments = load_departments(settings.files.departments)
    prompts = prompts_of(load_catalogue(rules.texts_file(settings.files.prompts)))
    found = DialplanCheck(dialplan, departments, root, local=local, prompts=prompts).faults()
    found += asked(settings, dialplan, departments, root=root, local=local, known=found)
    if not settings.demo:
        found += demo_parts(settings.files.departments, dialplan, root=root)
    return [fault for fault in found if not fault.note]
