"""Files of commands are their user's alone, whatever the umask: database, spool, anchors, logs, copies."""

import os
import subprocess
import sys
from pathlib import Path

from desk.paths import ROOT


def run(var: Path, *arguments: str) -> str:
    environment = {**os.environ, "INNRINGING_ENVIRONMENT": "demo", "INNRINGING_VAR_DIR": str(var)}
    done = subprocess.run(
        [sys.executable, "-m", "innringing", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        umask=0,
    )
    return done.stdout + done.stderr


def test_commands_write_private_files_with_umask_0(tmp_path: Path) -> None:
    var = tmp_path / "var"
    assert "The database is current." in run(var, "migrate")
    assert "inn_" in run(var, "agents", "add", "kari", "--all-departments")
    assert "restore --check" in run(var, "backup", str(var / "copy"))
    found = [path for path in (var, *var.rglob("*")) if not path.is_symlink()]
    assert {"innringing.db", "keys.env", "manifest.json"} <= {path.name for path in found}
    assert [(path.name, oct(path.stat().st_mode)) for path in found if path.stat().st_mode & 0o077] == []
