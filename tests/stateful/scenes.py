"""Where runs of the economy's machine begin: nothing has happened yet, or much has."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

from eth_account import Account

from assay.core.hashes import keccak
from tests.stateful.moves import ALL, ONE, THIRD, Flows, Moves
from tests.stateful.readings import Readings
from tests.support.beside import Beside, settings
from tests.support.economy import DOLLAR, ETHER, deploy_economy
from tests.support.evm import DAY, now
from tests.support.reference.base import Clock
from tests.support.reference.emissions import Emissions
from tests.support.reference.tokens import Token
from tests.support.reference.world import World

ACTORS = [Account.from_key(keccak(name)) for name in (b"first", b"second", b"third")]
ASSAY = 200_000 * ETHER
USD = 50_000 * DOLLAR
WHALE = 890_000 * ETHER


@dataclass
class Scene:
    """An economy with its model as they stand; `begin` has a copy of the model for one run.

    schedule   emission as deployed, in which no rate is ever lowered
    """

    beside: Beside
    world: World
    flows: Flows
    schedule: Emissions
    readings: Readings

    def begin(self) -> Moves:
        world = deepcopy(self.world)
        world.karat.committed_of = lambda account: world.ledger.committed_of(account)[0]
        self.beside.world = world
        self.schedule.clock = world.clock
        return Moves(self.beside, replace(self.flows))


def empty() -> Scene:
    """Just deployed; actors hold ASSAY and dollars."""
    beside = Beside(deploy_economy(), ACTORS)
    terms = settings()
    schedule = Emissions(Clock(now()), Token(), list(terms.stages), terms.corners, terms.capacity)
    for name in beside.names:
        beside.give(name, assay=ASSAY, usd_micro=USD)
    return Scene(beside, beside.world, Flows(), schedule, Readings(beside))


def lived_in() -> Scene:
    """A month later: stakes, KARAT with a price, ripe and unripe tickets, channels in use, one
    that has expired, fees on their way, work of yesterday."""
    scene = empty()
    beside, moves = scene.beside, Moves(scene.beside, scene.flows)
    treasury = beside.economy.treasury
    beside.stake(treasury, treasury, WHALE)
    beside.mint_karat(treasury, WHALE)
    for who in range(3):
        beside.stake(beside.names[who], beside.names[who], ASSAY * 3 // 4)
        moves.mint(who, 0, THIRD)
        moves.deposit(who, who, THIRD)
        moves.stake_karat(who, who, THIRD)
        moves.stake_karat(who, who, THIRD)
    _leave_something(moves)
    moves.set_terms(0, 2, THIRD, 0, False, DAY, THIRD)
    beside.travel(31 * DAY)
    moves.set_terms(0, 1, THIRD, 3_333, True, 40 * DAY, THIRD)
    moves.set_terms(1, 1, THIRD, 10_000, False, 40 * DAY, ONE)
    moves.set_terms(2, 0, ALL, 5_000, False, 3 * DAY, THIRD)
    beside.travel(DAY + 3_600)
    moves.collect(0, 1, THIRD)
    moves.collect(1, 1, ALL)
    moves.pay(1, 2, 3, 0, 0)
    beside.travel(DAY)
    moves.collect(2, 0, ALL)
    moves.pay(0, 1, 3, 0, 0)
    moves.donate(2, 2, THIRD)
    moves.route(0, 0, 0)
    _leave_something(moves)
    beside.compare()
    assert all(refused == 0 for _, refused in beside.counts.values()), beside.counts
    return scene


def _leave_something(moves: Moves) -> None:
    """A ticket of each kind."""
    moves.unstake(0, 0, THIRD)
    moves.unstake(1, 1, THIRD)
    moves.unstake_karat(1, 1, THIRD)
    moves.give_notice(0, 0, THIRD)
    moves.give_notice(2, 2, THIRD)
