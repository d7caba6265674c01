"""The settings of SMS: an incomplete gateway is refused, and no secret is shown."""

from typing import Any

import pytest

from desk.errors import SettingsError
from desk.settings.settings import Settings
from tests.support.sms.link_gateway import PASSWORD, SECRET, LinkGateway

WHOLE = LinkGateway(url="https://n-eu.linkmobility.io/sms/send").settings()


pytestmark = pytest.mark.usefixtures("clean_environment")


def load(**given: Any) -> Settings:
    return Settings.load(need_keys=False, environment="production", **given)


def test_sms_is_off_in_production_and_written_to_a_file_in_the_demo() -> None:
    assert load().sms.active_gateway == "off"
    assert Settings.read(environment="demo").sms.active_gateway == "demo"
    assert Settings.read(environment="demo", sms_gateway="off").sms.active_gateway == "off"


def test_complete_gateway_is_accepted_with_its_base_address() -> None:
    settings = load(**WHOLE)
    assert (settings.sms.active_gateway, settings.sms.url) == ("link", "https://n-eu.linkmobility.io")
    assert settings.sms.texts == settings.files.prompts / "sms.toml"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        *[
            ({name: None if name == "sms_password" else ""}, f"INNRINGING_{name.upper()} not set")
            for name in ("sms_url", "sms_user", "sms_password", "sms_sender", "sms_platform_id", "sms_partner_id")
        ],
        ({"sms_gate_id": ""}, "INNRINGING_SMS_GATE_ID is not set: delivery reports need"),
        ({"sms_report_secret": None}, "INNRINGING_SMS_REPORT_SECRET is not set: delivery reports need"),
        ({"sms_gateway": None}, "INNRINGING_SMS_URL is set, but INNRINGING_SMS_GATEWAY is not: set it to link."),
        ({"sms_gateway": "elsewhere"}, "INNRINGING_SMS_URL is set, but INNRINGING_SMS_GATEWAY is elsewhere"),
        ({"sms_gateway": "demo"}, "INNRINGING_SMS_GATEWAY: demo sends nothing"),
        ({"sms_gateway": "twilio"}, "INNRINGING_SMS_GATEWAY: it should be 'off', 'demo', 'link' or 'elsewhere'"),
        ({"sms_url": "http://n-eu.linkmobility.io"}, "INNRINGING_SMS_URL: the password would be sent in clear"),
        ({"sms_url": "https://u:p@n-eu.linkmobility.io"}, "INNRINGING_SMS_URL: write https://host"),
        ({"sms_url": "linkmobility"}, "INNRINGING_SMS_URL: write https://host"),
        ({"sms_sender": "Sykehuset Nord"}, "INNRINGING_SMS_SENDER: write 2 to 11 letters and digits"),
        ({"sms_report_secret": "short"}, "INNRINGING_SMS_REPORT_SECRET: it must have 16 characters or more"),
    ],
)
def test_incomplete_gateway_is_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{**WHOLE, **changes})
    assert said in str(refused.value)
    assert not any(secret in str(refused.value) for secret in (PASSWORD, SECRET, "u:p@"))


def test_without_reports_neither_gate_nor_secret_is_needed() -> None:
    assert load(**{**WHOLE, "sms_gate_id": "", "sms_report_secret": None}).sms.active_gateway == "link"


@pytest.mark.parametrize("sender", ["Sykehuset", "+4768050000", "2333"])
def test_valid_sender_is_accepted(sender: str) -> None:
    assert load(**{**WHOLE, "sms_sender": sender}).sms.sender == sender


def test_secrets_are_hidden_and_may_be_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    settings = load(**WHOLE)
    assert not any(secret in repr(settings) for secret in (PASSWORD, SECRET))
    assert {PASSWORD, SECRET} <= set(settings.secrets())
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n", "utf-8")
    monkeypatch.setenv("INNRINGING_SMS_PASSWORD_FILE", str(file))
    rest = {name: value for name, value in WHOLE.items() if name != "sms_password"}
    found = load(**rest).sms.password
    assert found and found.get_secret_value() == PASSWORD
