"""compose.yaml gives no container more than it needs, and the example proxies pass on nothing a client wrote."""

import re
from typing import Any

import pytest
import yaml

from desk.paths import ROOT
from ops.machine import engine

COMPOSE = ROOT / "docker" / "compose.yaml"
EXAMPLES = ROOT / "docs" / "examples"
PROXY = ROOT / "docker" / "proxy.yaml"
SERVICES = ("asterisk", "postgres", "migrate", "prune", "ivr", "standby", "api")
OURS = ("migrate", "prune", "ivr", "standby", "api")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    assert set(found) == set(SERVICES)
    return found


def test_kamailios_container_is_hardened_and_reads_only_its_files() -> None:
    service = yaml.safe_load(PROXY.read_text("utf-8"))["services"]["kamailio"]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"] and service["user"] == "${INNRINGING_USER}"
    assert service["volumes"] == ["${INNRINGING_PROXY}:/etc/kamailio:ro"] and service["tmpfs"] == ["/tmp"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    assert service["tmpfs"][0] == "/tmp" and len(service["tmpfs"]) == (2 if name == "asterisk" else 1)
    assert not service.get("privileged") and "pid" not in service and "devices" not in service
    assert "docker.sock" not in str(service)


@pytest.mark.parametrize("name", ["asterisk", *OURS])
def test_no_container_runs_as_root(services: dict[str, Any], name: str) -> None:
    assert services[name]["user"] == "${INNRINGING_USER}"
    assert 0 not in engine.owner()


def test_images_do_not_run_as_root_by_default() -> None:
    for name in ("app.Dockerfile", "postgres.Dockerfile"):
        users = re.findall(r"(?m)^USER (\S+)", (ROOT / "docker" / name).read_text("utf-8"))
        assert users and users[-1] not in ("root", "0")


def test_every_service_that_stays_is_watched_and_bounded(services: dict[str, Any]) -> None:
    for name in ("asterisk", "postgres", "ivr", "standby", "api"):
        service = services[name]
        assert service["init"] is True and service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][1].endswith("healthy"), name
        assert service["mem_limit"] and service["cpu_shares"]
        assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}


def test_services_that_others_wait_for_have_healthchecks(services: dict[str, Any]) -> None:
    waited_for = {
        other
        for service in services.values()
        for other, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }
    assert waited_for == {"asterisk", "postgres"}
    for name in (*waited_for, "api"):
        assert services[name]["healthcheck"]["test"][0] == "CMD", name


def test_containers_of_the_tests_are_hardened() -> None:
    assert set(engine.HARDENED) == {"--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"}


def test_every_nginx_route_sets_the_client_and_drops_its_headers() -> None:
    text = (EXAMPLES / "nginx.conf").read_text("utf-8")
    ways = re.findall(r"location [^{]*{([^}]*proxy_pass[^}]*)}", text)
    assert len(ways) == 3
    for way in ways:
        given = dict(re.findall(r"proxy_set_header (\S+) (.+);", way))
        assert given == {
            "Connection": '""',
            "Host": "$host",
            "X-Forwarded-For": "$remote_addr",
            "X-Forwarded-Proto": "$scheme",
            "X-Forwarded-Host": "$host",
            "Forwarded": '""',
        }
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in text


def test_caddy_drops_the_header_it_does_not_write() -> None:
    text = (EXAMPLES / "Caddyfile").read_text("utf-8")
    assert "header_up -Forwarded" in text and "trusted_proxies" not in text
