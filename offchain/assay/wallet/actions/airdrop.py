"""The airdrop: an account's part of the genesis supply."""

from __future__ import annotations

from pathlib import Path

from assay.chain.airdrop import AirdropTree
from assay.chain.deployment import AIRDROP_FILE
from assay.core.errors import ConfigError, InputError
from assay.wallet.account import Wallet, change
from assay.wallet.amounts import ASSAY, Amount
from assay.wallet.plan import Plan


def airdrop(wallet: Wallet, proofs: Path | None = None, beneficiary: str | None = None) -> Plan:
    """Claim an account's part of the genesis supply; anyone may pay the gas for it."""
    contract, assay = wallet.network.airdrop, wallet.network.assay
    account = wallet.address(beneficiary, "account to claim for")
    tree = _tree(wallet, proofs)
    amount = tree.amounts.get(account, 0)
    _check(wallet, account, amount, len(tree.amounts))
    whose = "in the wallet" if account == wallet.account else f"of {account}"
    proof = [bytes(node) for node in tree.proof(account)]
    return Plan(
        title=f"Claim {Amount(amount, ASSAY)} of the airdrop",
        steps=[wallet.step("claim", contract, "claim", account, amount, proof)],
        changes=[change(f"ASSAY {whose}", ASSAY, lambda: assay.balance_of(account), amount)],
        facts={"can be claimed until": wallet.moment(contract.deadline())},
    )


def part_of(wallet: Wallet) -> int | None:
    """What the account may still claim; None where the list of parts is not at hand."""
    try:
        tree = _tree(wallet, None)
    except (ConfigError, InputError):
        return None
    contract = wallet.network.airdrop
    over = wallet.now > contract.deadline() or contract.claimed(wallet.account)
    return 0 if over else tree.amounts.get(wallet.account, 0)


def _tree(wallet: Wallet, path: Path | None) -> AirdropTree:
    """The list of parts, which must be the one that the contract was deployed with."""
    if path is None:
        if wallet.folder is None or not (wallet.folder / AIRDROP_FILE).is_file():
            raise InputError(
                f"the deployment has no {AIRDROP_FILE} beside it; name the list with --proofs",
                code="no_proofs",
            )
        path = wallet.folder / AIRDROP_FILE
    tree, root = AirdropTree.load(path), wallet.network.airdrop.root()
    if bytes(tree.root) != root:
        raise InputError(
            f"{path} has the root 0x{tree.root.hex()}, the airdrop on chain 0x{root.hex()}; "
            "name the list of this network with --proofs",
            code="wrong_proofs",
        )
    return tree


def _check(wallet: Wallet, account: str, amount: int, parts: int) -> None:
    contract = wallet.network.airdrop
    deadline = contract.deadline()
    if amount == 0:
        raise InputError(
            f"{account} is not among the {parts} accounts of the airdrop; check which account "
            "you use, or buy ASSAY",
            code="no_part",
        )
    if contract.claimed(account):
        raise InputError(
            f"{account} has its {Amount(amount, ASSAY)} already; nothing is left to claim",
            code="nothing_to_do",
        )
    if wallet.now > deadline:
        raise InputError(
            f"the airdrop ended {wallet.moment(deadline)}; what was not claimed can only be burned",
            code="too_late",
        )
