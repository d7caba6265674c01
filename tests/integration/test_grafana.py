"""The boards and alert rules in docs/grafana: each metric they name is exposed, and Prometheus accepts the rules."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from desk.paths import ROOT
from ops.machine.tree import PROMETHEUS, ensure
from tests.support.web.api import open_world

FOLDER = ROOT / "docs" / "grafana"
BOARDS = sorted(FOLDER.glob("*.json"))
NAME = re.compile(r"\binnringing_\w+")
VARIABLES = {"$department": ".*"}


def names_in(exposition: str) -> set[str]:
    """Every name that may be in such an answer of /metrics, also before there is a sample."""
    names: set[str] = set()
    for kind in re.finditer(r"^# TYPE (\w+) (\w+)$", exposition, re.MULTILINE):
        name = kind[1]
        names |= {f"{name}_{end}" for end in ("bucket", "sum", "count")} if kind[2] == "histogram" else {name}
    return names


def board(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text("utf-8")))


def expressions(file: Path) -> list[str]:
    found = [target["expr"] for panel in board(file)["panels"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [each.replace(name, value) for each in found]
    return found


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    return list(group["rules"])


def test_there_are_boards_for_queue_line_and_system() -> None:
    assert [file.stem for file in BOARDS] == ["line", "queue", "system"]


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
async def test_every_metric_that_is_named_is_in_the_answer_of_metrics(migrated_url: str, tmp_path: Path) -> None:
    async with open_world(migrated_url, tmp_path) as world:
        transport = httpx.ASGITransport(world.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/metrics")
    exposed = names_in(answer.text)
    for file in (*BOARDS, FOLDER / "alerts.yml"):
        named = set(NAME.findall(file.read_text("utf-8")))
        assert named and named <= exposed, file.name


@pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.name)
def test_panels_of_a_board_are_apart_and_have_a_title(file: Path) -> None:
    panels = board(file)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] for panel in panels)
    places = [(x, y) for panel in panels for x, y in squares(panel["gridPos"])]
    assert len(places) == len(set(places))
    assert all(x < 24 for x, _ in places)


def squares(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]


def test_prometheus_accepts_every_alert_and_every_expression(tmp_path: Path) -> None:
    promtool = ensure(PROMETHEUS) / "bin" / "promtool"
    from_boards = [
        {"record": f"board:{file.stem}:n{n}", "expr": each}
        for file in BOARDS
        for n, each in enumerate(expressions(file))
    ]
    rules = tmp_path / "boards.yml"
    rules.write_text(json.dumps({"groups": [{"name": "boards", "rules": from_boards}]}), "utf-8")
    for file, many in ((FOLDER / "alerts.yml", len(alerts())), (rules, len(from_boards))):
        checked = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert f"{many} rules found" in checked.stdout


def summary(name: str, **values: str) -> str:
    """The words of an alert, with Prometheus' values in them."""
    words = str(next(each["annotations"]["summary"] for each in alerts() if each["alert"] == name))
    for place, value in values.items():
        words = words.replace("{{ $" + place.replace("__", ".") + " }}", value)
    return words


def test_silent_phone_door_alarms_in_every_way_that_it_can_be_silent(tmp_path: Path) -> None:
    """It hangs; it is restarted in time; the database does not answer either; the web door is gone too."""
    silent, ok = "innringing_phone_door_silent_seconds", "innringing_component_ok"
    fired = {
        "InnringingPhoneDoorSilent": {"asterisk": "ward", "severity": "critical"},
        "InnringingComponentNotOk": {"component": "phone_door", "severity": "critical"},
        "InnringingNoMetrics": {"severity": "critical"},
    }
    words = {
        "InnringingPhoneDoorSilent": summary("InnringingPhoneDoorSilent", labels__asterisk="ward", value="80"),
        "InnringingComponentNotOk": summary("InnringingComponentNotOk", labels__component="phone_door"),
        "InnringingNoMetrics": summary("InnringingNoMetrics"),
    }
    cases: list[tuple[dict[str, str], str, set[str]]] = [
        ({f'{silent}{{asterisk="ward"}}': "0 5 20 35 50 65 80", f'{ok}{{component="x"}}': "1x20"}, "90s", {"Silent"}),
        ({f'{silent}{{asterisk="ward"}}': "0 5 12 2 0 0 0", f'{ok}{{component="x"}}': "1x20"}, "90s", set()),
        ({f'{ok}{{component="phone_door"}}': "1 0x20"}, "150s", {"ComponentNotOk"}),
        ({f'{ok}{{component="phone_door"}}': "1 1 stale"}, "180s", {"NoMetrics"}),
    ]
    tests = [
        {
            "interval": "15s",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [
                {
                    "eval_time": at,
                    "alertname": name,
                    "exp_alerts": [{"exp_labels": labels, "exp_annotations": {"summary": words[name]}}]
                    if any(name.endswith(each) for each in expected)
                    else [],
                }
                for name, labels in fired.items()
            ],
        }
        for series, at, expected in cases
    ]
    file = tmp_path / "silent.yml"
    rules = str(FOLDER / "alerts.yml")
    file.write_text(json.dumps({"rule_files": [rules], "evaluation_interval": "15s", "tests": tests}), "utf-8")
    promtool = ensure(PROMETHEUS) / "bin" / "promtool"
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
