"""`innringing backup DIR` and `innringing restore DIR`. Errors are one line, with exit code 1."""

from pathlib import Path
from typing import Annotated

import typer

from desk.settings.settings import Settings
from ops.backup import backup as copies
from ops.backup import restore as restores
from ops.backup.manifest import NAME, Manifest, describe
from ops.commands.migrate import migrated
from ops.commands.terminal import fail, load_settings, run, say, show

NAMED = ("callbacks", "calls", "history", "audit", "recordings")
"""The tables that a person wants to see counted."""

Folder = Annotated[Path, typer.Argument(help="The folder of the copy.")]


def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the copy.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Copy the keys too. Anyone who has the copy can then read everything.")
    ] = False,
) -> None:
    """Copy the database, the spools and the operators' files while the service runs (docs/backup.md)."""
    settings = load_settings(need_keys=True)
    folder = folder.absolute()
    manifest = run(copies.make(settings, folder, with_keys=with_keys))
    say(
        f"{folder}: {_counts(manifest)}; {manifest.spooled} in the spool, {manifest.audit_spooled} in the audit's; "
        f"{len(manifest.files)} files."
    )
    if not with_keys:
        say(f"The keys are not in it. It needs {_keys(manifest)}: keep them elsewhere.")
    say(f"Try it: innringing restore --check {folder}")
    typer.echo(f"{describe(folder / NAME).sha256}  {NAME}")


def restore(
    folder: Folder,
    check: Annotated[
        bool, typer.Option("--check", help="Only prove that the copy can be used. Changes nothing.")
    ] = False,
    scratch: Annotated[
        str | None,
        typer.Option(
            envvar="INNRINGING_SCRATCH_URL",
            help="With --check on PostgreSQL: an empty database for the copy. Otherwise one is made and removed.",
        ),
    ] = None,
) -> None:
    """Put a copy into place where there is no database yet, or prove with --check that it could be."""
    settings = load_settings(need_keys=True)
    folder = folder.absolute()
    if check:
        _check(settings, folder, scratch)
        return
    done = run(restores.restore(settings, folder))
    run(migrated(settings))
    say(f"Restored from {done.manifest.made_at}: {_counts(done.manifest)}.")
    say(
        f"{done.manifest.spooled} entries of the spool are stored when the phone door starts, "
        f"{done.manifest.audit_spooled} of the audit's when the web door does. "
        f"{done.written} files were missing here."
    )
    for name in done.kept:
        say(f"Another content is here, and stays: {name}. The copy's is {folder / name}")
    say("Then: innringing audit verify")


def _check(settings: Settings, folder: Path, scratch: str | None) -> None:
    found = run(restores.check(settings, folder, scratch))
    for fault in found.faults:
        show(fault)
    if found.faults:
        fail("The copy can't be trusted.")
    say(f"Made {found.manifest.made_at} by {found.manifest.version}: {_counts(found.manifest)}.")
    say(
        f"{len(found.manifest.files)} files are unchanged. "
        f"The database opens, and the keys at hand open {found.opened} values."
    )
    say(
        f"{found.manifest.spooled} entries of the spool open, and {found.manifest.audit_spooled} of the audit's. "
        f"The audit is intact: {found.audit_rows} rows."
    )


def _counts(manifest: Manifest) -> str:
    return ", ".join(f"{manifest.rows.get(name, 0)} {name}" for name in NAMED)


def _keys(manifest: Manifest) -> str:
    versions = {kind: ", ".join(map(str, found)) for kind, found in manifest.keys.items()}
    return f"INNRINGING_IDENTITY_KEY (version {versions['identity']}) and INNRINGING_INDEX_KEY ({versions['index']})"
