"""Where in the conversation each prompt is heard, for those who read the script aloud."""

from collections.abc import Mapping
from typing import Final

from ivr.prompts.keys import OWN_ANSWER, OWN_WELCOME, Prompt

_FAMILIES: Final[Mapping[str, str]] = {
    OWN_WELCOME: "opening",
    "digits_": "identity",
    "phone_": "phone",
    "ahead_": "again",
    OWN_ANSWER: "choice",
    "topic_": "choice",
    "digit_": "digits",
    "oclock_": "clock",
    "hour_": "clock",
    "minute_": "clock",
    "weekday_": "date",
    "date_": "date",
    "month_": "date",
}
_PLACES: Final[Mapping[str, str]] = {
    "opening": "welcome,emergency,ask_identity,skip_identity,other_language,other_norwegian",
    "identity": "ask_identity_slow,identity_wrong,no_keys,i_got,should_be_eight,should_be_eleven,key_rest,"
    "confirm_person,confirm_language,confirm_norwegian,confirm_choice,confirm_skip",
    "phone": "ask_phone,ask_phone_slow,no_number",
    "receipt": "received,ring_number,we_ring,from_number,today_by,today_at,tomorrow_by,tomorrow_at,by_clock,at_clock,"
    "check_number,change_number,sms_receipt,may_hang_up,closed_today,closed_course,closed_illness,queue_full",
    "again": "already_on_list,we_ring_as_told,delayed,ring_again_soon,tried_in_vain,your_turn,next_in_line,"
    "other_person,number_added,change_or_decline,confirm_decline,declined,on_list_since,yesterday_at",
    "about": "say_what_about,recording_kept,recording_lost",
    "choice": "still_ring,goodbye,offer_urgent,to_urgent_line,offer_questions,press_five",
    "fault": "storage_down,to_switchboard,many_callers,fax,line_unanswered,switchboard_unanswered,"
    "switchboard_unavailable,rescue,recovered,one_moment",
    "wordless": "pause,hold,key_tone",
}
_BY_KEY: Final = {key: place for place, keys in _PLACES.items() for key in keys.split(",")}
ORDER: Final = (
    "opening",
    "identity",
    "phone",
    "receipt",
    "again",
    "about",
    "choice",
    "fault",
    "digits",
    "clock",
    "date",
)
"""The places in the order in which they are read: whole sentences first, and the many small words last."""


def place_of(key: str) -> str:
    """Return the part of the conversation where a prompt is heard."""
    if key in _BY_KEY:
        return _BY_KEY[key]
    return next(place for family, place in _FAMILIES.items() if key.startswith(family))


def reading_order(key: str) -> tuple[int, int, str, int]:
    """Sort prompts by where they are heard, numbers by their size."""
    place, (name, _, number) = place_of(key), key.rpartition("_")
    in_conversation = list(Prompt).index(Prompt(key)) if key in Prompt.__members__.values() else len(Prompt)
    size = int(number) if number.isdecimal() else 0
    return (ORDER.index(place) if place in ORDER else len(ORDER), in_conversation, name, size)
