"""The customer of a benchmark: a channel of dollars to the gateway, and a key by signature."""

from __future__ import annotations

import httpx
from eth_account.messages import encode_defunct

from assay.chain.network import Network
from assay.demo.parties import Party, as_party

DOLLARS = 1_000_000 * 10**6
"""More than any run costs: admission must never refuse."""
DAYS_SECONDS = 30 * 86_400
SETTINGS = {
    "access": "keys",
    "public_url": "http://gateway.bench",
    "requests_per_minute": 10**9,
    "tokens_per_minute": 10**12,
}
"""Of a gateway with keys, metering and limits that are counted and never reached."""


def make_key(network: Network, party: Party, gateway: str, url: str) -> str:
    """Open a channel to the account `gateway`, which signs its vouchers, and make a key."""
    own = as_party(network, party)
    network.usdc.mint(party.address, DOLLARS)
    own.usdc.approve(own.ledger.address, DOLLARS)
    expires = own.now() + DAYS_SECONDS
    own.ledger.set_channel(gateway, 0, 0, gateway, expires, DOLLARS)
    asked = {"address": party.address}
    message = httpx.get(f"{url}/v1/auth/challenge", params=asked).raise_for_status().json()
    signed = party.account.sign_message(encode_defunct(text=message["message"]))
    body = {"message": message["message"], "signature": "0x" + bytes(signed.signature).hex()}
    return str(httpx.post(f"{url}/v1/keys", json=body).raise_for_status().json()["key"])
