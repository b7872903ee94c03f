"""Who can do what: every function of every contract that changes something, and who may call it.

The table says by which rule each function is guarded; who that is now, the chain says. A function
that the table does not know is a failure, so that none can be overlooked. The verdict is whether
only the timelock holds powers, and nobody but itself rules the timelock's roles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from web3 import Web3

from assay.chain.contract import ContractClient
from assay.chain.deployment import Deployment
from assay.chain.history import history
from assay.chain.network import Network
from assay.chain.node import node_errors, url_of
from assay.chain.parameters import ZERO_ADDRESS
from assay.chain.plan import LINKS, OWNED
from assay.core.settings import LOCAL_CHAIN_ID

TEST_CHAINS = {LOCAL_CHAIN_ID: "local", 11_155_111: "Sepolia", 84_532: "Base Sepolia"}

# Guards: who may call.
ANYONE = "anyone"  # for itself, or with the same effect whoever calls
OWNER = "owner"  # who owner() names
ONCE = "deployer, once"  # a link: nobody once it is set
SELF = "itself"
MINTER = "is_minter"  # TestUSD's minters
PROPOSER, CANCELLER, EXECUTOR = "PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"
ADMIN = "DEFAULT_ADMIN_ROLE"
# Any other guard is the getter that names the contract which may call, or several of them.
OR = " or "

OWNERSHIP = ("transfer_ownership", "renounce_ownership")
ERC20 = ("transfer", "transferFrom", "approve", "permit")
TICKETS = ("cancel_ticket", "withdraw")

GUARDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "AssayToken": {
        ANYONE: (*ERC20, "burn", "burn_from"),
        ONCE: ("set_minter",),
        "minter": ("mint",),
    },
    "KaratToken": {
        ANYONE: (*ERC20, *TICKETS, "stake", "request_unstake"),
        ONCE: ("set_links",),
        "minter": ("mint", "burn_for"),
    },
    "MerkleAirdrop": {ANYONE: ("claim", "burn_unclaimed")},
    "EmissionController": {
        ANYONE: ("checkpoint", "reward_work"),
        ONCE: ("set_links",),
        OWNER: (*OWNERSHIP, "lower_rate", "set_daily_capacity", "set_split"),
        "staking": ("reward_staker",),
        "ledger": ("record_work",),
    },
    "Staking": {
        ANYONE: (*TICKETS, "stake", "stake_for", "request_unstake", "claim", "compound"),
        ONCE: ("set_minter",),
        "minter": ("lock", "unlock"),
    },
    "CreditMinter": {ANYONE: ("mint", "burn"), OWNER: (*OWNERSHIP, "set_curve")},
    "BurnAuction": {ANYONE: ("start", "take"), OWNER: (*OWNERSHIP, "set_parameters")},
    "BurnTaker": {ANYONE: ("fill",), "auction": ("auction_taken",)},
    "FeeRouter": {
        ANYONE: ("route", "subscribe"),
        ONCE: ("set_audits",),
        OWNER: (*OWNERSHIP, "set_plan"),
    },
    "CreditLedger": {
        ANYONE: (
            *("deposit", "deposit_for", "request_withdrawal", "withdraw", "withdraw_earnings"),
            *("set_channel", "close_channel", "collect", "collect_many", "sweep_fees"),
        ),
        ONCE: ("set_settlement",),
        OWNER: (*OWNERSHIP, "set_fee"),
        "settlement": ("pay",),
    },
    "StepArithmetic": {},
    "StepVerifier": {},
    "ModelRegistry": {
        ANYONE: ("register",),
        OWNER: (*OWNERSHIP, "add_verifier", "set_reference_price"),
    },
    "ProviderRegistry": {
        ANYONE: ("announce", "bond", "bond_for", "request_unbond", "withdraw"),
        ONCE: ("set_settlement",),
        "settlement": ("lock", "unlock", "slash"),
    },
    "Settlement": {
        ANYONE: ("post_batch", "finalise", "finalise_many", "abandon", "withdraw_claim"),
        ONCE: ("set_audits", "set_game"),
        f"game{OR}audits": ("convict",),
        "audits": ("keep_payment",),
    },
    "DisputeGame": {
        ANYONE: (
            *("open", "answer", "pick_node", "challenge_sample", "reveal_nodes", "reveal_step"),
            *("reveal_tile", "pick_element", "prove_element", "prove_combine", "prove_chunk"),
            *("prove_sample", "timeout", "close"),
        ),
    },
    "Audits": {
        ANYONE: (
            *("take_seat", "leave_seat", "begin_round", "fix_seed", "request_data", "show"),
            *("publish", "expire_request", "commit", "vouch", "expire_vouch", "reveal"),
            *("expose", "settle"),
        ),
    },
    "Timelock": {
        ANYONE: ("renounceRole",),
        PROPOSER: ("schedule", "schedule_batch"),
        CANCELLER: ("cancel",),
        EXECUTOR: ("execute", "execute_batch"),
        ADMIN: ("grantRole", "revokeRole", "set_role_admin"),
        SELF: ("update_delay",),
    },
    "USDC": {
        ANYONE: (*ERC20, "transferWithAuthorization", "burn"),
        OWNER: (*OWNERSHIP, "set_minter", "blacklist", "pause"),
        MINTER: ("mint",),
    },
}

# Who a getter must name.
NAMED = {(link.role, getter): ref.role for link in LINKS for getter, ref in link.targets.items()}
NAMED[("BurnTaker", "auction")] = "BurnAuction"


@dataclass(frozen=True)
class Power:
    """Functions of a contract under one guard, and the holders as the chain names them.

    `holders` are roles of the deployment, "deployer", "anyone", "nobody", or addresses. `wrong`
    says what breaks the rule that only the timelock holds powers; "" if nothing does.
    """

    contract: str
    functions: tuple[str, ...]
    guard: str
    holders: tuple[str, ...]
    wrong: str = ""
    note: str = ""


def powers(network: Network) -> list[Power]:
    """Every power, contract by contract, read from the chain."""
    survey = Survey(network)
    with node_errors(url_of(network.web3)):
        return [power for role in network.deployment.contracts for power in survey.of(role)]


class Survey:
    """Reads the holders; knows the deployment's addresses by role."""

    def __init__(self, network: Network) -> None:
        self._web3: Web3 = network.web3
        self._deployment: Deployment = network.deployment
        contracts = self._deployment.contracts.items()
        self._names = {contract.address: role for role, contract in contracts}
        self._names.setdefault(self._deployment.deployer, "deployer")
        self._names[ZERO_ADDRESS] = "nobody"

    def of(self, role: str) -> Iterator[Power]:
        """The powers over one contract."""
        contract = self._deployment.contract(role)
        if not contract.source:
            yield Power(role, (), "outside", (), note="as its own issuer says")
            return
        client = ContractClient(self._web3, role, contract, None)
        for guard, functions in GUARDS[role].items():
            if guard != ANYONE:
                for one in guard.split(OR):
                    yield self._power(client, one, functions)
        yield from self._unknown(role, contract.abi)

    def _power(self, client: ContractClient, guard: str, functions: tuple[str, ...]) -> Power:
        role = client.name
        if guard == OWNER:
            return self._owned(client, functions)
        if guard == ONCE:
            return self._sealed(role, client, functions)
        if guard == MINTER:
            return self._test_dollar(client, functions, guard, self._minters(client))
        if guard == SELF:
            return Power(role, functions, guard, (role,))
        if guard.endswith("_ROLE"):
            return self._role(client, functions, guard)
        holder = str(client.read(guard))
        right = self._deployment.contract(NAMED[role, guard]).address
        wrong = "" if holder == right else f"{guard} is not {NAMED[role, guard]}"
        return Power(role, functions, f"{guard}()", (self._name(holder),), wrong)

    def _owned(self, client: ContractClient, functions: tuple[str, ...]) -> Power:
        owner = str(client.read("owner"))
        if client.name not in OWNED:
            return self._test_dollar(client, functions, OWNER, [owner])
        timelock = self._deployment.contract("Timelock").address
        wrong = "" if owner in (timelock, ZERO_ADDRESS) else "not owned by the timelock"
        return Power(client.name, functions, OWNER, (self._name(owner),), wrong)

    def _sealed(self, role: str, client: ContractClient, functions: tuple[str, ...]) -> Power:
        """A link that is set is closed for ever (contracts/modules/one_shot.vy)."""
        getters = (getter for link in LINKS if link.role == role for getter in link.targets)
        unset = [getter for getter in getters if client.read(getter) == ZERO_ADDRESS]
        if unset:
            wrong = f"{', '.join(unset)} is not set: the deployer still may"
            return Power(role, functions, ONCE, (self._name(self._deployment.deployer),), wrong)
        return Power(role, functions, ONCE, ("nobody",), note="set for ever")

    def _test_dollar(
        self, client: ContractClient, functions: tuple[str, ...], guard: str, holders: list[str]
    ) -> Power:
        """Powers over play money, on chains for playing."""
        chain = TEST_CHAINS.get(self._deployment.chain_id)
        names = tuple(self._name(holder) for holder in holders)
        if chain is None:
            wrong = f"a test dollar on chain {self._deployment.chain_id}"
            return Power(client.name, functions, guard, names, wrong)
        return Power(client.name, functions, guard, names, note=f"test dollar, {chain}")

    def _minters(self, client: ContractClient) -> list[str]:
        named = self._seen(client, "RoleMinterChanged", "minter")
        return [account for account in named if client.read("is_minter", account)]

    def _role(self, client: ContractClient, functions: tuple[str, ...], guard: str) -> Power:
        role = client.read(guard)
        accounts = self._seen(client, "RoleGranted", "account", role=role)
        holders = [account for account in accounts if client.read("hasRole", role, account)]
        wrong = ""
        if client.read("getRoleAdmin", role) != client.read(ADMIN):
            wrong = "the role has another admin"
        elif guard == ADMIN and holders != [client.address]:
            wrong = "not the timelock alone"
        if guard == EXECUTOR and ZERO_ADDRESS in holders:
            return Power(client.name, functions, guard, ("anyone",), wrong, "after the delay")
        note = ""
        if guard == PROPOSER:
            note = f"acts after {client.read('get_minimum_delay'):,} s"
        return Power(
            client.name, functions, guard, tuple(self._name(a) for a in holders), wrong, note
        )

    def _seen(self, client: ContractClient, event: str, name: str, **filters: object) -> list[str]:
        """Accounts that an event has ever named, in order, each once."""
        found = history(client, event, self._deployment.block, **filters)
        return list(dict.fromkeys(str(entry.args[name]) for entry in found))

    def _unknown(self, role: str, abi: list[dict[str, Any]]) -> Iterator[Power]:
        known = {name for functions in GUARDS[role].values() for name in functions}
        for name in sorted(writers(abi) - known):
            yield Power(role, (name,), "unknown", (), wrong="not in the table of chain/powers.py")

    def _name(self, address: str) -> str:
        return self._names.get(address, address)


def writers(abi: list[dict[str, Any]]) -> set[str]:
    """Functions of an ABI that can change something."""
    return {
        str(entry["name"])
        for entry in abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
