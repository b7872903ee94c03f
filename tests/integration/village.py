"""An arena with everything that money does: a pool on Uniswap, a holder of KARAT, channels.

The deployer's account is the holder, the consumer the gateway that collects the holder's vouchers
and pays for claims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from assay.chain.anvil import Anvil, dev_account
from assay.chain.games import Games
from assay.chain.network import Network
from assay.chain.parameters import Parameters, Setup
from assay.chain.sender import Mined, Sender
from assay.chain.settlement import Finalisation
from assay.chain.uniswap import UniswapV2
from assay.core.game import Timeout
from assay.core.merkle import row_path
from assay.core.vouchers import DAY_SECONDS, SignedVoucher, Voucher, day_of, voucher_digest
from assay.core.wire import ClaimData
from assay.trace.commitment import Commitment
from tests.integration import bank
from tests.integration.arena import RULES as ARENA_RULES
from tests.integration.arena import Arena, greedy

ETHER = 10**18
DOLLAR = 10**6
RULES = replace(
    ARENA_RULES,
    corners=bank.RULES.corners,
    daily_capacity_usd_micro=bank.RULES.daily_capacity_usd_micro,
    auction=bank.RULES.auction,
)
PROVIDER = "honest provider"


class Village(Arena):
    """One chain; `uniswap` has no pool until `open_pool`."""

    def __init__(self, anvil: Anvil, commitment: Commitment, folder: Path) -> None:
        super().__init__(anvil, commitment, folder, RULES)
        self.saved = folder / "deployment"
        self.add_bond(PROVIDER, 100)

    def _setup(self, rules: Parameters, deployer: Sender) -> Setup:
        self.uniswap = UniswapV2.deploy(deployer.web3, deployer)
        setup = super()._setup(rules, deployer)
        return replace(setup, uniswap_router=self.uniswap.router.address)

    @property
    def holder(self) -> str:
        assert self.network.sender is not None
        return self.network.sender.address

    @property
    def gateway(self) -> Network:
        return self.networks["consumer"]

    def stake(self, amount: int) -> None:
        """The holder stakes ASSAY."""
        self.network.assay.approve(self.network.staking.address, amount)
        self.network.staking.stake(amount)

    def karat(self, locked: int) -> int:
        """The holder mints KARAT and stakes it; how much it has."""
        self.network.minter.mint(locked, 0)
        minted = self.network.karat.balance_of(self.holder)
        self.network.karat.stake(minted)
        return minted

    def open_channel(self, karat_micro: int, deposit: int, days: int = 30) -> None:
        """From the holder to the gateway."""
        network, payee = self.network, self.address("consumer")
        network.usdc.mint(self.holder, deposit)
        network.usdc.approve(network.ledger.address, deposit)
        expires_at = network.now() + days * DAY_SECONDS
        network.ledger.set_channel(payee, karat_micro, 0, "0x" + "00" * 20, expires_at, deposit)

    def collect(self, cumulative: int) -> Mined:
        """The gateway collects a voucher of today's."""
        voucher = Voucher(
            self.holder, self.address("consumer"), day_of(self.network.now()), cumulative
        )
        hashed = voucher_digest(voucher, self.network.chain_id, self.network.ledger.address)
        signature = bytes(dev_account().unsafe_sign_hash(hashed).signature)
        return self.gateway.ledger.collect(SignedVoucher(voucher, signature))

    def claims(self, count: int) -> list[ClaimData]:
        """Post claims in one batch; what they say is not looked at."""
        return self.post(*(self.draft((1, 2, 3), (4, 5), greedy(2)) for _ in range(count)))

    def finalise(self, claims: Sequence[ClaimData]) -> Mined:
        """Pay claims of one batch that lie side by side."""
        first, last = claims[0], claims[-1]
        path = row_path(first.index, last.index, first.proof, last.proof)
        items = [Finalisation(claim.receipt, claim.job, claim.signature) for claim in claims]
        return self.network.settlement.finalise_many(first.batch_id, first.index, items, path)

    def abandon(self, claim: ClaimData) -> None:
        self.networks[PROVIDER].settlement.abandon(claim.batch_id, claim.index)

    def convict(self, claim: ClaimData) -> bytes:
        """Challenge a claim whose provider stays silent; the game."""
        game = self.open(claim, 0)
        self.pass_clock(game)
        Games(self.networks["challenger"]).play(Games(self.network).view(game), Timeout())
        return game

    def pass_clock(self, game: bytes) -> None:
        """Let the time of the side to move run out."""
        self.pass_time(Games(self.network).view(game).state.deadline)

    def pass_window(self, claim: ClaimData) -> None:
        self.pass_time(self.network.settlement.challenge_until(claim.batch_id))

    def pass_days(self, days: int) -> None:
        """To the first second of a day."""
        self.pass_time((day_of(self.network.now()) + days) * DAY_SECONDS)

    def set_reference_price(self, price: int) -> None:
        """The timelock's word, which it gives here without its delay."""
        models, root = self.network.models, self.commitment.model_root
        owner = models.owner()
        self.anvil.rpc("anvil_setBalance", owner, hex(ETHER))
        self.anvil.rpc("anvil_impersonateAccount", owner)
        call = models.contract.functions.set_reference_price(root, price, price)
        hashed = call.transact({"from": self.network.web3.to_checksum_address(owner)})
        self.network.web3.eth.wait_for_transaction_receipt(hashed)

    def earn_fees(self) -> None:
        """A claim paid in dollars."""
        (claim,) = self.claims(1)
        self.pass_window(claim)
        self.finalise([claim])

    def fund_auction(self, usd_micro: int) -> None:
        """Dollars at the fee router, as from subscriptions."""
        self.network.usdc.mint(self.network.router.address, usd_micro)

    def open_pool(self, assay: int, usd_micro: int) -> None:
        self.network.usdc.mint(self.holder, usd_micro)
        self.uniswap.add_liquidity(self.network.assay, assay, self.network.usdc, usd_micro)

    def mine(self, blocks: int) -> None:
        self.anvil.rpc("anvil_mine", hex(blocks))
