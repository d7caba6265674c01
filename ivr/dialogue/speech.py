"""Build the announcements: lists of prompt keys in playing order. Pure functions.

The order is the same in every language. The words of each language are in prompts/catalogue.toml.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Final

from desk.callbacks.model import Callback, RegistrationResult
from desk.callbacks.repeat_callers import Standing
from desk.clock import OSLO
from desk.departments.choice import Choice, Topic
from desk.departments.departments import Department, Policy
from desk.messages.model import SmsState
from desk.numbers.phone_number import PhoneNumber
from desk.promises.model import DelayReason, Promise
from ivr.prompts.keys import (
    MOST_AHEAD_COUNTED,
    Prompt,
    ahead,
    day_of_month,
    digit,
    digits_keyed,
    hour,
    minute,
    month,
    oclock,
    weekday,
)

LATER: Final[Mapping[DelayReason, Prompt]] = {
    DelayReason.CLOSED_TODAY: Prompt.CLOSED_TODAY,
    DelayReason.CLOSED_COURSE: Prompt.CLOSED_COURSE,
    DelayReason.CLOSED_ILLNESS: Prompt.CLOSED_ILLNESS,
    DelayReason.QUEUE_FULL: Prompt.QUEUE_FULL,
}

TOPICS: Final[Mapping[Topic, Prompt]] = {
    Topic.ADDRESS: Prompt.TOPIC_ADDRESS,
    Topic.PARKING: Prompt.TOPIC_PARKING,
    Topic.HOURS: Prompt.TOPIC_HOURS,
}


def promise_prompts(promise: Promise, now: datetime) -> list[str]:
    """Say when we call: «i dag innen klokken» «femten»; «tirsdag» «trettiende» «mars» «klokken» «ti».

    The words match desk.promises.rules.spoken_text. Up to six days ahead only the weekday is said, later the date too.
    """
    when = promise.by.astimezone(OSLO)
    away = (when.date() - now.astimezone(OSLO).date()).days
    by = promise.policy is Policy.DEADLINE
    if away == 0:
        day: list[str] = [Prompt.TODAY_BY if by else Prompt.TODAY_AT]
    elif away == 1:
        day = [Prompt.TOMORROW_BY if by else Prompt.TOMORROW_AT]
    else:
        date = [] if 1 < away <= 6 else [day_of_month(when.day), month(when.month)]
        day = [weekday(when.weekday()), *date, Prompt.BY_CLOCK if by else Prompt.AT_CLOCK]
    return [*day, *time_prompts(when)]


def time_prompts(when: datetime) -> list[str]:
    """Say the time of day of `when`: «femten», «femten» «tretti»."""
    if when.minute == 0:
        return [oclock(when.hour)]
    return [hour(when.hour), minute(when.minute)]


def phone_prompts(phone: PhoneNumber) -> list[str]:
    """Say the digits one by one, with a pause between groups: «9 1 2, 3 4, 5 6 7»."""
    groups = [[digit(int(character)) for character in group] for group in phone.national_groups]
    return list(chain.from_iterable([*group, str(Prompt.PAUSE)] for group in groups))[:-1]


def callback_number_prompts(phone: PhoneNumber) -> list[str]:
    """«Vi ringer deg på 9 1 2, 3 4, 5 6 7.»"""
    return [Prompt.RING_NUMBER, Prompt.PAUSE, *phone_prompts(phone)]


def count_prompts(keyed: int, ending: Prompt) -> list[str]:
    """«Vi fikk ni siffer, det skal være elleve.» «Vi fikk seks siffer. Tast resten.»"""
    return [Prompt.I_GOT, digits_keyed(keyed), ending]


def language_offers(languages: Mapping[str, str]) -> list[str]:
    """Offer each lone key that changes the language: «For English, press nine.»"""
    offers = {"9": Prompt.OTHER_LANGUAGE, "8": Prompt.OTHER_NORWEGIAN}
    return [offer for key, offer in offers.items() if key in languages]


def choice_offer(choice: Choice) -> list[str]:
    """Offer the department's choice: «Gjelder det» «adresse» «parkering» «tast fem.», or the urgent line."""
    if choice.urgent:
        return [Prompt.OFFER_URGENT]
    return [Prompt.OFFER_QUESTIONS, *(TOPICS[topic] for topic in choice.answers), Prompt.PRESS_FIVE]


def since_prompts(since: datetime, now: datetime) -> list[str]:
    """Say when the callback was registered: «i går klokken» «ni» «tretti», «mandag» «klokken» «ni»."""
    when = since.astimezone(OSLO)
    ago = (now.astimezone(OSLO).date() - when.date()).days
    if ago == 0:
        day: list[str] = [Prompt.TODAY_AT]
    elif ago == 1:
        day = [Prompt.YESTERDAY_AT]
    else:
        date = [] if 1 < ago <= 6 else [day_of_month(when.day), month(when.month)]
        day = [weekday(when.weekday()), *date, Prompt.AT_CLOCK]
    return [*day, *time_prompts(when)]


def full_standing_prompts(standing: Standing, department: Department, now: datetime) -> list[str]:
    """Say the status of an open callback to a caller whose identity number matched: since when, until when, the place.

    A broken promise is mentioned before the new one.
    """
    callback = standing.callback
    prompts: list[str] = [Prompt.ALREADY_ON_LIST, Prompt.ON_LIST_SINCE, *since_prompts(callback.created_at, now)]
    prompts += [Prompt.PAUSE]
    if standing.tried_in_vain:
        prompts += [Prompt.TRIED_IN_VAIN]
    elif standing.late:
        prompts += [Prompt.DELAYED]
    if callback.promise.by > now:
        prompts += _promise_announcement(callback.promise, department, now)
    return [*prompts, _place(standing), Prompt.PAUSE, *callback_number_prompts(callback.phone), Prompt.PAUSE]


def distant_standing_prompts(standing: Standing, department: Department, now: datetime) -> list[str]:
    """Say the status to a caller on another phone than the callback's: only that it is there, and when we call.

    The caller may be a stranger who knows someone's identity number, so no telephone number is said.
    """
    callback = standing.callback
    if callback.promise.by <= now:
        return [Prompt.ALREADY_ON_LIST, Prompt.RING_AGAIN_SOON, Prompt.PAUSE]
    return [Prompt.ALREADY_ON_LIST, *_promise_announcement(callback.promise, department, now)]


def brief_standing_prompts(standing: Standing) -> list[str]:
    """Say the status to a caller known by phone only, without times: someone else may be using the phone."""
    then = Prompt.RING_AGAIN_SOON if standing.tried_in_vain or standing.late else Prompt.WE_RING_AS_TOLD
    return [Prompt.ALREADY_ON_LIST, then]


def _place(standing: Standing) -> str:
    if standing.ahead is None:
        return Prompt.YOUR_TURN
    if standing.ahead == 0:
        return Prompt.NEXT_IN_LINE
    return ahead(standing.ahead) if standing.ahead <= MOST_AHEAD_COUNTED else Prompt.AHEAD_MANY


def receipt(stored: RegistrationResult, department: Department, *, now: datetime) -> list[str]:
    """Build the receipt for a stored callback: we have it, which number we call, when, and from which number.

    A caller who has keyed the number of an open callback hears the same: it must not show that there was one.
    """
    callback = stored.callback
    later = [str(LATER[stored.later])] if stored.later else []
    sms = sms_prompts(callback, also_sent=True)
    if callback.promise.by <= now:
        return [Prompt.RECEIVED, Prompt.RING_AGAIN_SOON, Prompt.PAUSE, *sms]
    return [
        *(Prompt.RECEIVED, *later, *callback_number_prompts(callback.phone), Prompt.PAUSE),
        *promise_prompts(callback.promise, now),
        *_from_hospital(department),
        *sms,
    ]


def sms_prompts(callback: Callback, *, also_sent: bool = False) -> list[str]:
    """Say that a text message is coming. `also_sent` includes one already sent, perhaps to an earlier number."""
    sent = also_sent and callback.sms in (SmsState.SENT, SmsState.DELIVERED)
    return [Prompt.SMS_RECEIPT] if callback.sms is SmsState.QUEUED or sent else []


def _promise_announcement(promise: Promise, department: Department, now: datetime) -> Sequence[str]:
    return [Prompt.WE_RING, *promise_prompts(promise, now), *_from_hospital(department)]


def _from_hospital(department: Department) -> Sequence[str]:
    return [Prompt.PAUSE, Prompt.FROM_NUMBER, Prompt.PAUSE, *phone_prompts(department.hospital_number), Prompt.PAUSE]
