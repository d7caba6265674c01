"""The complete list of prompt keys in prompts/catalogue.toml.

`Prompt` has the keys that dialogues and the dialplan use by name. The functions below make the keys of fragments for
numbers, days and months. `all_keys()` returns both: the catalogue must contain exactly these.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

Family: TypeAlias = Callable[[int], str]


class Prompt(StrEnum):
    """Sentences, and the fragments with a name of their own."""

    # the caller's conversation
    WELCOME = "welcome"
    EMERGENCY = "emergency"
    ASK_IDENTITY = "ask_identity"
    ASK_IDENTITY_SLOW = "ask_identity_slow"
    SKIP_IDENTITY = "skip_identity"
    OTHER_LANGUAGE = "other_language"
    OTHER_NORWEGIAN = "other_norwegian"
    IDENTITY_WRONG = "identity_wrong"
    NO_KEYS = "no_keys"
    CONFIRM_PERSON = "confirm_person"
    CONFIRM_LANGUAGE = "confirm_language"
    CONFIRM_NORWEGIAN = "confirm_norwegian"
    CONFIRM_CHOICE = "confirm_choice"
    CONFIRM_SKIP = "confirm_skip"
    PHONE_WITHHELD = "phone_withheld"
    PHONE_UNKNOWN = "phone_unknown"
    PHONE_NOT_A_NUMBER = "phone_not_a_number"
    PHONE_SHORT = "phone_short"
    PHONE_PREMIUM = "phone_premium"
    PHONE_HOSPITAL = "phone_hospital"
    ASK_PHONE = "ask_phone"
    ASK_PHONE_SLOW = "ask_phone_slow"
    CHANGE_NUMBER = "change_number"
    CHECK_NUMBER = "check_number"
    NO_NUMBER = "no_number"
    RECEIVED = "received"
    ALREADY_ON_LIST = "already_on_list"
    WE_RING_AS_TOLD = "we_ring_as_told"
    DELAYED = "delayed"
    RING_AGAIN_SOON = "ring_again_soon"
    TRIED_IN_VAIN = "tried_in_vain"
    YOUR_TURN = "your_turn"
    NEXT_IN_LINE = "next_in_line"
    AHEAD_MANY = "ahead_many"
    OTHER_PERSON = "other_person"
    NUMBER_ADDED = "number_added"
    CHANGE_OR_DECLINE = "change_or_decline"
    CONFIRM_DECLINE = "confirm_decline"
    DECLINED = "declined"
    CLOSED_TODAY = "closed_today"
    CLOSED_COURSE = "closed_course"
    CLOSED_ILLNESS = "closed_illness"
    QUEUE_FULL = "queue_full"
    SMS_RECEIPT = "sms_receipt"
    MAY_HANG_UP = "may_hang_up"
    SAY_WHAT_ABOUT = "say_what_about"
    RECORDING_KEPT = "recording_kept"
    RECORDING_LOST = "recording_lost"
    STILL_RING = "still_ring"
    GOODBYE = "goodbye"
    OFFER_URGENT = "offer_urgent"
    TO_URGENT_LINE = "to_urgent_line"
    STORAGE_DOWN = "storage_down"
    TO_SWITCHBOARD = "to_switchboard"
    MANY_CALLERS = "many_callers"
    FAX = "fax"
    # after errors, played by the dialplan or the controller
    LINE_UNANSWERED = "line_unanswered"
    SWITCHBOARD_UNANSWERED = "switchboard_unanswered"
    SWITCHBOARD_UNAVAILABLE = "switchboard_unavailable"
    RESCUE = "rescue"
    RECOVERED = "recovered"
    ONE_MOMENT = "one_moment"
    # fragments
    RING_NUMBER = "ring_number"
    WE_RING = "we_ring"
    FROM_NUMBER = "from_number"
    TODAY_BY = "today_by"
    TODAY_AT = "today_at"
    TOMORROW_BY = "tomorrow_by"
    TOMORROW_AT = "tomorrow_at"
    BY_CLOCK = "by_clock"
    AT_CLOCK = "at_clock"
    ON_LIST_SINCE = "on_list_since"
    YESTERDAY_AT = "yesterday_at"
    I_GOT = "i_got"
    SHOULD_BE_EIGHT = "should_be_eight"
    SHOULD_BE_ELEVEN = "should_be_eleven"
    KEY_REST = "key_rest"
    OFFER_QUESTIONS = "offer_questions"
    TOPIC_ADDRESS = "topic_address"
    TOPIC_PARKING = "topic_parking"
    TOPIC_HOURS = "topic_hours"
    PRESS_FIVE = "press_five"
    PAUSE = "pause"
    HOLD = "hold"
    # a soft tone, without words
    KEY_TONE = "key_tone"


OWN_ANSWER = "answer_"
"""The prefix of operators' own prompts: answers to simple questions, named in departments.toml."""

OWN_WELCOME = "welcome_"
"""The prefix of a department's welcome, followed by its name in departments.toml."""


MOST_AHEAD_COUNTED = 20
"""The highest position that is said as a number."""


def department_welcome(slug: str) -> str:
    """Key of a department's welcome: «Hei. Du har ringt kirurgisk poliklinikk ved …»"""
    return f"{OWN_WELCOME}{slug}"


def digit(value: int) -> str:
    """Key of a digit, 0-9."""
    return _key("digit", value, range(10))


def oclock(hour: int) -> str:
    """Key of a whole hour, 0-23, at the end of a sentence."""
    return _key("oclock", hour, range(24))


def hour(value: int) -> str:
    """Key of an hour, 0-23, with minutes after it."""
    return _key("hour", value, range(24))


def minute(value: int) -> str:
    """Key of the minutes after the hour, 1-59."""
    return _key("minute", value, range(1, 60))


def weekday(value: int) -> str:
    """Key of a day of the week, 0 = Monday."""
    return _key("weekday", value, range(7))


def day_of_month(value: int) -> str:
    """Key of a day of the month as an ordinal, 1-31."""
    return _key("date", value, range(1, 32))


def month(value: int) -> str:
    """Key of a month, 1-12."""
    return _key("month", value, range(1, 13))


def digits_keyed(count: int) -> str:
    """Key of a number of digits, 1-10: «ni siffer»."""
    return _key("digits", count, range(1, 11))


def ahead(count: int) -> str:
    """Key of the number of people ahead in the queue, 1-20: «Det er tre før deg.»"""
    return _key("ahead", count, range(1, MOST_AHEAD_COUNTED + 1))


def _key(family: str, value: int, allowed: range) -> str:
    if value not in allowed:
        raise ValueError(f"no {family} prompt for that number")
    return f"{family}_{value}"


def all_keys() -> frozenset[str]:
    """Return every key that can be played, in any language."""
    numbered = {
        *map(digit, range(10)),
        *map(oclock, range(24)),
        *map(hour, range(24)),
        *map(minute, range(1, 60)),
        *map(weekday, range(7)),
        *map(day_of_month, range(1, 32)),
        *map(month, range(1, 13)),
        *map(digits_keyed, range(1, 11)),
        *map(ahead, range(1, MOST_AHEAD_COUNTED + 1)),
    }
    return frozenset(numbered | {str(prompt) for prompt in Prompt})
