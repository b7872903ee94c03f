"""Settings: file under environment under arguments, errors that name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.core.errors import ConfigError
from assay.core.settings import (
    ChainSettings,
    ChallengerSettings,
    GatewaySettings,
    ProviderSettings,
    load_settings,
)

LIE = '{"kind": "wrong_token", "index": 3}'


def test_order_of_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "assay.toml"
    config.write_text('rpc_url = "http://file"\nport = 1\npoll_seconds = 2.5\n')
    monkeypatch.setenv("ASSAY_CONFIG", str(config))
    monkeypatch.setenv("ASSAY_PORT", "2")
    settings = load_settings(ProviderSettings, host="0.0.0.0", port=None)
    assert settings.rpc_url == "http://file"
    assert settings.port == 2
    assert settings.host == "0.0.0.0"
    assert settings.poll_seconds == 2.5
    assert load_settings(ProviderSettings, port=3).port == 3


def test_missing_configuration_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CONFIG", "/nowhere.toml")
    with pytest.raises(ConfigError, match=r"/nowhere\.toml, which is not a file"):
        load_settings(ChainSettings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ASSAY_PORT", "70000"), ("ASSAY_POLL_SECONDS", "0"), ("ASSAY_THREADS", "many")],
)
def test_bad_value_is_named(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"{variable}.*{value}"):
        load_settings(GatewaySettings)


def test_url_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_PROVIDER_URLS", "http://a:1/, http://b:2")
    assert load_settings(ChallengerSettings).provider_urls == ["http://a:1", "http://b:2"]
    monkeypatch.setenv("ASSAY_PROVIDER_URLS", '["http://c:3/"]')
    assert load_settings(GatewaySettings).provider_urls == ["http://c:3"]


def test_password_is_not_shown() -> None:
    assert "hunter2" not in repr(ChainSettings(password="hunter2"))  # type: ignore[arg-type]


def test_cheating_only_on_a_local_chain() -> None:
    settings = ProviderSettings(cheat=LIE)
    assert settings.cheat_description(31337) == {"kind": "wrong_token", "index": 3}
    for chain_id in (1, 11155111):
        with pytest.raises(ConfigError, match=f"chain id is {chain_id}"):
            settings.cheat_description(chain_id)
    assert ProviderSettings().cheat_description(1) is None


@pytest.mark.parametrize("cheat", ["not json", "[]", '{"index": 1}'])
def test_malformed_cheat(cheat: str) -> None:
    with pytest.raises(ConfigError, match="ASSAY_CHEAT"):
        ProviderSettings(cheat=cheat).cheat_description(31337)
