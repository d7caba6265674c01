"""`innringing check --production` refuses what suits only a trial, and says which variable to set."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from desk.errors import SettingsError
from desk.paths import ROOT
from desk.settings.settings import Settings
from ops.machine import sip_security
from ops.machine.going_live import switchboard_faults, trial_settings

PRODUCTION: dict[str, Any] = {"environment": "production", "ari_password": "not-the-demos"}


def read(**given: Any) -> Settings:
    return Settings.load(need_keys=False, **{**PRODUCTION, **given})


@pytest.mark.usefixtures("clean_environment")
def test_defaults_of_a_developers_machine_are_refused_by_name(tmp_path: Path) -> None:
    named = {fault.file: fault.reason for fault in trial_settings(read(var_dir=tmp_path))}
    assert set(named) == {"INNRINGING_SIP_HOST", "INNRINGING_TRUNK", "INNRINGING_SIP_ENCRYPTION"}
    said = read(var_dir=tmp_path, sip_host="0.0.0.0", trunk="192.0.2.10", sip_encryption="off")
    assert list(trial_settings(said)) == []
    assert [
        each.file for each in trial_settings(read(var_dir=tmp_path, sip_host="::1", trunk="a", sip_encryption="off"))
    ] == ["INNRINGING_SIP_HOST"]


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize(
    ("given", "globals_of_this_machine", "reason"),
    [
        ({}, "", "not set"),
        ({}, "SWITCHBOARD=PJSIP/switchboard", "not set"),
        ({}, "SWITCHBOARD=PJSIP/22000000@trunk", "INNRINGING_TRUNK is not set"),
        ({"switchboard": "+4722000000"}, "", "set INNRINGING_TRUNK"),
        ({"switchboard": "reception"}, "", "no phone in dialplan/pjsip.conf is called reception"),
        ({"switchboard": "switchboard"}, "", None),
        ({"switchboard": "+4722000000", "trunk": "192.0.2.10"}, "", None),
        ({"trunk": "192.0.2.10"}, "SWITCHBOARD=PJSIP/22000000@trunk", None),
        ({"switchboard": "+4722000000", "sip_proxy": "192.0.2.7", "sip_proxy_mark": "m" * 32}, "", None),
    ],
)
def test_switchboard_that_rings_no_one_is_refused(
    tmp_path: Path, given: dict[str, str], globals_of_this_machine: str, reason: str | None
) -> None:
    dialplan = Path(shutil.copytree(ROOT / "dialplan", tmp_path / "dialplan"))
    own = tmp_path / "extensions.conf"
    own.write_text(f"[globals](+)\n{globals_of_this_machine}\n")
    found = list(switchboard_faults(read(var_dir=tmp_path, **given), dialplan, own=own, root=tmp_path))
    assert len(found) == (reason is not None)
    assert all(reason and reason in fault.reason for fault in found)


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize(
    "given",
    [
        {"trunk_user": "68059000"},
        {"trunk_register": True},
        {"trunk_user": "a@b", "trunk_password": "p"},
        {"trunk_user": "a", "trunk_password": "p\nq"},
        {"switchboard": "PJSIP/a&PJSIP/b"},
        {"sip_public_address": "192.0.2.1;x"},
        {"sip_local_networks": "10.0.0.0/33"},
        {"trunk_from_domain": "a b"},
    ],
)
def test_half_an_account_and_texts_that_are_no_address_are_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="INNRINGING_"):
        read(var_dir=tmp_path, **given)


@pytest.mark.usefixtures("clean_environment")
def test_public_address_is_written_to_the_transport(tmp_path: Path) -> None:
    text = sip_security.transports(read(var_dir=tmp_path, sip_public_address="192.0.2.1"), tmp_path)
    transport = text.partition("\n\n")[0]
    assert "external_media_address=192.0.2.1\nexternal_signaling_address=192.0.2.1\nlocal_net=10.0.0.0/8\n" in transport
    assert "external" not in sip_security.transports(read(var_dir=tmp_path), tmp_path)
