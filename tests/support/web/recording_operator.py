"""An operator who records prompts at a real web door, by the forms that the console's pages have."""

import asyncio
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np

from ivr.prompts.levels import Samples, resampled
from ivr.prompts.voices import sound_of
from ops.softphone.listening import PromptRecogniser
from ops.softphone.phone_call import PhoneCall
from ops.softphone.rtp import RATE, decode_alaw
from tests.support.web.pages import HTML, Visitor

OWN_PASSWORD = "fire ord som ingen gjetter"
SECONDS = 180.0  # a limit against hanging, not a measure
LIST = "/operate/recordings"
NOT_YET = ("Opptakene tas i bruk nå", "Nye opptak tas i bruk om litt", "ikke tatt i bruk ennå")


@asynccontextmanager
async def operator_at(address: str, name: str, first_password: str) -> AsyncIterator[Visitor]:
    """That operator, logged in with the first password, and with a password of their own from now on."""

    async def without_tls(answer: httpx.Response) -> None:
        for cookie in client.cookies.jar:  # a browser would get them over TLS
            cookie.secure = False

    hooks = {"response": [without_tls]}
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=SECONDS, event_hooks=hooks) as client:
        someone = await Visitor(client).goes_to("/log-in")
        await someone.sends("/log-in", name=name, password=first_password)
        await someone.sends("/log-in/password", old=first_password, new=OWN_PASSWORD)
        yield someone


async def records(operator: Visitor, line: str, recording: bytes) -> None:
    """Send a recording of a line, such as `nb/welcome`, and wait until it is in use."""
    await operator.goes_to(f"{LIST}/{line}")
    (form,) = [each for each in operator.forms(f"{LIST}/{line}") if "replaces" in each.fields]
    sent = {"recording": ("opptak.wav", recording, "audio/wav")}
    operator.answer = await operator.client.post(
        form.action, data=form.fields, files=sent, headers=HTML, follow_redirects=True
    )
    assert operator.page.status_code == 200, operator.text
    assert "Ikke lagret" not in operator.text, operator.text
    await operator.goes_to(LIST)
    if operator.forms(f"{LIST}/build"):
        await operator.sends(f"{LIST}/build")
    end = time.monotonic() + SECONDS
    while any(words in operator.text for words in NOT_YET):
        assert time.monotonic() < end, operator.text
        await asyncio.sleep(0.5)
        await operator.goes_to(LIST)
    assert "er ikke tatt i bruk" not in operator.text, operator.text


def another_voice(built: Path) -> bytes:
    """A WAV of someone who says something else: a built prompt (`.sln16`) of another language."""
    content = BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(built.read_bytes())
    return content.getvalue()


async def hears(call: PhoneCall, recording: Path, draft: bytes) -> list[str]:
    """What the caller hears of the two: «recorded», the operator's recording, or «draft», the prompt in A-law.

    Waits until one of them is heard.
    """
    sound, rate = sound_of(recording)
    listener = PromptRecogniser({"recorded": _telephone(sound, rate), "draft": decode_alaw(draft)})
    async with asyncio.timeout(SECONDS):
        while True:
            found = await asyncio.to_thread(listener.recognise, call.heard.samples())
            if found and found[0].decided:
                return sorted({each.key for each in found})
            assert not call.ended.is_set(), f"the call is over after {call.heard.seconds:.0f} s, and neither was heard"
            await asyncio.sleep(0.25)


def _telephone(sound: Samples, rate: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.clip(resampled(sound, rate, RATE) * 32767, -32768, 32767).astype(np.int16)
