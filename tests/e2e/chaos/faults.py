"""What is done to the town, each while clients keep asking."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.e2e.chaos.load import Outcome, ask
from tests.e2e.chaos.town import Town
from tests.integration.services import Running, wait_for
from tests.support.bad_providers import Habit

REORGANISED = 20
SKEW_SECONDS = 300
"""Less than the ten minutes that a job leaves for posting: a claim posted later is not paid."""
FULL_SECONDS = 2.0
MOST_SILENCE_SECONDS = 75.0
"""A gateway gives up a silent provider before that."""

Fault = Callable[[Town, Random], None]


def gateway_killed(town: Town, draw: Random) -> None:
    _kill(town, town.services.gateway, draw)


def provider_killed(town: Town, draw: Random) -> None:
    """With a false challenge against it under way."""
    town.accuse()
    _kill(town, town.services.provider, draw)


def engine_killed(town: Town, draw: Random) -> None:
    """The process in which the provider decodes; the provider lives."""
    time.sleep(draw.uniform(0, 1))
    provider = town.services.provider.process.pid
    os.kill(wait_for(lambda: _engine_of(provider), 30, "an engine's process"), signal.SIGKILL)


def _engine_of(provider: int) -> int | None:
    """The one child that decodes; threads and processes may end while they are looked at."""
    engines = []
    for task in Path(f"/proc/{provider}/task").iterdir():
        with suppress(OSError):
            for pid in (task / "children").read_text().split():
                if "engine.process" in Path(f"/proc/{pid}/cmdline").read_text():
                    engines.append(int(pid))
    return engines[0] if len(engines) == 1 else None


def challenger_killed(town: Town, draw: Random) -> None:
    """With a lie to convict."""
    town.lie()
    time.sleep(draw.uniform(0, 2))
    _kill(town, town.services.challenger, draw)


def keeper_killed(town: Town, draw: Random) -> None:
    """While it and the provider pay the same claims."""
    network = town.arena.network
    town.arena.pass_time(network.now() + network.settlement.window_seconds())
    _kill(town, town.services.keeper, draw)


def indexer_killed(town: Town, draw: Random) -> None:
    """With blocks to work in, a game's among them."""
    town.lie()
    _kill(town, town.services.indexer, draw)


def all_killed(town: Town, draw: Random) -> None:
    """One soon after the other, games under way; and a provider cuts its answers short."""
    town.accuse()
    town.lie()
    each = town.services
    services = [each.gateway, each.provider, each.challenger, each.keeper, each.indexer]
    draw.shuffle(services)
    for service in services:
        time.sleep(draw.uniform(0, 0.5))
        service.kill()
        service.start()
    for service in services:
        service.wait_ready()
    misbehaves(Habit.DISCONNECTS)(town, draw)


def chain_restarted(town: Town, draw: Random) -> None:
    """From the state of some blocks ago: what was mined since has never been."""
    state = town.state()
    town.lie()
    time.sleep(draw.uniform(0.5, 2))
    town.restart_anvil(state)


def chain_reorganised(town: Town, draw: Random) -> None:
    town.lie()
    time.sleep(draw.uniform(0.5, 2))
    town.reorganise(REORGANISED)


def payments_reorganised(town: Town, draw: Random) -> None:
    """Claims are paid, then the blocks that paid them are replaced."""
    network = town.arena.network
    town.arena.pass_time(network.now() + network.settlement.window_seconds())
    time.sleep(draw.uniform(1, 2))
    town.reorganise(REORGANISED)


def database_restarted(town: Town, draw: Random) -> None:
    time.sleep(draw.uniform(0, 1))
    town.postgres.restart()


def provider_behind(town: Town, draw: Random) -> None:
    """Its clock is set back between two starts, and put right again."""
    _wrong_clock(town, town.services.provider, draw, -SKEW_SECONDS)


def gateway_ahead(town: Town, draw: Random) -> None:
    _wrong_clock(town, town.services.gateway, draw, SKEW_SECONDS)


def chain_ahead(town: Town, draw: Random) -> None:
    """The chain's clock leaps ahead of every service's."""
    town.lie()
    time.sleep(draw.uniform(0, 1))
    town.arena.anvil.rpc("evm_increaseTime", SKEW_SECONDS)
    town.arena.anvil.rpc("evm_mine")


def journal_full(town: Town, draw: Random) -> None:
    """No file of the provider's may grow for a while: writes fail as on a full disk."""
    time.sleep(draw.uniform(0, 1))
    pid = town.services.provider.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    time.sleep(FULL_SECONDS)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def misbehaves(habit: Habit) -> Fault:
    """Requests, whole and streamed, to a provider that breaks the protocol.

    A late answer that is right may be passed on; of the others none may be taken for an answer.
    """

    def strike(town: Town, draw: Random) -> None:
        bad = town.bad[habit]

        def once(stream: bool) -> Outcome:
            prompt = f"Bad {draw.random()}"
            with town.client(MOST_SILENCE_SECONDS) as client:
                return ask(client, stream, prompt=prompt, max_tokens=4, **town.only(bad.address))

        with ThreadPoolExecutor(2) as threads:
            found = list(threads.map(once, (False, True)))
        assert bad.jobs > 0, "it was never asked"
        for outcome in found:
            assert outcome.unclear is None, outcome
            assert outcome.refusal is not None or habit is Habit.LATE, outcome

    return strike


def _wrong_clock(town: Town, service: Running, draw: Random, seconds: int) -> None:
    service.kill()
    town.restart(service, clock_ahead=seconds)
    time.sleep(draw.uniform(1, 3))
    service.kill()
    town.restart(service)


def _kill(town: Town, service: Running, draw: Random) -> None:
    """At a random instant, for a random time."""
    time.sleep(draw.uniform(0, 1.5))
    service.kill()
    time.sleep(draw.uniform(0, 1))
    town.restart(service)


FAULTS: dict[str, Fault] = {
    # First of all: later, what settles each fault leaves the chain hours ahead of every clock.
    "provider's clock behind": provider_behind,
    "gateway's clock ahead": gateway_ahead,
    "all killed": all_killed,
    "gateway killed": gateway_killed,
    "provider killed": provider_killed,
    "engine killed": engine_killed,
    "challenger killed": challenger_killed,
    "keeper killed": keeper_killed,
    "indexer killed": indexer_killed,
    "chain restarted from a snapshot": chain_restarted,
    "chain reorganised by 20 blocks": chain_reorganised,
    "payments reorganised": payments_reorganised,
    "database restarted": database_restarted,
    "chain's clock ahead": chain_ahead,
    "provider's disk full": journal_full,
    **{f"a provider that {habit.value}": misbehaves(habit) for habit in Habit},
}
SHORT = ("all killed", "engine killed")
"""What every run of the tests has."""
