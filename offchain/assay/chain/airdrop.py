"""The airdrop's Merkle tree: from a list of (account, amount) to its root and proofs.

Built exactly as OpenZeppelin's merkle-tree library builds a `StandardMerkleTree` of ("address",
"uint256"): leaves hashed twice and sorted, pairs sorted before hashing. So roots and proofs are the
same as that tool's, and `MerkleAirdrop` verifies them. Knows files, and no chain.

Amounts are units of 10**-18 ASSAY, integers. Whatever is wrong with a list or a file is a
ConfigError that names the place, the value and the remedy.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from eth_abi.abi import encode
from eth_utils.address import is_checksum_address, is_hex_address, to_checksum_address

from assay.core.errors import ConfigError
from assay.core.hashes import keccak
from assay.core.types import Hash

MAX_AMOUNT = 2**96 - 1  # AssayToken keeps its supply below
MAX_CLAIMS = 2**32  # the contract takes proofs of 32 hashes
ZERO_ADDRESS = "0x" + "00" * 20


def leaf_hash(account: str, amount: int) -> Hash:
    """Leaf of one part: keccak256(keccak256(abi_encode(account, amount)))."""
    return keccak(keccak(encode(["address", "uint256"], [account, amount])))


def node_hash(one: bytes, other: bytes) -> Hash:
    """Parent of two nodes, whichever comes first."""
    return keccak(min(one, other) + max(one, other))


def proves(root: bytes, account: str, amount: int, proof: Sequence[bytes]) -> bool:
    """Whether the contract would accept this claim."""
    node = leaf_hash(account, amount)
    for sibling in proof:
        node = node_hash(node, sibling)
    return node == root


class AirdropTree:
    """All parts of an airdrop, under one root.

    Args:
        claims: (account, amount) pairs, no account twice; at least one.

    Attributes:
        amounts: amount by checksummed address, in the order given.
        root: what the contract is deployed with.
    """

    def __init__(self, claims: Iterable[tuple[str, int]]) -> None:
        self.amounts: dict[str, int] = {}
        for place, (account, amount) in enumerate(claims, start=1):
            self._add(f"claim {place}", account, amount)
        if not 0 < len(self.amounts) <= MAX_CLAIMS:
            raise ConfigError(
                f"an airdrop has 1 to {MAX_CLAIMS} claims, not {len(self.amounts)}; add some"
            )
        leaves = {leaf_hash(*claim): claim[0] for claim in self.amounts.items()}
        order = sorted(leaves)
        # A binary heap of 2n - 1 nodes: root first, children of i at 2i + 1 and 2i + 2; leaves
        # fill it from the end.
        self._nodes = [*([Hash(b"")] * (len(order) - 1)), *reversed(order)]
        for index in reversed(range(len(order) - 1)):
            self._nodes[index] = node_hash(self._nodes[2 * index + 1], self._nodes[2 * index + 2])
        last = len(self._nodes) - 1
        self._places = {leaves[leaf]: last - rank for rank, leaf in enumerate(order)}

    def _add(self, place: str, account: str, amount: int) -> None:
        address = checked_account(place, account)
        if address in self.amounts:
            raise ConfigError(f"{place}: {address} appears twice; merge its amounts into one")
        self.amounts[address] = checked_amount(place, amount)

    @property
    def root(self) -> Hash:
        return self._nodes[0]

    @property
    def total(self) -> int:
        """What the contract must be funded with, if everybody is to claim."""
        return sum(self.amounts.values())

    def proof(self, account: str) -> list[Hash]:
        """Siblings from an account's leaf up to the root."""
        address = checked_account("proof", account)
        if address not in self._places:
            raise ConfigError(
                f"{address} has no part in this airdrop of {len(self.amounts)} accounts; "
                "check the address and the file"
            )
        index, siblings = self._places[address], []
        while index > 0:
            siblings.append(self._nodes[index + 1 if index % 2 else index - 1])
            index = (index - 1) // 2
        return siblings

    @classmethod
    def read_csv(cls, path: Path) -> AirdropTree:
        """Lines of address and amount; a first line "address,amount" is skipped."""
        claims: list[tuple[str, int]] = []
        seen: dict[str, int] = {}
        for number, row in _rows(path):
            place = f"{path}, line {number}"
            if number == 1 and row[0].strip().lower() == "address":
                continue
            if len(row) != 2:
                raise ConfigError(f"{place}: {len(row)} fields instead of 2; write address,amount")
            account = checked_account(place, row[0].strip())
            if account in seen:
                raise ConfigError(
                    f"{place}: {account} appears on line {seen[account]} too; "
                    "merge its amounts into one"
                )
            seen[account] = number
            claims.append((account, checked_amount(place, _integer(place, row[1].strip()))))
        if not claims:
            raise ConfigError(f"{path} has no claims; write lines of address,amount")
        return cls(claims)

    def save(self, path: Path) -> None:
        """Write root, total and every proof as JSON (folders included)."""
        content = {
            "root": _hex(self.root),
            "total": str(self.total),
            "claims": {
                account: {"amount": str(amount), "proof": [_hex(n) for n in self.proof(account)]}
                for account, amount in self.amounts.items()
            },
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> AirdropTree:
        """Read what `save` wrote; the root is computed again and must be the file's."""
        try:
            content = json.loads(path.read_text())
            root = str(content["root"])
            claims = [(account, int(part["amount"])) for account, part in content["claims"].items()]
        except OSError as error:
            raise ConfigError(f"cannot read the airdrop file {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path} is no airdrop file ({type(error).__name__}: {error}); build it again"
            ) from error
        tree = cls(claims)
        if _hex(tree.root) != root:
            raise ConfigError(
                f"{path} states the root {root}, its claims give {_hex(tree.root)}; build it again"
            )
        return tree


def checked_account(place: str, account: str) -> str:
    """The address with its checksum; ConfigError unless it is one that can receive."""
    if not (account.startswith("0x") and is_hex_address(account)):
        raise ConfigError(f"{place}: {account!r} is no address; write 0x and 40 hex digits")
    digits = account[2:]
    mixed = digits not in (digits.lower(), digits.upper())
    if mixed and not is_checksum_address(account):
        raise ConfigError(
            f"{place}: the checksum of {account} is wrong; look for a wrong digit, or write it "
            "in lower case"
        )
    if account.lower() == ZERO_ADDRESS:
        raise ConfigError(f"{place}: the zero address cannot receive tokens; remove it")
    return str(to_checksum_address(account))


def checked_amount(place: str, amount: int) -> int:
    """The amount; ConfigError unless it is positive and some ASSAY supply."""
    if not 0 < amount <= MAX_AMOUNT:
        raise ConfigError(
            f"{place}: amount {amount} is not in 1 to {MAX_AMOUNT}; write units of 10**-18 ASSAY"
        )
    return amount


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Lines that are not blank, by number."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            return [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except OSError as error:
        raise ConfigError(f"cannot read the claims {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is no CSV text: {error}; save it as UTF-8 CSV") from error


def _integer(place: str, text: str) -> int:
    """Digits only: a decimal point most often means that somebody wrote whole ASSAY."""
    if not (text.isascii() and text.isdigit() and len(text) < 80):
        raise ConfigError(
            f"{place}: {text[:80]!r} is no whole amount; write units of 10**-18 ASSAY, digits only"
        )
    return int(text)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
