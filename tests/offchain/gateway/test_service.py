"""What a gateway refuses before it starts."""

from __future__ import annotations

import pytest

from assay.core.errors import ConfigError
from assay.core.settings import GatewaySettings
from assay.gateway.service import books, check_access


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_open_access_is_for_loopback(host: str) -> None:
    check_access(GatewaySettings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "gateway.test"])
def test_revert_open_access_for_others(host: str) -> None:
    with pytest.raises(ConfigError, match="ASSAY_ACCESS=keys"):
        check_access(GatewaySettings(host=host))
    check_access(GatewaySettings(host=host, access="keys"))


def test_addresses_are_counted_where_keys_are_needed() -> None:
    assert books(GatewaySettings()).address_requests is None
    assert books(GatewaySettings(access="keys")).address_requests == 600
    unlimited = GatewaySettings(
        access="keys", address_requests_per_minute=0, requests_per_minute=0, tokens_per_minute=0
    )
    found = books(unlimited)
    assert (found.address_requests, found.rates.requests, found.rates.tokens) == (None, None, None)
