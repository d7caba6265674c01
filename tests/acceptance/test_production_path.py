"""`make up` in production: what changed is in force, no caller is lost, and recordings work after a restart.

One server for the whole file, and the steps in order, since building its images takes minutes.
"""

import asyncio
import json
import shutil
import time
from collections.abc import Iterator

import httpx
import pytest

from ops.machine import tree
from ops.softphone.errors import NoSipResponse, SipRefusal
from ops.softphone.phone import Phone
from tests.support.machine.hospital_server import HospitalServer
from tests.support.machine.system import until
from tests.support.phone.callers import ringing
from tests.support.web.recording_operator import another_voice, hears, operator_at, records

pytestmark = pytest.mark.timeout(1800)  # builds images

CALLERS = 4
FIRST_CALLER = 4768059300
SAID = "rescue"
"""A sentence of the catalogue that no caller hears here. It stands in for the caller's speech."""
OPEN_LIMIT = 180.0  # seconds
PHONE = """\
[anne](line,phone-security)
context=phones
identify_by=username
auth=anne
aors=anne
[anne]
type=aor
max_contacts=1
"""


@pytest.fixture(scope="module")
def server(prompts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HospitalServer]:
    tree.cache_folder().mkdir(parents=True, exist_ok=True)
    with HospitalServer(tmp_path_factory.mktemp("hospital")) as made:
        done = made.make("up")
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def set_up(server: HospitalServer, **changes: str) -> None:
    """Change settings or files, and run `make up` again."""
    server.variables |= changes
    done = server.make("up")
    assert done.returncode == 0, done.stdout + done.stderr


def started(server: HospitalServer) -> dict[str, str]:
    """When each container's program was last started."""
    names = ("asterisk", "postgres", "ivr", "standby", "api")
    return {name: server.docker("inspect", "-f", "{{.State.StartedAt}}", server.container(name)) for name in names}


async def ready(server: HospitalServer) -> dict[str, str]:
    """What `/readyz` says is not in order, by component; empty if all is."""
    async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
        try:
            answer = (await client.get(f"http://127.0.0.1:{server.settings.api.port}/readyz")).json()
        except httpx.HTTPError as error:
            return {"api": type(error).__name__}
    return {name: part["detail"] for name, part in answer["components"].items() if not part["ok"]}


async def until_ready(server: HospitalServer) -> None:
    end = time.monotonic() + OPEN_LIMIT
    while missing := await ready(server):
        assert time.monotonic() < end, missing
        await asyncio.sleep(0.5)


async def test_changed_settings_and_files_are_in_force(server: HospitalServer) -> None:
    first = started(server)
    own = "[switchboard](line,phone-security)"
    server.edit("dialplan/pjsip.conf", own, PHONE + "\n" + own)
    set_up(server, ARI_PASSWORD="another-password", SWITCHBOARD="anne")
    second = started(server)
    assert {name for name in first if first[name] != second[name]} == {"ivr", "standby"}, (
        "Asterisk reads its files, and no call ends"
    )
    assert "PJSIP/anne" in server.console("dialplan show globals")
    passwords = json.loads((server.var / "compose" / "asterisk" / "phones.json").read_text())
    async with Phone("127.0.0.1", server.settings.sip.port, user="anne", password=passwords["anne"]) as phone:
        await phone.register()

    assert "127.0.0.1:" in server.console("pjsip show transports")
    set_up(server, SIP_HOST="0.0.0.0")
    third = started(server)
    assert {name for name in first if second[name] != third[name]} == {"asterisk"}
    assert "0.0.0.0:" in server.console("pjsip show transports")
    await until_ready(server)

    # a nightly job in a shell with other settings changes nothing
    assert server.make("prune", SIP_PORT="5999", POSTGRES_PORT="5998", ARI_PASSWORD="x").returncode == 0
    assert started(server) == third
    with pytest.raises((NoSipResponse, SipRefusal)):
        async with Phone("127.0.0.1", 5999) as phone:
            await phone.ring("3000", patience=3)


def test_refused_settings_are_refused_and_calls_are_still_taken(server: HospitalServer) -> None:
    before = started(server)
    for changes, reason in (
        ({"DATABASE_URL": "postgresql+asyncpg://a@127.0.0.1/b"}, "INNRINGING_MIGRATION_URL: set both, or neither"),
        ({"SIP_ENCRYPTION": "phones"}, "INNRINGING_SIP_TLS_CERT_FILE"),
    ):
        done = server.make("up", **changes)
        assert done.returncode and reason in done.stderr
    checked = server.innringing("check", "--production", SWITCHBOARD="").stdout
    for name in ("SIP_ENCRYPTION", "SWITCHBOARD", "TRUNK"):
        assert f"INNRINGING_{name}" in checked
    assert started(server) == before


async def test_reload_works_in_containers(server: HospitalServer) -> None:
    before = started(server)
    server.edit("dialplan/extensions.conf", "[departments]\n", "[departments]\nexten => 3999,1,Goto(switchboard,s,1)\n")
    done = server.innringing("reload")
    assert done.returncode == 0 and "Calls in progress went on" in done.stdout, done.stdout + done.stderr
    assert "3999" in server.console("dialplan show 3999@from-trunk")
    server.edit("dialplan/extensions.conf", "exten => 3999,1,Goto(", "exten => 3999,1,Gotoo(")
    done = server.innringing("reload")
    assert done.returncode and "Gotoo" in done.stdout + done.stderr
    assert "3999" in server.console("dialplan show 3999@from-trunk")
    server.edit("dialplan/extensions.conf", "exten => 3999,1,Gotoo(", "exten => 3999,1,Goto(")
    assert started(server) == before


async def test_prompt_recorded_in_the_console_is_heard_by_the_next_caller(server: HospitalServer) -> None:
    """The web door's container writes the recording and builds it; the phone door's plays it."""
    await asyncio.to_thread(set_up, server, SECOND_FACTOR="off")
    await until_ready(server)
    prompts, line = server.settings.files.prompts, "nb/ask_identity"
    draft = (prompts / "build" / f"{line}.alaw").read_bytes()
    ours = ("python", "-m", "innringing", "agents")
    server.inside("api", *ours, "add", "olga", "--role", "operator", "--all-departments")
    password = server.inside("api", *ours, "password", "olga", "--random").split()[-1]
    async with operator_at(f"http://127.0.0.1:{server.settings.api.port}", "olga", password) as olga:
        await records(olga, line, another_voice(prompts / "build" / "en" / "ask_identity.sln16"))
    async with ringing(server.settings, "3000", f"+{FIRST_CALLER + 60}") as caller:
        assert await hears(caller.call, prompts / f"{line}.wav", draft) == ["recorded"]


async def killed(server: HospitalServer) -> None:
    """The phone door crashes, and its container starts again by itself."""
    before = started(server)
    await asyncio.to_thread(server.inside, "ivr", "sh", "-c", "kill -KILL $(cat /proc/1/task/1/children)")
    await asyncio.to_thread(until, lambda: started(server)["ivr"] != before["ivr"])  # readiness sees it a moment later
    await until_ready(server)


async def upgraded(server: HospitalServer) -> None:
    """A new version is put in place with `make up`, in the daytime."""
    before = started(server)
    server.edit("ivr/__init__.py", "", "# A new version.\n")
    await asyncio.to_thread(set_up, server)
    after = started(server)
    assert after["ivr"] != before["ivr"] and after["asterisk"] == before["asterisk"]
    assert after["standby"] < after["ivr"], "the standby takes the phone door's callers, so it is renewed first"


async def test_no_caller_is_lost_while_the_phone_door_is_killed_and_upgraded(server: HospitalServer) -> None:
    """Callers who key nothing, so that they hear every prompt to its end. Each ends with the receipt."""
    listening = [asyncio.Event() for _ in range(CALLERS)]
    over = asyncio.Event()
    heard: list[list[str]] = []
    ears = asyncio.Lock()

    async def calls(number: int) -> None:
        while not over.is_set():
            phone = f"+{FIRST_CALLER + len(heard) * CALLERS + number}"
            async with ringing(server.settings, "3000", phone) as caller:
                caller.ears = ears
                await caller.hears("welcome")
                listening[number].set()
                async with asyncio.timeout(OPEN_LIMIT):
                    await caller.call.ended.wait()
                heard.append(await caller.heard())

    async def meanwhile() -> None:
        for each in listening:
            await each.wait()
        await killed(server)
        await upgraded(server)
        over.set()

    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(calls(number))
        group.create_task(meanwhile())
    assert len(heard) >= CALLERS
    assert [each for each in heard if "rescue" in each or not {"received", "change_number"} & set(each)] == []
    assert any({"recovered", "one_moment"} & set(each) for each in heard), "none was on the line when the door ended"


async def recorded(server: HospitalServer, phone: str) -> None:
    """A caller says what it is about, and hears that it was kept."""
    sound = (server.settings.files.prompts / "build" / "nb" / f"{SAID}.alaw").read_bytes()
    async with ringing(server.settings, "4000", phone) as caller:
        await caller.hears("say_what_about")
        caller.call.stream.say(sound * 3)
        await caller.hears("recording_kept")


async def test_recordings_work_after_a_restart_of_the_machine(server: HospitalServer) -> None:
    """All containers end, the machine's memory is empty, and Docker starts them in any order."""
    await asyncio.to_thread(server.machine_restarts)
    await until_ready(server)
    await recorded(server, f"+{FIRST_CALLER + 50}")


def test_going_down_leaves_the_database(server: HospitalServer) -> None:
    shutil.rmtree(server.root / "dialplan")  # `down` needs nothing but what `up` kept
    assert server.make("down", SIP_PORT="5999").returncode == 0
    assert server.docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={server.project}") == ""
    assert server.docker("volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={server.project}")
