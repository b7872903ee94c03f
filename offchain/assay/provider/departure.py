"""A provider leaves: no more jobs, the last claims to their end, then its money.

Nothing is remembered but that it leaves (`Home.leave`): what is left to do is read anew from
journal and chain, so whoever is interrupted runs the command again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from eth_account.signers.local import LocalAccount

from assay.chain.history import history
from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.chain.process import ManagedProcess
from assay.chain.sender import Mined
from assay.chain.work import DAYS_A_CALL, work_rewards
from assay.core.errors import ContractReverted, EnvironmentMissing
from assay.core.vouchers import day_of
from assay.provider.view import View

END_SECONDS = 60.0
"""For a provider with nothing left to do to end by itself."""
PAUSES = 20
"""Looks at what remains until something is due."""
LONGEST_PAUSE_SECONDS = 60.0


class Stage(StrEnum):
    """How far it is."""

    drain = "jobs are under way"
    post = "claims wait for a batch"
    windows = "windows are open"
    collect = "money can be collected"
    unbonding = "the bond is leaving"
    gone = "gone"


@dataclass(frozen=True)
class Window:
    """A posted batch: claims of it that have not ended, and the last second of its window."""

    batch_id: bytes
    claims: int
    until: int


@dataclass(frozen=True)
class Ticket:
    """Bond on its way out, in ASSAY wei, and the first second in which it can be withdrawn."""

    id: int
    amount: int
    ready_at: int


@dataclass(frozen=True)
class Remainder:
    """What keeps a provider from being gone, at chain time `now`.

    process   the id of the process that serves, if there is one
    running   jobs under way; pending: claims in no posted batch
    earnings  micro-USD; work: ASSAY wei by UTC day; free, locked: ASSAY wei of bond
    """

    now: int
    process: int | None
    running: int
    pending: int
    windows: list[Window]
    games: int
    earnings: int
    work: dict[int, int]
    free: int
    locked: int
    tickets: list[Ticket]

    @property
    def open(self) -> int:
        """Claims that have not ended."""
        return self.pending + sum(window.claims for window in self.windows)

    @property
    def busy(self) -> bool:
        """Whether somebody must serve on: to finish, to show data, to defend."""
        return bool(self.running or self.open or self.games)

    @property
    def stage(self) -> Stage:
        if self.running:
            return Stage.drain
        if self.pending:
            return Stage.post
        if self.windows or self.games:
            return Stage.windows
        ripe = any(ticket.ready_at <= self.now for ticket in self.tickets)
        if self.earnings or self.work or self.free or ripe:
            return Stage.collect
        return Stage.unbonding if self.tickets else Stage.gone

    @property
    def next_at(self) -> int | None:
        """Unix time at which something can be done that cannot be done now, if it is known."""
        times = [window.until + 1 for window in self.windows]
        times += [ticket.ready_at for ticket in self.tickets]
        return min((at for at in times if at > self.now), default=None)


@dataclass(frozen=True)
class Action:
    """A transaction of the last part: what for, and how to send it."""

    purpose: str
    send: Callable[[Network], Mined]


def remainder(view: View) -> Remainder:
    """Read it anew."""
    network, address, health = view.network, view.address, view.health()
    claims = view.records.claims()  # first: one that is posted meanwhile is among both
    batches = view.records.open_batches()
    posted = [batch for batch in batches if batch.posted]
    now = max(network.now(), int(time.time()))  # an idle chain's newest block may be old
    return Remainder(
        now=now,
        process=view.home.process(),
        running=sum(model["running"] for model in health["models"]) if health else 0,
        pending=sum(claim.stage == "pending" for claim in claims),
        windows=[
            Window(b.batch_id, b.open, network.settlement.challenge_until(b.batch_id))
            for b in posted
        ],
        games=health["games"] if health else 0,
        earnings=network.ledger.earnings_of(address),
        work=work_rewards(network, address, day_of(network.now())),
        free=network.providers.free(address),
        locked=network.providers.locked(address),
        tickets=open_tickets(network, address),
    )


def open_tickets(network: Network, provider: str) -> list[Ticket]:
    """Those that were asked for and not withdrawn."""
    start = network.deployment.block
    asked = history(network.providers, "UnbondRequested", start, provider=provider)
    found = []
    for event in asked:
        amount, ready_at = network.providers.ticket(provider, event.args["ticket_id"])
        if amount:
            found.append(Ticket(int(event.args["ticket_id"]), amount, ready_at))
    return found


def actions(left: Remainder, to: str) -> list[Action]:
    """What can be sent now that no claim is open; nothing while one is."""
    if left.stage is not Stage.collect:
        return []
    found: list[Action] = []
    if left.earnings:
        found.append(
            Action(
                f"withdraw ${left.earnings / 10**6:,.6f} to {to}",
                lambda network: network.ledger.withdraw_earnings(to),
            )
        )
    days = sorted(left.work)
    for first in range(0, len(days), DAYS_A_CALL):
        found.append(_reward(days[first : first + DAYS_A_CALL]))
    if left.free:
        found.append(
            Action(
                f"ask for {left.free / 10**18:,.2f} ASSAY of bond back",
                lambda network: network.providers.request_unbond(left.free),
            )
        )
    found += [_withdraw(ticket) for ticket in left.tickets if ticket.ready_at <= left.now]
    return found


def _reward(days: list[int]) -> Action:
    def send(network: Network) -> Mined:
        assert network.sender is not None, "leaving needs an account"
        return network.emissions.reward_work(network.sender.address, days)

    return Action(f"collect emission for {len(days)} days of work", send)


def _withdraw(ticket: Ticket) -> Action:
    return Action(
        f"withdraw {ticket.amount / 10**18:,.2f} ASSAY of bond (ticket {ticket.id})",
        lambda network: network.providers.withdraw(ticket.id),
    )


class Departure:
    """Goes on from wherever it is, until it is gone, or time must pass and `wait` is False.

    Args:
        to: gets the dollars; the bond goes to the provider's own account.
        tell: called with what remains whenever that was read.
        sent: called with every transaction.
    """

    def __init__(
        self,
        view: View,
        to: str,
        wait: bool,
        tell: Callable[[Remainder], None],
        sent: Callable[[Action, Mined], None],
    ) -> None:
        self._view = view
        self._to = to
        self._wait = wait
        self._tell = tell
        self._sent = sent
        self._child: ManagedProcess | None = None

    def run(self) -> Remainder:
        """What remains at the end: nothing, or what must be waited for."""
        account = load_account(self._view.settings)  # a wrong password is told now, not in a week
        self._view.home.leave()
        while True:
            try:
                left = self._closed()
            finally:
                if self._child is not None:
                    self._child.stop(END_SECONDS)
                    self._child = None
            if left.busy:
                return left
            self._ended()
            left = self._collected(account)
            if not left.busy:
                break  # else a job was admitted at the last moment
        if left.stage is Stage.gone and not left.locked:
            self._view.home.stay()
        return left

    def _closed(self) -> Remainder:
        """Wait for the end of the last claim; somebody must serve and defend until then."""
        while True:
            left = self._look()
            if not left.busy or not self._wait:
                return left
            self._keep_served(left)
            self._sleep(left)

    def _look(self) -> Remainder:
        left = remainder(self._view)
        self._tell(left)
        return left

    def _keep_served(self, left: Remainder) -> None:
        """Start a provider that takes no jobs, if none is there."""
        if left.process is not None or (self._child is not None and self._child.running()):
            return
        if self._child is not None:
            raise EnvironmentMissing(
                f"the provider that defends the last claims ended; the end of {self._child.log}:\n"
                f"{self._child.tail()}"
            )
        log = self._view.home.folder / "exit.log"
        command = [sys.executable, "-m", "assay.cli.main", "provider", "serve"]
        self._child = ManagedProcess("provider", command, log)

    def _ended(self) -> None:
        """Two processes must not send from one account."""
        deadline = time.monotonic() + END_SECONDS
        while (process := self._view.home.process()) is not None:
            if time.monotonic() > deadline:
                raise EnvironmentMissing(
                    f"process {process} still serves, with nothing left to do, after "
                    f"{END_SECONDS:.0f} s; stop it, and whatever starts it again, and repeat this"
                )
            time.sleep(0.1)

    def _collected(self, account: LocalAccount) -> Remainder:
        """Send what can be sent, as often as there is something to wait for."""
        settings, home = self._view.settings, self._view.home
        with home.held():
            network = Network.connect(settings, account, home.outbox)
            while True:
                left = self._look()
                for action in actions(left, self._to):
                    self._send(action, network)
                if left.stage is Stage.collect:
                    left = self._look()
                if left.busy or left.stage is Stage.gone or not self._wait:
                    return left
                self._sleep(left)

    def _send(self, action: Action, network: Network) -> None:
        try:
            mined = action.send(network)
        except ContractReverted as error:
            if "not ready" not in error.reason:
                raise
            return  # the newest block is older than our clock: the next turn tries again
        self._sent(action, mined)

    def _sleep(self, left: Remainder) -> None:
        least = self._view.settings.poll_seconds
        soon = (left.next_at - left.now) / PAUSES if left.next_at else least
        time.sleep(min(max(least, soon), LONGEST_PAUSE_SECONDS))
