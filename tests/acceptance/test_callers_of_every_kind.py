"""Callers of every kind over real SIP, all at once: what each heard, in order, and what was stored.

The stories are in tests/support/stories. They run once, side by side, because most of a call is waiting.
"""

import asyncio

import pytest

from tests.support.depth import AGAIN
from tests.support.machine.system import System
from tests.support.phone.floor import Floor, Story
from tests.support.stories import barging_in, calling_again, fax, keying, leaving, numbers, strangers

ALL: tuple[Story, ...] = (
    *keying.STORIES,
    *numbers.STORIES,
    *calling_again.STORIES,
    *strangers.STORIES,
    *leaving.STORIES,
    *barging_in.STORIES,
    *fax.STORIES,
)
IN_CONTAINERS_TOO: tuple[Story, ...] = (
    barging_in.keys_the_moment_we_answer,
    barging_in.interrupts_the_welcome,
    keying.digits_by_sip_info_are_accepted,
    keying.english_rounds_by_sip_info,
    keying.spoken_deadline_is_the_stored_one,
    keying.silence_twice_registers_the_number_alone,
    keying.caller_whom_the_switchboard_does_not_answer_is_registered,
    numbers.a_hidden_number_by_sip_info,
    fax.fax_machine_gets_no_promise,
    leaving.hangs_up_at_the_eleventh_digit_and_is_called_back,
    leaving.hangs_up_after_five_digits,
)
"""Keys by both transports, time, tones and hang-ups, which cross a container's network."""
STORIES = IN_CONTAINERS_TOO if AGAIN else ALL
LINES = 20
"""Simultaneous calls: more would measure the machine."""


@pytest.fixture(scope="module")
def outcomes(postgres_system: System) -> dict[Story, BaseException | None]:
    """The result of each story: None, or its error."""

    async def all_at_once() -> dict[Story, BaseException | None]:
        floor = Floor(postgres_system, lines=asyncio.Semaphore(LINES), ears=asyncio.Semaphore(1))
        ended = await asyncio.gather(*(story(floor) for story in STORIES), return_exceptions=True)
        return dict(zip(STORIES, ended, strict=True))

    return asyncio.run(all_at_once())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("story", STORIES, ids=[story.__name__ for story in STORIES])
def test_caller_hears_the_right_prompts_and_the_right_data_is_stored(
    story: Story, outcomes: dict[Story, BaseException | None]
) -> None:
    error = outcomes[story]
    if error is not None:
        raise error
