"""Sign-in with a wallet (EIP-4361): a message of ours, signed once, within five minutes.

The nonce carries its own proof that this gateway made it for that address, so challenges are not
stored; that a message was used is, until it has expired.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlsplit

from eth_account.messages import _hash_eip191_message, encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_checksum_address
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, bindparam, delete

from assay.chain.network import Network
from assay.chain.wallets import accepts
from assay.core.errors import InputError
from assay.core.signing import recovered
from assay.core.types import Hash
from assay.gateway.accounts.page import insert_absent
from assay.gateway.tables import used_nonces
from assay.gateway.writer import Writer

LIFE_SECONDS = 300
STATEMENT = "Sign in to make and manage API keys of this gateway."
MAX_MESSAGE = 2_000
MAX_SIGNATURE = 4_096
"""Bytes; contracts' signatures may be longer than a key's 65."""
_RANDOM, _PROOF = 16, 24


@dataclass(frozen=True)
class Message:
    """A message of EIP-4361 with the fields that ours have. Times in ISO 8601."""

    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: str
    expires_at: str

    def text(self) -> str:
        """As wallets show and sign it."""
        return (
            f"{self.domain} wants you to sign in with your Ethereum account:\n{self.address}\n\n"
            f"{STATEMENT}\n\nURI: {self.uri}\nVersion: 1\nChain ID: {self.chain_id}\n"
            f"Nonce: {self.nonce}\nIssued At: {self.issued_at}\n"
            f"Expiration Time: {self.expires_at}"
        )


_TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z"
_MESSAGE = re.compile(
    r"(?P<domain>[^\s/?#]+) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n\n" + re.escape(STATEMENT) + r"\n\n"
    r"URI: (?P<uri>\S+)\nVersion: 1\nChain ID: (?P<chain_id>[1-9]\d{0,18})\n"
    r"Nonce: (?P<nonce>[0-9a-f]+)\nIssued At: (?P<issued_at>" + _TIME + r")\n"
    r"Expiration Time: (?P<expires_at>" + _TIME + r")",
    re.ASCII,
)


def parse(text: str) -> Message:
    """The fields of a message; InputError (401) if it is not in the form of `Message.text`."""
    found = _MESSAGE.fullmatch(text) if len(text) <= MAX_MESSAGE else None
    if found is None or not is_checksum_address(found["address"]):
        raise refused("the message is not one of this gateway's challenges")
    domain, address, uri, chain_id, *rest = found.groups()
    return Message(domain, address, uri, int(chain_id), *rest)


class SignIn:
    """Makes challenges and checks what wallets sign.

    Args:
        url: the gateway's public address; its host is the domain that wallets show.
    """

    def __init__(
        self,
        network: Network,
        account: LocalAccount,
        url: str,
        writer: Writer,
        clock: Callable[[], float],
    ) -> None:
        self._network = network
        self._url = url
        self._domain = urlsplit(url).netloc
        self._secret = sha256(b"sign-in nonces of a gateway" + bytes(account.key)).digest()
        self._writer = writer
        self._clock = clock

    def challenge(self, address: str) -> Message:
        """What the wallet of `address` (checksummed) shall sign."""
        now = self._clock()
        random = secrets.token_hex(_RANDOM // 2)
        return Message(
            domain=self._domain,
            address=address,
            uri=self._url,
            chain_id=self._network.chain_id,
            nonce=random + self._proof(random, address),
            issued_at=_stamp(now),
            expires_at=_stamp(now + LIFE_SECONDS),
        )

    async def owner(self, text: str, signature: bytes) -> str:
        """The address that signed a challenge now for the first time; InputError (401) if none."""
        message = parse(text)
        expires = self._check(message)
        await run_in_threadpool(self._check_signature, message, signature)
        await self._writer.write(_use, (message.nonce, expires, int(self._clock())))
        return message.address

    def _check(self, message: Message) -> int:
        """Domain, chain, life and nonce are those of a challenge of ours; when it expires."""
        now = self._clock()
        random, proof = message.nonce[:_RANDOM], message.nonce[_RANDOM:]
        if (message.domain, message.uri) != (self._domain, self._url):
            raise refused(f"the message is for {message.uri}, this gateway is {self._url}")
        if message.chain_id != self._network.chain_id:
            raise refused(
                f"the message is for chain {message.chain_id}, not {self._network.chain_id}"
            )
        if not hmac.compare_digest(proof.encode(), self._proof(random, message.address).encode()):
            raise refused("the message's nonce is not this gateway's for that address")
        expires = _seconds(message.expires_at)
        if not now < expires <= now + LIFE_SECONDS + 1:
            raise refused("the message has expired")
        return expires

    def _check_signature(self, message: Message, signature: bytes) -> None:
        digest = Hash(bytes(_hash_eip191_message(encode_defunct(text=message.text()))))
        if len(signature) > MAX_SIGNATURE:
            raise refused(f"a signature of {len(signature)} bytes, at most {MAX_SIGNATURE}")
        if recovered(digest, signature) == message.address:
            return
        if not accepts(self._network.web3, message.address, digest, signature):
            raise refused(f"the signature is not {message.address}'s")

    def _proof(self, random: str, address: str) -> str:
        given = f"{random} {address} {self._network.chain_id} {self._domain}".encode()
        return hmac.new(self._secret, given, sha256).hexdigest()[:_PROOF]


def refused(why: str) -> InputError:
    return InputError(
        f"{why}; get another at /v1/auth/challenge",
        code="invalid_signature",
        status=401,
        kind="authentication_error",
    )


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(stamp: str) -> int:
    try:
        return int(datetime.fromisoformat(stamp).timestamp())
    except ValueError as error:
        raise refused(f"{stamp} is no time") from error


_FORGET = delete(used_nonces).where(used_nonces.c.expires < bindparam("now"))


def _use(connection: Connection, used: Sequence[tuple[str, int, int]]) -> list[InputError | None]:
    """Mark nonces, as (nonce, expiry, now): an error for each that was used before."""
    connection.execute(_FORGET, {"now": min(now for _, _, now in used)})
    fresh = (
        insert_absent(connection, used_nonces, [{"nonce": nonce, "expires": expires}])
        for nonce, expires, _ in used
    )
    return [None if count else refused("the message was used before") for count in fresh]
