"""All contracts of a network on titanoboa, the economy included, and claims to post there.

The verifier is the toy one: what the suites here prove about money and moves does not depend on
arithmetic. Bonds are ASSAY from the genesis supply, payments test dollars; the toy model has no
reference price, so its claims are paid in dollars unless a test sets one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import boa
from eth_account import Account
from eth_account.signers.local import LocalAccount

from assay.core.hashes import (
    OUTPUT_SIDE,
    PROMPT_SIDE,
    job_id,
    keccak,
    model_root,
    program_root,
    receipt_leaf,
    step_leaf,
)
from assay.core.merkle import MerkleTree, row_path
from assay.core.tokens import TokenList
from assay.core.types import Job, Model, Receipt, Step
from tests.support.economy import (
    FEE_BPS,
    WITHDRAWAL_DELAY,
    Economy,
    deploy_economy_parts,
    link_economy,
)
from tests.support.evm import deployer, event, reverts

__all__ = ["deployer", "event", "reverts"]  # to the suites about claims, all from one place

ETHER = 10**18
WINDOW = 1000
CLOCK = 600
EXTENSION = 60
DELAY = WITHDRAWAL_DELAY
SLASH = 1000 * ETHER
REWARD_BPS = 4_000
BOND = 50 * ETHER

# Audits: every claim is drawn, for two seats.
RATE_BPS = 10_000
SLOTS = 2
PAY_BPS = 1_000
SEAT = 300 * ETHER
REQUEST_BOND = 20 * ETHER
SEED_DELAY = 70

VOCABULARY = 50
CONTEXT = 32
EOS = 49
NO_CODE = "0x00000000000000000000000000000000DeaDBeef"

# Opcode 1 is elementwise, 2 a reduction of params[1] chunks (contracts/mocks/ToyVerifier.vy).
SHAPES = (
    Step(1, 1, False, 3, 4, params=(5,)),
    Step(1, 1, True, 700, 4, params=(-9,)),
    Step(2, 1, True, 4, 4, params=(7, 3)),
    Step(1, 40, True, 1, 8, params=(1,)),
)

# 70 steps of those shapes, no two alike.
STEPS = tuple(
    replace(shape, params=(shape.params[0] + 4 * lap, *shape.params[1:]))
    for lap in range(18)
    for shape in SHAPES
)[:70]
STEPS_TREE = MerkleTree([step_leaf(step) for step in STEPS])
JOB_SALT = b"\x07" * 32


def toy_model(**changes: Any) -> Model:
    model = Model(
        spec_version=1,
        program_root=program_root(len(STEPS), STEPS_TREE.root),
        weights_root=b"\x01" * 32,
        tables_root=b"\x02" * 32,
        tokenizer_hash=b"\x03" * 32,
        config_hash=b"\x04" * 32,
        n_steps=len(STEPS),
        n_weights=1,
        n_tables=1,
        vocab_size=VOCABULARY,
        context_length=CONTEXT,
        logit_fraction=8,
        gumbel_table=0,
        eos_tokens=(EOS, 48),
    )
    return replace(model, **changes)


@dataclass(repr=False)
class Claim:
    """One receipt with all that proves it; `batch_id` and `proof` once posted."""

    model: Model
    job: Job
    receipt: Receipt
    prompt: TokenList
    output: TokenList
    signature: bytes
    batch_id: bytes = b""
    claim_id: bytes = b""
    index: int = 0
    proof: tuple[bytes, ...] = ()

    def opening(self, token_index: int = 0, salt: bytes = b"\x00" * 32) -> tuple[Any, ...]:
        """Arguments of `DisputeGame.open`."""
        claim = (self.batch_id, self.index, self.receipt.abi(), self.proof)
        return (*claim, self.job.abi(), self.model.abi(), token_index, salt)

    def finalisation(self) -> tuple[Any, ...]:
        """After the batch id, the arguments of `Settlement.finalise`."""
        return (self.index, self.receipt.abi(), self.proof, self.job.abi(), self.signature)


@dataclass(repr=False)
class Market:
    """Every contract, deployed and wired, and an account per role.

    Contracts by the economy's names, and `verifier`, `models`, `providers`, `settlement`, `game`,
    `audits`;
    `bond_token` and `payment_token` for what claims need of the economy.
    """

    economy: Economy
    provider: str
    challenger: str
    stranger: str
    signer: LocalAccount
    jobs: int = 0

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["economy"].contracts[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def deployer(self) -> str:
        return self.economy.deployer

    @property
    def owner(self) -> str:
        return self.economy.owner

    @property
    def consumer(self) -> str:
        return self.signer.address

    @property
    def now(self) -> int:
        return int(boa.env.evm.patch.timestamp)

    def is_paid(self, claim: Claim) -> bool:
        job = claim.job
        return bool(self.settlement.paid(job.consumer, job.provider, job.nonce))

    def fund_provider(self, amount: int, provider: str | None = None) -> None:
        provider = provider or self.provider
        self.economy.give(provider, assay=amount)
        self.bond_token.approve(self.providers.address, amount, sender=provider)
        self.providers.bond(amount, sender=provider)

    def fund_challenger(self, challenger: str | None = None, amount: int = BOND) -> str:
        challenger = challenger or self.challenger
        self.economy.give(challenger, assay=amount)
        self.bond_token.approve(self.game.address, amount, sender=challenger)
        return challenger

    def fund_consumer(self, amount: int) -> None:
        self.economy.deposit(self.consumer, amount)

    def job(self, prompt: TokenList, **changes: Any) -> Job:
        self.jobs += 1
        job = Job(
            model_root=model_root(toy_model()),
            consumer=self.consumer,
            provider=self.provider,
            prompt_root=prompt.root,
            prompt_tokens=len(prompt.tokens),
            max_output_tokens=8,
            inv_temperature=0,
            seed=b"\x05" * 32,
            price_input=50_000_000,
            price_output=200_000_001,
            max_price=10_000,
            deadline=self.now + 3600,
            data_mode=0,
            nonce=self.jobs.to_bytes(32, "big"),
        )
        return replace(job, **changes)

    def claim(
        self,
        tokens: Sequence[int] = (3, 4, 5, 6, EOS),
        model: Model | None = None,
        receipt: dict[str, Any] | None = None,
        signer: LocalAccount | None = None,
        **changes: Any,
    ) -> Claim:
        """A well-formed claim; `changes` alter the job, `receipt` the receipt."""
        model = model or toy_model()
        prompt = TokenList((1, 2, 3), JOB_SALT, PROMPT_SIDE)
        output = TokenList(tokens, JOB_SALT, OUTPUT_SIDE)
        job = self.job(prompt, **{"model_root": model_root(model), **changes})
        digest = job_id(job, boa.env.evm.patch.chain_id, self.settlement.address)
        stated = Receipt(digest, output.root, len(tokens), job.price(len(tokens)))
        stated = replace(stated, **(receipt or {}))
        signature = (signer or self.signer).unsafe_sign_hash(digest).signature
        return Claim(model, job, stated, prompt, output, bytes(signature))

    def post(self, *claims: Claim, sender: str | None = None) -> bytes:
        """Post the claims as one batch; fills in their places."""
        tree = MerkleTree([receipt_leaf(claim.receipt) for claim in claims])
        batch = bytes(
            self.settlement.post_batch(tree.root, len(claims), sender=sender or self.provider)
        )
        for index, claim in enumerate(claims):
            claim.batch_id, claim.index, claim.proof = batch, index, tree.path(index)
            claim.claim_id = bytes(self.settlement.claim_id(batch, index))
        return batch

    def finalise(self, claim: Claim, sender: str | None = None) -> int:
        arguments = claim.finalisation()
        return int(
            self.settlement.finalise(claim.batch_id, *arguments, sender=sender or self.stranger)
        )

    def finalise_many(self, *claims: Claim, sender: str | None = None) -> int:
        """Claims of one batch that lie side by side."""
        first, last = claims[0], claims[-1]
        path = row_path(first.index, last.index, first.proof, last.proof)
        items = [(claim.receipt.abi(), claim.job.abi(), claim.signature) for claim in claims]
        place = (first.batch_id, first.index)
        return int(
            self.settlement.finalise_many(*place, items, path, sender=sender or self.stranger)
        )

    def after_window(self) -> None:
        boa.env.time_travel(seconds=WINDOW + 1)


def earned(paid: int) -> int:
    """What a provider earns of dollars paid: less the fee, rounded up."""
    return paid - -(-paid * FEE_BPS // 10_000)


def deploy_market() -> Market:
    """Deploy and wire everything; register the toy model; fund nobody."""
    role = boa.env.generate_address
    market = Market(
        Economy(role("deployer"), role("owner"), role("treasury")),
        role("provider"),
        role("challenger"),
        role("stranger"),
        Account.from_key(keccak(b"consumer")),
    )
    with boa.env.prank(market.deployer):
        deploy_parts(market.economy)
        wire(market.economy.contracts)
    market.models.register(toy_model().abi())
    return market


def deploy_parts(economy: Economy) -> None:
    """Deploy all contracts from the account that is pranked; the settlement's links are left."""
    parts = economy.contracts
    deploy_economy_parts(parts, economy.owner, economy.treasury)
    link_economy(parts)
    parts["bond_token"], parts["payment_token"] = parts["token"], parts["usdc"]
    parts["verifier"] = deployer("mocks/ToyVerifier")()
    parts["models"] = deployer("network/ModelRegistry")(1, parts["verifier"], economy.owner)
    parts["providers"] = deployer("network/ProviderRegistry")(parts["bond_token"], DELAY)
    links = (parts["models"], parts["providers"], parts["ledger"])
    parts["settlement"] = deployer("network/Settlement")(*links, WINDOW, SLASH, REWARD_BPS)
    links = (parts["settlement"], parts["bond_token"])
    parts["game"] = deployer("disputes/DisputeGame")(*links, BOND, CLOCK, EXTENSION)
    parts["audits"] = deploy_audits(parts)


def deploy_audits(parts: dict[str, Any], **changes: Any) -> Any:
    """Audits of the parts' settlement; `changes` by the constructor's names."""
    values = {
        "settlement": parts["settlement"],
        "bond_token": parts["bond_token"],
        "payment_token": parts["payment_token"],
        "rate_bps": RATE_BPS,
        "slots": SLOTS,
        "pay_bps": PAY_BPS,
        "seat_deposit": SEAT,
        "request_bond": REQUEST_BOND,
        "seed_delay_blocks": SEED_DELAY,
    }
    return deployer("disputes/Audits")(*(values | changes).values())


def wire(parts: dict[str, Any]) -> None:
    parts["providers"].set_settlement(parts["settlement"])
    parts["ledger"].set_settlement(parts["settlement"])
    if "audits" in parts:
        parts["settlement"].set_audits(parts["audits"])
    parts["settlement"].set_game(parts["game"])
