"""docs/operations.md, «no figures at all»: a real Prometheus that can't reach us alarms, and stops when it can."""

import json
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import yaml

from desk.paths import ROOT
from ops.machine.tree import PROMETHEUS, ensure
from tests.support.machine.system import until
from tests.support.ports import free_port

ALERT = "InnringingNoMetrics"


class Exposition(BaseHTTPRequestHandler):
    """The web door's `/metrics`, once Prometheus is let in."""

    def do_GET(self) -> None:
        body = b'innringing_component_ok{component="database"} 1.0\n'
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def configured(folder: Path, target: int) -> Path:
    """Our alert rules, without the minutes that they wait, and one target."""
    rules = yaml.safe_load((ROOT / "docs" / "grafana" / "alerts.yml").read_text("utf-8"))
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = "0s"
    (folder / "alerts.yml").write_text(json.dumps(rules), "utf-8")
    job = {"job_name": "innringing", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    everything = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [job],
    }
    (folder / "prometheus.yml").write_text(json.dumps(everything), "utf-8")
    return folder / "prometheus.yml"


@contextmanager
def prometheus(folder: Path, target: int) -> Iterator[int]:
    port = free_port(socket.SOCK_STREAM)
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(
            [
                *(ensure(PROMETHEUS) / "bin" / "prometheus", f"--config.file={configured(folder, target)}"),
                *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield port
    finally:
        child.terminate()
        child.wait(30)


def firing(port: int) -> set[str] | None:
    """The names of the alerts that fire. None before Prometheus answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["alerts"]
    except OSError:
        return None
    return {each["labels"]["alertname"] for each in found if each["state"] == "firing"}


def test_prometheus_that_cannot_reach_us_says_so_until_it_can(tmp_path: Path) -> None:
    target = free_port(socket.SOCK_STREAM)
    with prometheus(tmp_path, target) as port:
        until(lambda: firing(port) == {ALERT})
        with HTTPServer(("127.0.0.1", target), Exposition) as door:
            serving = threading.Thread(target=door.serve_forever)
            serving.start()
            until(lambda: firing(port) == set())
            door.shutdown()
            serving.join()
