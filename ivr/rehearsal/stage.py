"""The stage of a rehearsal: the real conversation, desk and files, with a temporary database and without Asterisk."""

import asyncio
import base64
import tempfile
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final, cast

from pydantic import SecretStr

from desk.access.actor import CALLER
from desk.callbacks.model import CallKey, RegistrationResult, WhyEnded
from desk.callbacks.registration import Registration
from desk.callbacks.repeat_callers import RepeatCallers
from desk.database.engine import Database
from desk.departments.departments import Department
from desk.departments.file import DepartmentsFile
from desk.numbers.identity_number import parse_identity
from desk.numbers.phone_number import parse_phone
from desk.schema.migrate import migrate
from desk.settings.settings import Settings
from desk.wire import make_callbacks
from ivr.calls.call import Call, CallerHungUp, CallerId, Keys
from ivr.dialogue.caller import request_callback
from ivr.prompts.catalogue import Catalogue, load_catalogue
from ivr.prompts.files import RATE, read_manifest
from ivr.rehearsal import people
from ivr.rehearsal.line import FakeChannel
from ivr.rehearsal.recorder import StageRecorder
from ivr.rehearsal.story import OUTCOMES, CallerAnswer, CallerScript, OpenQuestion, Question, Story, StoryEvent
from ivr.rehearsal.virtual_time import VirtualTimeLoop

SECONDS_A_LETTER: Final = 0.065
"""Estimates the length of a prompt that is not built yet."""
LONGEST_CALL: Final = 900.0


class StageLine(FakeChannel):
    """A fake channel that records the story."""

    def __init__(self, channel_id: str, durations: Mapping[tuple[str, str], float], story: Story) -> None:
        super().__init__(channel_id)
        self._durations = durations
        self._story = story
        self._language = ""
        self.pressed = 0
        self.pending = 0

    def seconds(self, prompt: str, language: str) -> float:
        """The seconds of a prompt in that language."""
        return self._durations.get((language, prompt), 0.0)

    async def play(self, playback_id: str, media: Any, language: str) -> None:
        self._language = language
        self.durations = {key: seconds for (spoken, key), seconds in self._durations.items() if spoken == language}
        await super().play(playback_id, media, language)

    async def leave(self, context: str, extension: str) -> None:
        await super().leave(context, extension)
        self.note("ends", context)

    def note(self, kind: str, what: str) -> None:
        language = self._language if kind == "says" else ""
        self._story.events.append(StoryEvent(asyncio.get_running_loop().time(), kind, what, language))

    def stored(self, method: str, args: Sequence[Any]) -> None:
        """Record what the call registered, and what was changed of it."""
        match method, args:
            case "register", (_, _, _, patient, phone):
                self._story.registered = patient.value if patient else None, phone.e164
                self._story.is_doubtful = patient is not None and patient.doubtful
            case "change_phone", (_, _, phone):
                self._story.registered = (self._story.registered or (None, ""))[0], phone.e164
            case "doubt_identity", _:
                self._story.is_doubtful = True

    def _begin_prompt(self, prompt: str) -> None:
        self.note("says", prompt)
        super()._begin_prompt(prompt)

    def _press(self, key: str) -> None:
        self.note("keys", key)
        self.pressed += 1
        self.pending = max(0, self.pending - 1)
        super()._press(key)


class StageCall(Call):
    """A call whose caller answers questions by a script. Keys arrive one by one, as on a real line."""

    def __init__(self, line: StageLine, script: CallerScript, *, story: Story, **known: Any) -> None:
        super().__init__(line, **known)
        self._line = line
        self._script = script
        self._story = story
        self._answered = 0
        self._questions = 0

    async def ask(self, *prompts: str, digits: int, **limits: Any) -> Keys:
        """Ask, and let the script answer once the words are over, unless the caller has pressed a key by then."""
        if not self._keys:
            asked = (*self._asked(), *prompts)
            words = sum(self._line.seconds(prompt, self.language) for prompt in prompts)
            later = asyncio.get_running_loop().call_later
            if self._line.pending:  # the caller finishes an earlier answer before this question
                later(words, self._answer_late, asked, digits, self._questions)
            else:
                later(words, self._react, self._answer(asked, digits), self._line.pressed)
        keys = await super().ask(*prompts, digits=digits, **limits)
        self._answered = len(self._story.said())
        return keys

    async def record(self, name: str, *, longest: int, silence: int) -> None:
        answer = self._answer(self._asked(), 0)
        self._answered = len(self._story.said())
        self._react(answer, self._line.pressed)
        self._line.speaks = answer.speaks
        self._line.note("speaks", f"{answer.speaks:.0f} seconds" if answer.speaks else "nothing")
        await super().record(name, longest=longest, silence=silence)

    def _asked(self) -> tuple[str, ...]:
        """The prompts since the last answer."""
        return tuple(self._story.said()[self._answered :])

    def _answer(self, asked: tuple[str, ...], digits: int) -> CallerAnswer:
        question = Question(asked, digits, self.language, self._questions, self._line.pending)
        self._questions += 1
        return self._script(question)

    def _answer_late(self, asked: tuple[str, ...], digits: int, questions: int) -> None:
        """Answer at the end of the words, unless another question or an answer has come since."""
        if self.live and self._questions == questions and not self._keys:
            self._react(self._answer(asked, digits), self._line.pressed)

    def _react(self, answer: CallerAnswer, pressed: int) -> None:
        """Schedule the keys and the hang-up, if no more than `pressed` keys have been pressed in the call."""
        if not self.live or self._line.pressed > pressed:
            return
        if answer.hangs_up:
            self._line.hangs_up(at=answer.after)
        elif not answer.keys and not answer.speaks:
            self._line.note("waits", "")
        self._line.pending += len(answer.presses)
        for second, key in answer.presses:
            self._line.keys(key, at=second)


class StageClock:
    """The clock of a rehearsal, driven by the loop's virtual time."""

    def __init__(self, start: datetime) -> None:
        self._start = start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=asyncio.get_running_loop().time())


class Stage:
    """Makes rehearsed calls to the departments. Open it with `open_stage`, on a VirtualTimeLoop."""

    def __init__(
        self,
        settings: Settings,
        *,
        departments: DepartmentsFile,
        catalogue: Catalogue,
        registration: Registration,
        callers: RepeatCallers,
        clock: StageClock,
    ) -> None:
        self.departments = departments
        self.catalogue = catalogue
        self._settings = settings
        self._registration = registration
        self._callers = callers
        self._clock = clock
        self._calls = 0
        self._durations = _durations(settings.files.prompts, catalogue)
        self._lengths = {f"{language}/{key}": seconds for (language, key), seconds in self._durations.items()}

    def new_person(self) -> int:
        """Return the number of a new person, who has not called before."""
        self._calls += 1
        return self._calls

    async def ring(
        self,
        department: Department,
        script: CallerScript,
        *,
        person: int,
        withheld: bool = False,
        interrupts: Mapping[str, str] | None = None,
        hangs_up_at: float | None = None,
    ) -> Story:
        """Run one call to its end. `interrupts` maps prompts to keys pressed half a second into the prompt."""
        self._calls += 1
        story = Story()
        line = StageLine(f"rehearsal.{self._calls}", self._durations, story)
        for prompt, keys in (interrupts or {}).items():
            line.answers(prompt, keys, after=0.5)
        call = StageCall(
            line,
            script,
            story=story,
            key=CallKey("rehearsal", line.id),
            department=department.slug,
            language=department.languages[0],
            caller=CallerId(None if withheld else people.number(person), withheld),
            lengths=self._lengths,
        )
        line.attach(call)
        if hangs_up_at is not None:
            line.hangs_up(at=hangs_up_at)
        began = asyncio.get_running_loop().time()
        await self._hold(call, line, department, story)
        story.events[:] = [
            StoryEvent(event.second - began, event.kind, event.what, event.language) for event in story.events
        ]
        return story

    async def _hold(self, call: Call, line: StageLine, department: Department, story: Story) -> None:
        services = (self._registration, self._callers)
        registration, callers = (cast(Any, _DeskProxy(each, line)) for each in services)
        try:
            async with asyncio.timeout(LONGEST_CALL):
                await request_callback(
                    *(call, registration, department),
                    callers=callers,
                    numbers=self._settings.numbers,
                    clock=self._clock,
                    recorder=StageRecorder(line),
                )
            story.outcome = OUTCOMES[line.left_to[0]] if line.left_to else "done"
        except CallerHungUp:
            story.outcome = "hung-up"
            line.note("ends", f"hung up at {call.interrupted_at or 'the end'}")
        except OpenQuestion:
            raise
        except TimeoutError:
            story.failure = f"the call did not end within {LONGEST_CALL:.0f} seconds"
        except Exception as error:  # finding such errors is the purpose of a rehearsal
            frame = traceback.extract_tb(error.__traceback__)[-1]
            story.failure = (
                f"the conversation failed: {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            )
        finally:
            call.ended()

    async def register(self, department: Department, person: int) -> RegistrationResult:
        """Register a callback for someone who called earlier."""
        self._calls += 1
        with cast(VirtualTimeLoop, asyncio.get_running_loop()).standing_still():
            return await self._registration.register(
                CALLER,
                CallKey("rehearsal", f"earlier.{self._calls}"),
                department.slug,
                parse_identity(people.identity(person), allow_test=True, allow_h=False),
                parse_phone(people.number(person)),
                language=department.languages[0],
            )


class _DeskProxy:
    """Wraps the desk: stops the virtual clock during each call, and records the call in the story."""

    def __init__(self, desk: object, line: StageLine) -> None:
        self._desk = desk
        self._line = line

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._desk, name)
        if not iscoroutinefunction(method):
            return method

        @wraps(method)
        async def still(*args: Any, **kwargs: Any) -> Any:
            with cast(VirtualTimeLoop, asyncio.get_running_loop()).standing_still():
                result = await method(*args, **kwargs)
            self._line.stored(name, args)
            self._line.note("desk", _description(name, result, kwargs.get("why")))
            return result

        return still


def _description(method: str, result: object, why: WhyEnded | None) -> str:
    if isinstance(result, RegistrationResult):
        callback = result.callback
        again = "" if result.created else f" (call {callback.call_count})"
        return f"stored: call back {callback.promise_spoken}{again}"
    words = {
        "rang_again": "on the list already" if result else "",
        "cancel": "declined",
        "change_phone": "number changed",
        "doubt_identity": "identity number marked as doubtful",
        "record_call": "recorded as an answered call" if why is WhyEnded.ANSWERED else "recorded as an incomplete call",
    }
    return words.get(method, method)


@asynccontextmanager
async def open_stage(*, departments_file: Path, prompts_dir: Path, at: datetime) -> AsyncIterator[Stage]:
    """Open a stage with these files. `at` is its start time (aware). Raises DepartmentsFileError, PromptsError."""
    loop = cast(VirtualTimeLoop, asyncio.get_running_loop())
    departments, catalogue = DepartmentsFile(departments_file), load_catalogue(prompts_dir / "catalogue.toml")
    with tempfile.TemporaryDirectory(prefix="innringing-rehearsal-") as folder:
        key = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
        settings = Settings.read(
            environment="demo",
            var_dir=Path(folder),
            departments_file=departments_file,
            prompts_dir=prompts_dir,
            database_url="sqlite+aiosqlite:///rehearsal.db",
            identity_key=SecretStr(next(key)),
            index_key=SecretStr(next(key)),
        )
        with loop.standing_still():
            await migrate(settings.database.url)
        database, clock = Database(settings.database.url), StageClock(at)
        callbacks = make_callbacks(database, settings, clock, departments)
        try:
            yield Stage(
                settings,
                departments=departments,
                catalogue=catalogue,
                registration=callbacks.registration,
                callers=callbacks.repeat_callers,
                clock=clock,
            )
        finally:
            with loop.standing_still():
                await database.close()


def _durations(prompts_dir: Path, catalogue: Catalogue) -> dict[tuple[str, str], float]:
    """Return the seconds of each (language, prompt): as built, or estimated from the text."""
    manifest = read_manifest(prompts_dir / "build")
    found = {}
    for language in catalogue.languages:
        for key in catalogue.keys(language):
            built = manifest.get(f"{language}/{key}")
            wordless = catalogue.silences.get(key) or catalogue.tones.get(key)
            letters = wordless or SECONDS_A_LETTER * len(catalogue.text(language, key))
            found[language, key] = built.samples / RATE if built else letters
    return found
