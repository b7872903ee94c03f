"""API keys and sign-in in both databases: shown once, hashed at rest, used by their owner only."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from sqlalchemy import Engine, select

from assay.core.database import reading
from assay.core.errors import InputError
from assay.gateway.accounts.keys import CACHE_SECONDS, PREFIX, Keys, hashed
from assay.gateway.accounts.sign_in import LIFE_SECONDS, SignIn, parse
from assay.gateway.tables import keys, metadata
from assay.gateway.writer import Writer

WALLET = Account.from_key(bytes([7]) * 32)
OWNER, OTHER = str(WALLET.address), "0x" + "22" * 20


class Clock:
    """Unix seconds that tests move."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring(engine: Engine, writer: Writer, clock: Clock) -> Keys:
    return Keys(engine, writer, clock)


def refused(error: pytest.ExceptionInfo[InputError]) -> tuple[int, str]:
    return error.value.status, error.value.code


def test_default_behavior(ring: Keys, engine: Engine) -> None:
    async def run() -> None:
        key, text = await ring.create(OWNER, "laptop", None, 5_000)
        assert text.startswith(PREFIX) and len(text) > 50
        assert (key.owner, key.label, key.daily_cap) == (OWNER, "laptop", 5_000)
        assert await ring.find(text) == key
        assert list(await ring.list(OWNER)) == [key] and not await ring.list(OTHER)
        with reading(engine) as connection:
            for table in metadata.tables.values():
                for row in connection.execute(select(table)):
                    assert not any(text[12:] in str(value) for value in row)

    asyncio.run(run())


def test_a_key_that_is_none(ring: Keys) -> None:
    async def run() -> None:
        _, text = await ring.create(OWNER, "", None, None)
        for wrong in (text[:-1], text + "A", PREFIX, "sk-\ud800", text.swapcase()):
            with pytest.raises(InputError) as error:
                await ring.find(wrong)
            assert refused(error) == (401, "invalid_api_key")

    asyncio.run(run())


def test_secrets_are_compared_in_constant_time(
    ring: Keys, writer: Writer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key's hash, and the proof in a sign-in's nonce: how far they are right takes no time."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(found: bytes, given: bytes) -> bool:
        compared.append((found, given))
        return compare(found, given)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    _, text = asyncio.run(ring.create(OWNER, "", None, None))
    asyncio.run(ring.find(text))
    assert compared == [(hashed(text), hashed(text))]
    challenge = desk(writer, clock).challenge(OWNER)
    asyncio.run(desk(writer, clock).owner(challenge.text(), signature(challenge.text())))
    proof = compared[-1][0]
    assert len(compared) == 2 and challenge.nonce.encode().endswith(proof)


def test_rotation_and_revocation(ring: Keys, engine: Engine, writer: Writer, clock: Clock) -> None:
    other_replica = Keys(engine, writer, clock)

    async def run() -> None:
        key, old = await ring.create(OWNER, "", None, None)
        assert await other_replica.find(old) == key
        rotated, new = await ring.rotate(OWNER, key.key_id)
        assert (rotated.key_id, rotated.hash) == (key.key_id, hashed(new))
        for text, valid in ((old, False), (new, True)):
            await _check(ring, text, valid)
        clock.now += CACHE_SECONDS + 1
        await _check(other_replica, old, False)
        await other_replica.find(new)
        await ring.change(OWNER, key.key_id, lambda found: replace(found, revoked=1))
        await _check(ring, new, False)
        clock.now += CACHE_SECONDS + 1
        await _check(other_replica, new, False)
        with pytest.raises(InputError) as error:
            await ring.rotate(OWNER, key.key_id)
        assert refused(error) == (401, "invalid_api_key")

    asyncio.run(run())


async def _check(ring: Keys, text: str, valid: bool) -> None:
    if valid:
        await ring.find(text)
        return
    with pytest.raises(InputError) as error:
        await ring.find(text)
    assert refused(error) == (401, "invalid_api_key")


def test_a_key_expires(ring: Keys, clock: Clock) -> None:
    async def run() -> None:
        _, text = await ring.create(OWNER, "", int(clock.now) + 2, None)
        await ring.find(text)
        clock.now += 2
        await _check(ring, text, False)

    asyncio.run(run())


def test_revert_a_key_of_somebody_else(ring: Keys) -> None:
    async def run() -> None:
        key, _ = await ring.create(OWNER, "", None, None)
        await ring.create(OTHER, "", None, None)
        with pytest.raises(InputError) as error:
            await ring.rotate(OTHER, key.key_id)
        assert refused(error) == (404, "key_not_found")

    asyncio.run(run())


def test_an_owner_has_a_bounded_number_of_keys(
    ring: Keys, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr("assay.gateway.accounts.keys.MAX_KEYS", 3)

    async def run() -> None:
        made = (ring.create(OWNER, "", None, None) for _ in range(5))
        found = await asyncio.gather(*made, return_exceptions=True)
        assert sum(isinstance(one, InputError) for one in found) == 2

    asyncio.run(run())
    with reading(engine) as connection:
        assert len(connection.execute(select(keys.c.key_id)).all()) == 3


def desk(writer: Writer, clock: Clock, chain_id: int = 31337, **changes: str) -> SignIn:
    network: Any = SimpleNamespace(chain_id=chain_id, web3=None)
    account = Account.from_key(bytes([changes.get("account", "1") == "1"]) * 31 + b"\1")
    return SignIn(network, account, changes.get("url", "https://gateway.test"), writer, clock)


def signature(text: str) -> bytes:
    return bytes(WALLET.sign_message(encode_defunct(text=text)).signature)


def test_a_wallet_signs_in_once(writer: Writer, clock: Clock) -> None:
    def sign_in(text: str) -> str:
        return asyncio.run(desk(writer, clock).owner(text, signature(text)))

    text = desk(writer, clock).challenge(OWNER).text()
    nonce = parse(text).nonce
    assert text == (
        f"gateway.test wants you to sign in with your Ethereum account:\n{OWNER}\n\n"
        "Sign in to make and manage API keys of this gateway.\n\nURI: https://gateway.test\n"
        f"Version: 1\nChain ID: 31337\nNonce: {nonce}\nIssued At: 2023-11-14T22:13:20Z\n"
        "Expiration Time: 2023-11-14T22:18:20Z"
    )
    assert sign_in(text) == OWNER
    for later in (0.0, 1.0, LIFE_SECONDS):
        clock.now += later
        with pytest.raises(InputError) as error:
            sign_in(text)
        assert refused(error) == (401, "invalid_signature")
    assert sign_in(desk(writer, clock).challenge(OWNER).text()) == OWNER


@pytest.mark.parametrize(
    ("made", "why"),
    [
        ({"chain_id": 1}, "for chain 1"),
        ({"url": "https://phishing.test"}, "for https://phishing.test"),
        ({"account": "2"}, "not this gateway"),
    ],
)
def test_revert_a_message_of_another_gateway(
    writer: Writer, clock: Clock, made: dict[str, Any], why: str
) -> None:
    text = desk(writer, clock, **made).challenge(OWNER).text()
    with pytest.raises(InputError, match=why):
        asyncio.run(desk(writer, clock).owner(text, signature(text)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OWNER, "0x" + "22" * 20),
        (OWNER, OWNER.lower()),
        ("Version: 1", "Version: 2"),
        ("22:18:20Z", "23:18:20Z"),
        ("22:18:20Z", "22:18:60Z"),
        ("Sign in", "Give away all"),
        ("Nonce: ", "Nonce: 00"),
        ("\n\nURI", "\nURI"),
        ("Chain ID: 31337", "Chain ID: 031337"),
        ("Expiration", "Not Before: 2023-11-14T22:18:20Z\nExpiration"),
    ],
)
def test_revert_an_altered_message(writer: Writer, clock: Clock, old: str, new: str) -> None:
    text = desk(writer, clock).challenge(OWNER).text().replace(old, new)
    with pytest.raises(InputError) as error:
        asyncio.run(desk(writer, clock).owner(text, signature(text)))
    assert refused(error) == (401, "invalid_signature")
