"""Build the image of our code. The image's Python builds the wheels, with this host's certificates and pip index."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from desk.paths import ROOT
from ops.machine import engine, tree
from ops.machine.images import ensure_base
from ops.machine.venv import write_metadata
from ops.messages.translation import translated

APP = "innringing-app"
PYTHON = "innringing-python"
DOCKERFILE = ROOT / "docker" / "app.Dockerfile"
REQUIREMENTS = ROOT / "requirements.txt"
SOURCE = ("api", "desk", "docker", "ivr", "migrations", "ops", "innringing.py")
"""What the image contains. The operators' dialplan/ and prompts/ are mounted, so that an edit restarts nothing."""
LEFT_OUT = ("__pycache__", "build", "softphone")
"""Folders that the image does not need: the SIP test phone is a tool for developers."""
PIP_SETTINGS = ("INDEX_URL", "EXTRA_INDEX_URL", "TRUSTED_HOST", "DEFAULT_TIMEOUT")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
AUTHORITIES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def build(*options: str) -> None:
    """Build the image from this checkout. Wheels stay in the cache folder until requirements.txt changes.

    `options` are Docker's, for the stage with Python and the programs for sound.
    """
    ensure_base("trixie")
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copy(DOCKERFILE, context / "app.Dockerfile")
        shutil.copy(REQUIREMENTS, context)
        _image(context, PYTHON, "--target=python", *options)
        shutil.copytree(_wheels(), context / "wheels")
        ignore = shutil.ignore_patterns(*LEFT_OUT)
        for name in SOURCE:
            path, copy = ROOT / name, context / "source" / name
            if path.is_dir():
                shutil.copytree(path, copy, ignore=ignore)
            else:
                shutil.copy(path, copy)
        write_metadata(context / "source")
        _image(context, APP)


def _image(context: Path, name: str, *options: str) -> None:
    print(translated(f"Building the image {name} …"), flush=True)
    dockerfile = str(context / "app.Dockerfile")
    engine.docker("build", "-q", "--network=host", "-t", name, "-f", dockerfile, *options, str(context))


def _wheels() -> Path:
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    target = tree.cache_folder() / f"wheels-{wanted}"
    if target.exists():
        return target
    print(translated("Fetching and building the wheels of requirements.txt …"), flush=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        new = Path(folder) / "wheels"
        new.mkdir()
        options = ["--rm", "--network=host", f"--user={os.geteuid()}:{os.getegid()}", "--env=HOME=/tmp"]
        options += [f"--volume={new}:{new}", f"--volume={REQUIREMENTS}:/requirements.txt:ro", *_host_settings()]
        pip = ["python3", "-m", "pip", "wheel", "-q", "--require-hashes", "-r", "/requirements.txt", "-w", str(new)]
        engine.docker("run", *options, PYTHON, *pip)
        new.rename(target)
    return target


def _host_settings() -> list[str]:
    """Return options with this host's pip settings: its index, the proxies and the trusted certificates."""
    options = [f"--env={name}={os.environ[name]}" for name in PROXIES if name in os.environ]
    for name in PIP_SETTINGS:
        value = os.environ.get(f"PIP_{name}") or _configured(name.lower().replace("_", "-"))
        if value and "file:" not in value:  # the container cannot see a folder of this host
            options.append(f"--env=PIP_{name}={value}")
    named = next((os.environ[name] for name in AUTHORITIES if name in os.environ), "/etc/ssl/certs/ca-certificates.crt")
    if Path(named).is_file():
        options += [f"--volume={Path(named).resolve()}:/authorities.pem:ro", "--env=PIP_CERT=/authorities.pem"]
    return options


def _configured(key: str) -> str:
    if shutil.which("pip") is None:
        return ""
    done = subprocess.run(["pip", "config", "get", f"global.{key}"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
