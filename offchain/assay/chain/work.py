"""A provider's emission for work that daily credit paid for."""

from __future__ import annotations

from assay.chain.history import history
from assay.chain.network import Network

DAYS_A_CALL = 64
"""The limit of `reward_work`."""


def work_rewards(network: Network, provider: str, today: int) -> dict[int, int]:
    """ASSAY wei by UTC day that is over, for credit work that is not rewarded yet."""
    emissions = network.emissions
    events = history(emissions, "WorkRecorded", network.deployment.block, provider=provider)
    days = {int(event.args["day"]) for event in events}
    rewards = {day: emissions.work_reward(provider, day) for day in days if day < today}
    return {day: reward for day, reward in rewards.items() if reward}
