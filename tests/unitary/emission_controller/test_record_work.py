"""EmissionController.record_work: the ledger's word for credit that was spent."""

from __future__ import annotations

from tests.support.evm import begin_day, event, reverts, today
from tests.unitary.emission_controller.conftest import Emission

MAX_WORK = 2**64 - 1


def test_default_behavior(emission: Emission) -> None:
    controller, day = emission.controller, today()
    emission.work(5)
    recorded = event(controller, "WorkRecorded")
    assert (recorded.provider, recorded.day) == (emission.provider, day)
    assert recorded.amount_usd_micro == 5
    emission.work(2)
    emission.work(11, emission.rival)
    assert controller.work(day) == 18
    assert controller.work_of(emission.provider, day) == 7
    assert controller.work_of(emission.rival, day) == 11


def test_each_day_has_its_own(emission: Emission) -> None:
    emission.work(5)
    day = begin_day()
    emission.work(6)
    controller = emission.controller
    assert event(controller, "DayRolled").day == day
    assert (controller.work(day - 1), controller.work(day)) == (5, 6)
    assert controller.work_of(emission.provider, day - 1) == 5
    assert controller.work_of(emission.provider, day) == 6


def test_nothing_is_no_error(emission: Emission) -> None:
    """A payment that spends no credit must not fail."""
    emission.work(0)
    assert emission.controller.work(today()) == 0


def test_revert_not_the_ledger(emission: Emission) -> None:
    for caller in (emission.owner, emission.deployer, emission.staking, emission.provider):
        with reverts("emissions: caller is not the ledger"):
            emission.controller.record_work(emission.provider, 1, sender=caller)


def test_revert_too_much_work(emission: Emission) -> None:
    emission.work(MAX_WORK)
    with reverts("emissions: too much work"):
        emission.work(1)
    assert emission.controller.work(today()) == MAX_WORK
    begin_day()
    assert emission.controller.used_bps(today()) == 10_000 // 7
