"""A hospital's server: a copy of the checkout with files of its own, and `make up` in it, as in production."""

import base64
import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.commands.compose import project_of
from tests.support.environment import UNLIMITED, without_ours
from tests.support.ports import free_port, free_rtp_range

DEPARTMENTS = """\
[kirurgi]
name = "Kirurgisk poliklinikk"
extension = "3000"
hospital_number = "+4768059001"
policy = "deadline"
cutoff = "14:00"
answer_by = "15:00"
identity = "optional"
languages = ["nb"]

[hjerte]
name = "Hjertepoliklinikken"
extension = "4000"
hospital_number = "+4768059002"
policy = "rounds"
rounds = ["10:00", "13:00"]
identity = "off"
languages = ["nb"]
recording = true
"""
NUMBERS = """\
exten => 3000,1,Set(DEPARTMENT=kirurgi)
 same => n,Goto(innringing,s,1)
exten => 4000,1,Set(DEPARTMENT=hjerte)
 same => n,Goto(innringing,s,1)

"""
START_LIMIT = 600  # seconds: the first start builds images and wheels


class HospitalServer:
    """One server. Use as a context manager: at the end its containers and its database are deleted."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "innringing"
        self.var = folder / "var"
        first = free_rtp_range()
        self.variables = {
            "ENVIRONMENT": "production",
            "VAR_DIR": str(self.var),
            "PROMPTS_DIR": str(folder / "prompts"),
            "RUNNER": "docker",
            "SIP_PORT": str(free_port(socket.SOCK_DGRAM)),
            "ARI_PORT": str(free_port(socket.SOCK_STREAM)),
            "API_PORT": str(free_port(socket.SOCK_STREAM)),
            "STANDBY_PORT": str(free_port(socket.SOCK_STREAM)),
            "RTP_PORTS": f"{first}-{first + 99}",
            "IDENTITY_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "INDEX_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "ARI_PASSWORD": secrets.token_hex(12),
            "POSTGRES_PORT": str(free_port(socket.SOCK_STREAM)),
            **{name.upper(): str(limit) for name, limit in UNLIMITED.items()},
        }
        self._copy()
        shutil.copytree(ROOT / "prompts", folder / "prompts")  # built, and read in by its own operators

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for kind, remove in (("ps -aq", "rm -f"), ("volume ls -q", "volume rm -f")):
            for each in self.docker(
                *kind.split(), "--filter", f"label=com.docker.compose.project={self.project}"
            ).split():
                self.docker(*remove.split(), each)

    @property
    def project(self) -> str:
        return project_of(self.var / "compose")

    @property
    def settings(self) -> Settings:
        """The settings as this server's commands read them, for phones."""
        given = {name.lower(): value for name, value in self.variables.items() if name != "POSTGRES_PORT"}
        return Settings.load(**given)

    def make(self, action: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """`make up`, `make down` or the nightly `prune`, with changed settings from now on."""
        return self.python("ops.commands.compose", action, **changes)

    def innringing(self, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """A command of the checkout."""
        return self.python("innringing", *command, **changes)

    def python(self, module: str, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        ours = {f"INNRINGING_{name}": value for name, value in (self.variables | changes).items() if value}
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.root,
            env={**without_ours(), **ours, "PYTHONPATH": str(self.root)},
            timeout=START_LIMIT,
        )

    def container(self, service: str) -> str:
        """The id of a service's container."""
        project, name = f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"
        return self.docker("ps", "-aq", "--filter", f"label={project}", "--filter", f"label={name}")

    def inside(self, service: str, *command: str) -> str:
        return self.docker("exec", self.container(service), *command)

    def console(self, command: str) -> str:
        configuration = self.var / "compose" / "asterisk" / "etc" / "asterisk.conf"
        return self.inside("asterisk", "rasterisk", "-C", str(configuration), "-x", command)

    def docker(self, *arguments: str) -> str:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=START_LIMIT)
        return done.stdout.strip()

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file of the checkout as an operator would."""
        path = self.root / name
        text = path.read_text("utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1), "utf-8")

    def machine_restarts(self) -> None:
        """All containers end without a warning, their memory is gone, and they are started in another order."""
        names = ("asterisk", "postgres", "ivr", "standby", "api")
        for name in names:
            self.inside(name, "sh", "-c", "kill -KILL $(cat /proc/1/task/1/children)")
        containers = [self.container(name) for name in names]
        self.docker("stop", "-t", "0", *containers)
        self.docker("start", *reversed(containers))

    def _copy(self) -> None:
        """Copy the checkout, and make its operators' files this hospital's."""
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in map(os.fsdecode, listed.split(b"\0")):
            if name and (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        (self.root / "dialplan" / "departments.toml").write_text(DEPARTMENTS, "utf-8")
        extensions = self.root / "dialplan" / "extensions.conf"
        text = extensions.read_text("utf-8")
        start, end = text.index("exten => 1000,1,"), text.index("; The phones that these lines ring")
        text = text[:start] + NUMBERS + text[end:]
        extensions.write_text(text.replace("PJSIP/demo-phone", "PJSIP/switchboard"), "utf-8")
        trunk = "[trunk]\ntype=identify\nendpoint=trunk\nmatch=127.0.0.1/32\n"
        with (self.root / "dialplan" / "pjsip.conf").open("a", encoding="utf-8") as pjsip:
            pjsip.write("\n" + trunk)
