"""The settings of single sign-on: an incomplete provider is refused, and no secret is shown."""

from pathlib import Path
from typing import Any

import pytest

from desk.errors import SettingsError
from desk.settings.oidc import CALLBACK_PATH, is_local_path, is_safe
from desk.settings.settings import Settings

SECRET = "a-secret-nobody-may-read"
WHOLE = {
    "oidc_issuer": "https://login.example.no/tenant/v2.0",
    "oidc_client_id": "innringing",
    "oidc_client_secret": SECRET,
    "oidc_redirect_uri": f"https://innringing.example.no{CALLBACK_PATH}",
}


pytestmark = pytest.mark.usefixtures("clean_environment")


def load(**given: Any) -> Settings:
    return Settings.load(need_keys=False, environment="production", **given)


def test_single_sign_on_is_off_unless_a_provider_is_set() -> None:
    assert not load().oidc.enabled
    settings = load(**WHOLE)
    assert settings.oidc.enabled
    assert settings.oidc.profile == "plain"
    assert (settings.oidc.check_every.total_seconds(), settings.oidc.clock_skew) == (900, 30)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"oidc_issuer": ""}, "INNRINGING_OIDC_CLIENT_ID is set, but INNRINGING_OIDC_ISSUER is not."),
        ({"oidc_client_id": ""}, "INNRINGING_OIDC_CLIENT_ID not set"),
        ({"oidc_redirect_uri": ""}, "INNRINGING_OIDC_REDIRECT_URI not set"),
        ({"oidc_client_secret": None}, "Set INNRINGING_OIDC_CLIENT_SECRET or INNRINGING_OIDC_CLIENT_KEY"),
        ({"oidc_client_key": "{}"}, "Set INNRINGING_OIDC_CLIENT_SECRET or INNRINGING_OIDC_CLIENT_KEY"),
        ({"oidc_profile": "helseid"}, "INNRINGING_OIDC_CLIENT_KEY is not set: HelseID knows its clients"),
        ({"oidc_profile": "idporten"}, "INNRINGING_OIDC_PROFILE: it should be 'plain' or 'helseid'"),
        ({"oidc_issuer": "http://login.example.no"}, "INNRINGING_OIDC_ISSUER: write https://host/path"),
        ({"oidc_issuer": "https://login.example.no?a=b"}, "INNRINGING_OIDC_ISSUER: leave ? and # out"),
        ({"oidc_redirect_uri": "https://innringing.example.no/cb"}, "INNRINGING_OIDC_REDIRECT_URI: its path is"),
        ({"oidc_after_login": "https://elsewhere.no"}, "INNRINGING_OIDC_AFTER_LOGIN: write a path"),
        ({"oidc_acr_accepted": "4"}, "INNRINGING_OIDC_ACR_ACCEPTED is set, but INNRINGING_OIDC_ACR is not."),
        ({"oidc_max_age_minutes": 0}, "INNRINGING_OIDC_MAX_AGE_MINUTES: it should be greater than or equal to 1"),
        ({"oidc_scopes": "profile"}, "INNRINGING_OIDC_SCOPES: openid is one of them"),
        ({"oidc_clock_skew": 600}, "INNRINGING_OIDC_CLOCK_SKEW: it should be less than or equal to 120"),
    ],
)
def test_incomplete_provider_is_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{**WHOLE, **changes})
    assert str(refused.value).count("\n") == 0
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)


def test_secret_may_be_in_a_file_and_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    monkeypatch.setenv("INNRINGING_OIDC_CLIENT_SECRET_FILE", str(file))
    settings = load(**{name: value for name, value in WHOLE.items() if name != "oidc_client_secret"})
    assert settings.oidc.client_secret is not None
    assert settings.oidc.client_secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    assert SECRET in settings.secrets()


@pytest.mark.parametrize("path", ["/", "/queue?department=kirurgi", "/a#b"])
def test_own_page_is_accepted_as_a_return_address(path: str) -> None:
    assert is_local_path(path)


@pytest.mark.parametrize(
    "path",
    ["", "queue", "//evil.no", "/\\evil.no", "https://evil.no", "/a\nb", "/å", "/" + "a" * 500, "\t/evil", "/ a"],
)
def test_foreign_page_is_refused_as_a_return_address(path: str) -> None:
    assert not is_local_path(path)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://a.no/token", True),
        ("http://127.0.0.1:1/token", True),
        ("http://a.no/token", False),
        ("https://u:p@a.no/token", False),
        ("file:///etc/passwd", False),
        ("https://a.no:0/", False),
        ("https://[", False),
    ],
)
def test_url_is_safe_only_with_https_or_on_this_machine(url: str, safe: bool) -> None:
    assert is_safe(url) is safe
