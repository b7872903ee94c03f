"""The airdrop's tree: OpenZeppelin's roots, files that round-trip, errors that name the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.chain.airdrop import MAX_AMOUNT, AirdropTree, proves
from assay.core.errors import ConfigError
from tests.support.evm import deployer, now, reverts

ONES = "0x" + "11" * 20
TWOS = "0x" + "22" * 20
MIXED = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"  # an example of EIP-55


def tree_of(count: int) -> AirdropTree:
    return AirdropTree((f"0x{n + 1:040x}", 10**18 + n) for n in range(count))


@pytest.fixture
def claims(tmp_path: Path) -> Path:
    return tmp_path / "claims.csv"


def test_as_openzeppelins_library() -> None:
    """The example in the README of @openzeppelin/merkle-tree: root, and the proof of the first."""
    tree = AirdropTree([(ONES, 5 * 10**18), (TWOS, 25 * 10**17)])
    assert tree.root.hex() == "d4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77"
    assert [node.hex() for node in tree.proof(ONES)] == [
        "b92c48e9d7abe27fd8dfd6b5dfdbfb1c9a463f80c712b66f3a5180a090cccafc"
    ]
    assert tree.total == 75 * 10**17


def test_order_does_not_matter() -> None:
    tree = tree_of(9)
    assert AirdropTree(reversed(tree.amounts.items())).root == tree.root


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 33, 100])
def test_every_proof_proves(count: int) -> None:
    tree = tree_of(count)
    for account, amount in tree.amounts.items():
        proof = tree.proof(account)
        assert len(proof) <= (count - 1).bit_length()
        assert proves(tree.root, account, amount, proof)
        assert not proves(tree.root, account, amount + 1, proof)


@settings(max_examples=10)
@given(count=st.integers(1, 40), data=st.data())
def test_the_contract_agrees(count: int, data: st.DataObject) -> None:
    """Real claims, paid; the neighbour's proof is refused unless it is the whole tree."""
    tree = tree_of(count)
    account = data.draw(st.sampled_from(list(tree.amounts)))
    amount, proof = tree.amounts[account], tree.proof(account)
    with boa.env.anchor():
        treasury = boa.env.generate_address("treasury")
        token = deployer("tokens/AssayToken")(treasury, tree.total)
        airdrop = deployer("tokens/MerkleAirdrop")(token, tree.root, now() + 1)
        token.transfer(airdrop.address, tree.total, sender=treasury)
        with reverts("merkle_airdrop: wrong proof"):
            airdrop.claim(account, amount + 1, proof)
        airdrop.claim(account, amount, proof)
        assert token.balanceOf(account) == amount


def test_file_round_trip(tmp_path: Path) -> None:
    tree, path = tree_of(5), tmp_path / "new" / "airdrop.json"
    tree.save(path)
    read = AirdropTree.load(path)
    assert (read.root, read.amounts, read.total) == (tree.root, tree.amounts, tree.total)
    content = json.loads(path.read_text())
    assert content["root"] == "0x" + tree.root.hex()
    for account, claim in content["claims"].items():
        proof = [bytes.fromhex(node[2:]) for node in claim["proof"]]
        assert proves(tree.root, account, int(claim["amount"]), proof)


@pytest.mark.parametrize("first_line", ["", "address,amount\n", "\ufeffAddress,Amount\n", "\n\n"])
def test_csv(claims: Path, first_line: str) -> None:
    lines = f"{first_line}{ONES},5\n\n {MIXED} , 7 \n{TWOS},{MAX_AMOUNT - 12}\n"
    claims.write_text(lines, encoding="utf-8")
    tree = AirdropTree.read_csv(claims)
    assert tree.amounts == {ONES: 5, MIXED: 7, TWOS: MAX_AMOUNT - 12}
    assert tree.root == AirdropTree(tree.amounts.items()).root


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "has no claims"),
        ("address,amount\n", "has no claims"),
        (f"{ONES}\n", "line 1: 1 fields instead of 2"),
        (f"{ONES},5,6\n", "line 1: 3 fields instead of 2"),
        (f"{ONES},5\n0x1234,6\n", "line 2: '0x1234' is no address"),
        (f"{ONES[2:]},5\n", "line 1: '1111.*' is no address"),
        (f"{MIXED.replace('fB', 'FB')},5\n", "line 1: the checksum of 0xFB.* is wrong"),
        (f"0x{'00' * 20},5\n", "line 1: the zero address"),
        (f"{ONES},0\n", "line 1: amount 0 is not in 1 to"),
        (f"{ONES},-5\n", "line 1: '-5' is no whole amount"),
        (f"{ONES},1.5\n", "line 1: '1.5' is no whole amount"),
        (f"{ONES},1e18\n", "line 1: '1e18' is no whole amount"),
        (f"{ONES},\n", "line 1: '' is no whole amount"),
        (f"{ONES},{'9' * 5000}\n", "line 1: '9+' is no whole amount"),
        (f"{ONES},{2**96}\n", f"line 1: amount {2**96} is not in"),
        (f"{MIXED},5\n\n{MIXED.lower()},6\n", "line 3: .* appears on line 1 too"),
    ],
)
def test_csv_errors(claims: Path, lines: str, message: str) -> None:
    claims.write_text(lines)
    with pytest.raises(ConfigError, match=message):
        AirdropTree.read_csv(claims)


def test_csv_is_missing_or_no_text(claims: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the claims"):
        AirdropTree.read_csv(claims)
    claims.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no CSV text"):
        AirdropTree.read_csv(claims)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([], "1 to 4294967296 claims, not 0"),
        ([(ONES, 1), (ONES, 2)], "claim 2: .* appears twice"),
        ([(ONES, 1), (TWOS, 0)], "claim 2: amount 0"),
        ([(ONES, -1)], "claim 1: amount -1"),
        ([("0x12", 1)], "claim 1: '0x12' is no address"),
    ],
)
def test_list_errors(listed: list[tuple[str, int]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AirdropTree(listed)


def test_nobodys_proof() -> None:
    with pytest.raises(ConfigError, match="has no part in this airdrop of 3 accounts"):
        tree_of(3).proof(ONES)


def tampered(content: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(content["claims"].values()))
    return {**content, "claims": {**content["claims"], ONES: first}}


def test_tampered_file(tmp_path: Path) -> None:
    path = tmp_path / "airdrop.json"
    tree_of(3).save(path)
    path.write_text(json.dumps(tampered(json.loads(path.read_text()))))
    with pytest.raises(ConfigError, match=r"states the root 0x.* its claims give 0x"):
        AirdropTree.load(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"root": "0x", "claims": {"a": 1}}'])
def test_no_airdrop_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "airdrop.json"
    with pytest.raises(ConfigError, match="cannot read the airdrop file"):
        AirdropTree.load(path)
    path.write_text(text)
    with pytest.raises(ConfigError, match="is no airdrop file"):
        AirdropTree.load(path)
