"""The console's lines of the table of roles. They are asked as programs would, so refusals are problem documents."""

from dataclasses import replace

from tests.support.synthetic import synthetic_identity
from tests.support.web.roles import (
    AUDITORS,
    CLOSERS,
    IN_DEPARTMENT,
    NO_DEPARTMENT,
    OPERATORS,
    OTHER,
    OWN,
    READERS,
    ROLES,
    SIGNED_IN,
    WORKERS,
    Line,
    of_callback,
)

HOUR = {"from": "2026-11-25T11:00", "until": "2026-11-25T12:00"}
A_CALLBACK = "00000000-0000-4000-8000-000000000000"


def page_lines() -> dict[str, Line]:
    """Every page, and what sends its forms."""
    personal = (
        ENTRY
        | WALL_SCREENS
        | SETTINGS
        | QUEUE
        | FLOOD
        | MONDAY
        | LEADER
        | AUDIT
        | DEMO
        | OPERATE
        | RECORDINGS
        | INCOMPLETE
        | SEARCH
        | CARD
    )
    return OPEN | WALL | {name: replace(line, browser=True) for name, line in personal.items()}


OPEN: dict[str, Line] = {
    "GET /": Line(None, "303"),
    "GET /log-in": Line(None),
    "POST /log-in": Line(None, "422 invalid-input"),
    "POST /log-in/demo": Line(None, "404 agent-not-found"),
    "GET /static/{edition}/{name:path}": Line(None, "404 not-found"),
}
WALL: dict[str, Line] = {
    "GET /wall": Line(None),
    "POST /wall": Line(None, "401", form={"token": "inn_unknown"}),
    "POST /wall/leave": Line(None, "303"),
    "GET /wall/board": Line(None, "401 wall-not-open"),
    "GET /wall/events": Line(None, "401 wall-not-open", query={"seconds": 0}),
}
"""They open by a wall screen's token alone, which opens nothing else: tests/console/test_wall.py."""
WALL_SCREEN = {"label": "ekspedisjonen", "department": "{department}"}
WALL_SCREENS: dict[str, Line] = {
    "GET /desk/wall-screens": Line(CLOSERS),
    "POST /desk/wall-screens": Line(CLOSERS, "200", NO_DEPARTMENT, form=WALL_SCREEN),
    "POST /desk/wall-screens/here": Line(CLOSERS, "303", NO_DEPARTMENT, form=WALL_SCREEN),
    "POST /desk/wall-screens/{number}/revoke": Line(CLOSERS, "404 token-not-found"),
}
ENTRY: dict[str, Line] = {
    "POST /log-out": Line(ROLES, "303"),
    "POST /session/stay": Line(SIGNED_IN, "204"),
    "GET /log-in/password": Line(ROLES),
    "POST /log-in/password": Line(ROLES, "422", form={"old": "ingen har dette", "new": "en ny og lang setning"}),
    "GET /log-in/second-factor": Line(ROLES),
    "POST /log-in/second-factor": Line(ROLES),
    "POST /log-in/second-factor/confirm": Line(ROLES, "422", form={"code": "000000", "secret": "x", "address": "x"}),
}
SETTINGS: dict[str, Line] = {
    "GET /settings": Line(ROLES),
    "POST /settings/language": Line(ROLES, "303", form={"language": "nn"}),
    "POST /settings/password": Line(ROLES, "403", form={"old": "ingen har dette", "new": "en ny og lang setning"}),
    "POST /settings/second-factor/remove": Line(ROLES, "403"),
    "POST /settings/sessions/end": Line(ROLES, "303"),
    "POST /settings/sessions/{number}/end": Line(ROLES, "403"),
    "POST /settings/tokens": Line(ROLES, form={"label": "veggskjerm"}),
    "POST /settings/tokens/{number}/revoke": Line(ROLES, "404 token-not-found"),
}
QUEUE: dict[str, Line] = {
    "GET /queue": Line(READERS, "200", NO_DEPARTMENT, **IN_DEPARTMENT),
    "GET /queue/rows": Line(READERS, "200", NO_DEPARTMENT, query={"department": "{department}", "id": A_CALLBACK}),
    "GET /queue/events": Line(READERS, query={"seconds": 0}),
    "POST /queue/next": Line(WORKERS, "303", NO_DEPARTMENT, form={"department": "{department}", "once": "{once}"}),
}
DEMO: dict[str, Line] = {
    "GET /demo/patient": Line(READERS, "404 only-in-demo"),
    "POST /demo/patient": Line(WORKERS, "404 only-in-demo", form={"department": OWN}),
}
MONDAY: dict[str, Line] = {
    "GET /monday": Line(READERS, "200", NO_DEPARTMENT, **IN_DEPARTMENT),
    "GET /monday/rows": Line(READERS, "200", NO_DEPARTMENT, query={"department": "{department}", "id": A_CALLBACK}),
    "POST /monday/topic": Line(WORKERS, "303", form={"department": "{department}", "id": A_CALLBACK, "topic": "annet"}),
    "POST /monday/priority": Line(
        WORKERS, "303", form={"department": "{department}", "id": A_CALLBACK, "priority": "normal"}
    ),
    "POST /monday/claim": Line(WORKERS, "303", form={"department": "{department}", "id": A_CALLBACK}),
}
LEADER: dict[str, Line] = {
    "GET /desk": Line(READERS),
    "GET /figures": Line(READERS),
    "POST /desk/{slug}/closures": Line(CLOSERS, "303", "422", form=HOUR | {"reason": "closed_today"}),
    "POST /desk/{slug}/closures/{number}/end": Line(CLOSERS, "404"),
}
FLOOD: dict[str, Line] = {
    "POST /queue/flood/close": Line(WORKERS, "303", NO_DEPARTMENT, form={"department": "{department}"}),
    "POST /queue/flood/keep": Line(WORKERS, "303", NO_DEPARTMENT, form={"department": "{department}"}),
}
AUDIT: dict[str, Line] = {
    "GET /audit": Line(AUDITORS, "200", NO_DEPARTMENT, **IN_DEPARTMENT),
    "POST /audit/extract": Line(AUDITORS, form={"identity": synthetic_identity(1)}),
    "POST /audit/verify": Line(AUDITORS, "403"),
}
OPERATE: dict[str, Line] = {
    "GET /operate": Line(OPERATORS),
    "POST /operate/check": Line(OPERATORS, "503"),
    "POST /operate/rehearse": Line(OPERATORS, "503", form={"department": OWN, "caller": "quick"}),
    "GET /operate/sound": Line(OPERATORS, "503 command-failed", query={"language": "nb", "prompt": "welcome"}),
}
"""Commands can't be run in tests of roles."""
LINE = "/operate/recordings/{language}/{key}"
RECORDINGS: dict[str, Line] = {
    "GET /operate/recordings": Line(OPERATORS, "503"),
    "POST /operate/recordings/build": Line(OPERATORS, "303"),
    f"GET {LINE}": Line(OPERATORS, "503"),
    f"GET {LINE}/sound": Line(OPERATORS, "404 not-found"),
    f"POST {LINE}": Line(OPERATORS, "503"),
    f"POST {LINE}/remove": Line(OPERATORS, "503"),
    f"POST {LINE}/restore": Line(OPERATORS, "503"),
}
INCOMPLETE: dict[str, Line] = {
    "GET /incomplete": Line(WORKERS),
    "POST /incomplete/{number}/dismiss": Line(WORKERS, "409", form={"reason": "other"}),
    "POST /incomplete/{number}/callback": Line(WORKERS, "409"),
}
SEARCH: dict[str, Line] = {
    "GET /search": Line(WORKERS),
    "POST /search": Line(WORKERS, form={"text": "{phone}"}),
}
CARD: dict[str, Line] = {
    "GET /callbacks/{id}": of_callback(READERS),
    "GET /callbacks/{id}/version": of_callback(READERS),
    "GET /callbacks/{id}/dial": of_callback(READERS),
    "POST /callbacks/{id}/claim": of_callback(WORKERS, "303"),
    "POST /callbacks/{id}/release": of_callback(WORKERS, "409 claim-lost", form={"fence": "0"}),
    "POST /callbacks/{id}/attempt": of_callback(WORKERS, "409", form={"fence": "0", "outcome": "reached"}),
    "POST /callbacks/{id}/close": of_callback(WORKERS, form={"reason": "other"}),
    "POST /callbacks/{id}/reopen": of_callback(WORKERS, "409"),
    "POST /callbacks/{id}/transfer": of_callback(WORKERS, "303", form={"department": OTHER}),
    "POST /callbacks/{id}/priority": of_callback(WORKERS, form={"priority": "urgent"}),
    "POST /callbacks/{id}/topic": of_callback(WORKERS),
    "POST /callbacks/{id}/note": of_callback(WORKERS, form={"version": "1", "note": "ny"}),
    "POST /callbacks/{id}/promise": of_callback(WORKERS),
    "POST /callbacks/{id}/dial": of_callback(WORKERS, "409", form={"fence": "0"}),
    "POST /callbacks/{id}/hang-up": of_callback(WORKERS, "409"),
    "POST /callbacks/{id}/patient": of_callback(WORKERS),
}
