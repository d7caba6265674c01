"""Use apt without privileges: download packages of any Debian suite and unpack them in our own folder.

It uses only the standard library, because it runs before the virtual environment exists. It does not change the host's
apt state, and reads only its mirror, its `Acquire::` settings (such as proxies) and its keyrings.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ops.messages.translation import translated

DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MIRROR_VARIABLE = "INNRINGING_DEBIAN_MIRROR"
SNAPSHOT_VARIABLE = "INNRINGING_DEBIAN_SNAPSHOT"


class AptError(Exception):
    """Packages are not available."""


@dataclass(frozen=True)
class AptSource:
    """One binary source of apt. `signed_by` is the path of a keyring, or None for apt's default keyrings."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str | None = None

    def line(self) -> str:
        options = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {options}{self.uri} {self.suite} {' '.join(self.components)}\n"


def host_entries(etc: Path = Path("/etc/apt")) -> list[AptSource]:
    """Read the host's binary sources, in apt's order."""
    entries: list[AptSource] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".sources":
            entries += _stanzas(text)
        elif path.suffix == ".list":
            entries += _lines(text)
    return [entry for entry in entries if not entry.uri.startswith("cdrom:")]


def _lines(text: str) -> Iterable[AptSource]:
    for line in text.splitlines():
        match = re.match(
            r"\s*deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<rest>[^#]*)", line
        )
        if match:
            signed = re.search(r"signed-by=(/\S+)", match["options"] or "", re.IGNORECASE)
            yield AptSource(match["uri"], match["suite"], tuple(match["rest"].split()), (signed and signed[1]) or None)


def _stanzas(text: str) -> Iterable[AptSource]:
    text = re.sub(r"(?m)^#.*\n", "", text)
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            key.lower(): re.sub(r"\s+", " ", value).strip()
            for key, value in re.findall(r"(?m)^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)", stanza)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        signed = fields.get("signed-by", "")  # for a key inside the stanza we use the default keyrings
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                yield AptSource(uri, suite, components, signed if signed.startswith("/") else None)


def os_release(path: Path = Path("/etc/os-release")) -> dict[str, str]:
    pairs = re.findall(r'(?m)^(\w+)="?([^"\n]*)"?$', path.read_text(encoding="utf-8") if path.exists() else "")
    return dict(pairs)


def debian_mirror(
    entries: Sequence[AptSource], release: Mapping[str, str], environment: Mapping[str, str] = os.environ
) -> AptSource | None:
    """Return this host's mirror of Debian. None where the host is not a Debian.

    `INNRINGING_DEBIAN_MIRROR` overrides it. `{snapshot}` in it is replaced by `INNRINGING_DEBIAN_SNAPSHOT`.
    """
    own = environment.get(MIRROR_VARIABLE)
    snapshot = environment.get(SNAPSHOT_VARIABLE)
    if snapshot and "{snapshot}" not in (own or ""):
        raise AptError(
            f"{SNAPSHOT_VARIABLE} is set: {MIRROR_VARIABLE} must name a snapshot archive, with {{snapshot}} in it"
        )
    if own:
        return AptSource(own.replace("{snapshot}", snapshot or ""), "", ("main",), _keyring())
    if release.get("ID") != "debian":
        return None
    codename = release.get("VERSION_CODENAME", "")
    known = {codename, f"{codename}-updates", "stable", "testing", "unstable", "sid", "oldstable"}
    for entry in entries:
        if entry.suite in known and "main" in entry.components:
            return AptSource(entry.uri, "", ("main",), _keyring() or entry.signed_by)
    return None


def _keyring() -> str | None:
    for path in (DEBIAN_KEYRING, DEBIAN_KEYRING.with_suffix(".pgp")):
        if path.exists():
            return str(path)
    return None


def host_sources(entries: Sequence[AptSource], release: Mapping[str, str]) -> str:
    """Return the sources of the host's own distribution, without third-party sources."""
    codename = release.get("VERSION_CODENAME") or "stable"
    return "".join(entry.line() for entry in entries if entry.suite.startswith(codename))


def debian_sources(suite: str, scratch: Path) -> str:
    """Return the sources of a Debian suite on any host with apt. `scratch` caches what a host without Debian needs."""
    entries, release = host_entries(), os_release()
    mirror = debian_mirror(entries, release)
    if mirror is None or mirror.signed_by is None:
        mirror = _mirror_by_mmdebstrap(entries, release, mirror, scratch)
    return AptSource(mirror.uri, suite, mirror.components, mirror.signed_by).line()


def _mirror_by_mmdebstrap(
    entries: Sequence[AptSource], release: Mapping[str, str], known: AptSource | None, scratch: Path
) -> AptSource:
    """Find the mirror and the keyring on Ubuntu and similar hosts: they package Debian's keyring and mmdebstrap."""
    folder = scratch / "debian"
    if not folder.exists():
        sources = host_sources(entries, release)
        if not sources:
            raise AptError(f"this host has no Debian mirror: set {MIRROR_VARIABLE}")
        with tempfile.TemporaryDirectory(dir=scratch) as work:
            unpack(["mmdebstrap", "debian-archive-keyring"], sources, Path(work) / "t", dependencies=False)
            (Path(work) / "t").rename(folder)
    script = (folder / "usr/bin/mmdebstrap").read_text(encoding="utf-8")
    found = re.search(r"https?://[a-z0-9.-]*debian[a-z0-9.-]*/debian(?=[\s\"'])", script)
    keyrings = sorted((folder / "usr/share/keyrings").glob("debian-archive-keyring.*"))
    if known is None and not found:
        raise AptError(f"this host has no Debian mirror: set {MIRROR_VARIABLE}")
    uri = known.uri if known else found.group() if found else ""
    return AptSource(uri, "", ("main",), str(keyrings[0].resolve()))


def unpack(packages: Sequence[str], sources: str, target: Path, *, dependencies: bool = True) -> None:
    """Download packages and their dependencies, including the C library, and unpack them without running scripts."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise AptError(f"this host has no {program}: use a Debian or Ubuntu host, or Docker")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="apt-") as folder:
        apt = _PrivateApt(Path(folder), sources)
        apt.update()
        debs = apt.download(packages, dependencies=dependencies)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda deb: _run(["dpkg-deb", "-x", str(deb), str(target)]), debs))


class _PrivateApt:
    """An apt with all its files in one folder, for any user."""

    def __init__(self, folder: Path, sources: str) -> None:
        self._folder = folder
        self._any_date = False
        for name in ("state/lists/partial", "cache/archives/partial", "log"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(sources, encoding="utf-8")
        self._acquire = host_acquire()

    def update(self) -> None:
        try:
            self._apt("update", "--error-on=any")
        except AptError as error:
            if "expired" not in str(error) and "not valid" not in str(error):
                raise
            # On a frozen copy of the archive the signature is valid and only the date has passed.
            print(
                translated("  the mirror is a frozen copy (its Release file has expired): using it anyway"), flush=True
            )
            self._any_date = True
            self._apt("update")

    def download(self, packages: Sequence[str], *, dependencies: bool) -> list[Path]:
        if dependencies:
            self._apt("install", "-y", "--download-only", *packages)
            return sorted((self._folder / "cache/archives").glob("*.deb"))
        self._apt("download", *packages)
        return sorted(self._folder.glob("*.deb"))

    def _apt(self, *arguments: str) -> None:
        (self._folder / "apt.conf").write_text(self._configuration(), encoding="utf-8")
        environment = {**os.environ, "APT_CONFIG": str(self._folder / "apt.conf"), "LC_ALL": "C"}
        _run(["apt-get", "-q", *arguments], environment=environment, folder=self._folder)

    def _configuration(self) -> str:
        folder = self._folder
        return f"""\
Dir "{folder}/";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null/";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null/";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null/";
Dir::Etc::trusted "/etc/apt/trusted.gpg";
Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d/";
Dir::Etc::netrc "/etc/apt/auth.conf";
Dir::Etc::netrcparts "/etc/apt/auth.conf.d/";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::archives "archives/";
Dir::Log "{folder}/log";
APT::Sandbox::User "{pwd.getpwuid(os.geteuid()).pw_name if _user_has_name() else ""}";
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
Acquire::Languages "none";
Acquire::Retries "3";
{self._acquire}{'Acquire::Check-Valid-Until "false";' if self._any_date else ""}
"""


def _user_has_name() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def host_acquire() -> str:
    """Return the host's apt settings for proxies, certificates and time limits."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    wanted = re.compile(r"Acquire::(http|https|ftp|Retries|ForceIPv|Proxy)", re.IGNORECASE)
    return "".join(f"{line}\n" for line in dump.splitlines() if wanted.match(line) and not line.endswith('"";'))


def _run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:", "dpkg"))]
        raise AptError(f"{' '.join(command[:3])} … failed: {' '.join(lines) or done.stderr.strip()[-500:]}")


def without_options(line: str) -> str:
    """Remove the options in `[…]` from a sources line: their paths do not exist on another machine."""
    return re.sub(r"\[[^]]*\]\s*", "", line).strip()
