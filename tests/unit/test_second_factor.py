"""One-time codes by RFC 6238, how long each is valid, and who needs a second factor."""

import base64
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from desk.access.permissions import Grant, Role
from desk.accounts.second_factor.totp import (
    STEP,
    SecondFactorPolicy,
    code_at,
    is_timed,
    new_recovery_code,
    new_secret,
    otpauth_address,
    plain,
    step_of,
    step_shown,
)
from desk.limits.backoff import FORGOTTEN, LONGEST_CODES, after_try, code_lane, seconds_to_wait

VECTORS = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
"""RFC 6238, appendix B: seconds since 1970, and the code of eight digits, of which ours are the last six."""
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = datetime(2026, 11, 24, 8, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize("at", VECTORS)
def test_codes_match_rfc_6238(at: int) -> None:
    now = datetime.fromtimestamp(at, UTC)
    assert code_at(RFC_SECRET, step_of(now)) == VECTORS[at][-6:]
    assert step_shown(RFC_SECRET, VECTORS[at][-6:], now) == at // STEP


def test_code_is_valid_for_its_step_and_one_on_each_side() -> None:
    shown = code_at(RFC_SECRET, step_of(NOW))
    good = [n for n in range(-4, 5) if step_shown(RFC_SECRET, shown, NOW + n * timedelta(seconds=STEP)) is not None]
    assert good == [-1, 0, 1]
    assert {step_shown(RFC_SECRET, shown, NOW + n * timedelta(seconds=STEP)) for n in good} == {step_of(NOW)}
    for wrong in ("", "0", shown[:-1], shown + "0", "abcdef"):
        assert step_shown(RFC_SECRET, wrong, NOW) is None


def test_secrets_and_recovery_codes_are_random_and_long() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert all(len(base64.b32decode(secret)) == 20 for secret in secrets)
    codes = {new_recovery_code() for _ in range(50)}
    assert len(codes) == 50
    assert all(re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){5}", code) for code in codes), "120 bits"


def test_codes_are_accepted_with_spaces_and_in_any_case() -> None:
    assert plain(" 123 456 ") == plain("123-456") == "123456"
    assert plain("ABCD-efgh 2345") == "abcdefgh2345"
    assert is_timed("123456")
    for other in ("12345", "1234567", "abcdef", ""):
        assert not is_timed(other)


def test_address_is_readable_by_authenticator_apps() -> None:
    parts = urlsplit(otpauth_address(RFC_SECRET, "Kari Ås"))
    assert (parts.scheme, parts.netloc, unquote(parts.path)) == ("otpauth", "totp", "/Innringing:Kari Ås")
    assert parse_qs(parts.query) == {
        **{"secret": [RFC_SECRET], "issuer": ["Innringing"], "algorithm": ["SHA1"]},
        **{"digits": ["6"], "period": ["30"]},
    }


def test_second_factor_is_required_by_role_and_setting() -> None:
    agent = [Grant(Role.AGENT, "kirurgi")]
    for role in (Role.LEADER, Role.OPERATOR, Role.AUDITOR, Role.ADMIN):
        assert SecondFactorPolicy.PRIVILEGED.asks([*agent, Grant(role, "hjerte")])
    for policy, asked in ((SecondFactorPolicy.OFF, False), (SecondFactorPolicy.PRIVILEGED, False)):
        assert policy.asks(agent) is asked
    assert SecondFactorPolicy.ALL.asks(agent)
    assert not SecondFactorPolicy.OFF.asks([Grant(Role.ADMIN, "*")])


def test_guesses_of_a_code_are_limited_to_three_hundred_a_day() -> None:
    """For an attacker who knows the password and tries as fast as possible, or waits until attempts are forgotten."""
    for patience in (timedelta(0), FORGOTTEN):
        now, count, tries = NOW, None, 0
        while now < NOW + timedelta(days=1):
            lane = code_lane("kari", None)
            count, tries = after_try(count, lane, now, busy=False), tries + 1
            wait = timedelta(seconds=seconds_to_wait([count], now))
            assert wait <= LONGEST_CODES
            now += patience if patience and wait == LONGEST_CODES else wait
        assert tries < 300


def test_known_device_has_its_own_lane() -> None:
    assert code_lane("kari", "inn_d_1") != code_lane("kari", None)
