"""Canaries: answers bought like any consumer's, in order to check them.

A challenger needs a claim's data. A provider may withhold it from everybody but its consumer, so
the canary's buyer is one: through a gateway, whose key signs its jobs among all others. Prompts are
the operator's own, lengths and temperatures vary, the pauses are random. Nothing that the provider
sees tells a canary from other jobs. Job and model fix the answer, so the truth is known without
asking anybody; what is wrong is challenged as any other claim.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.chain.network import Network
from assay.chain.settlement import ClaimStatus
from assay.challenger.audit import check_data
from assay.challenger.auditor import Auditor
from assay.challenger.certainty import Place
from assay.challenger.evidence import Evidence
from assay.challenger.purse import Canary, Purse
from assay.challenger.storefront import Bought, Shelf, Storefront
from assay.core import logs, metrics
from assay.core.errors import AssayError, ConfigError, ProofError, UpstreamError
from assay.core.hashes import job_id
from assay.core.outputs import output_root
from assay.core.settings import ChallengerSettings
from assay.core.types import Model
from assay.core.wire import ClaimData
from assay.trace.commitment import Commitment

TEMPERATURES = (0.0, 0.7, 1.0)
POSTED_LATE_SECONDS = 600
"""Between a deadline and our knowledge of what was posted before it."""

BOUGHT = metrics.counter("assay_canaries_bought_total", "Answers bought in order to check them.")
SPENT = metrics.counter("assay_canary_micro_usd_total", "What those that were answered cost.")
ENDED = metrics.counter(
    "assay_canaries_total",
    "Canaries by what became of them: on chain, or unposted, unpaid.",
    "result",
)
FAILED = metrics.counter("assay_canary_failures_total", "Purchases and look-ups that failed.")


class Canaries:
    """A loop's turn: look after those that were bought, then buy one if its time has come.

    Args:
        auditor: examines and challenges their claims.
        headers: of the models that it can check, by root.
        prompts: texts to choose from.
        pause: mean seconds between two purchases.
        tokens: most output tokens of one.
    """

    def __init__(
        self,
        network: Network,
        evidence: Evidence,
        auditor: Auditor,
        storefront: Storefront,
        purse: Purse,
        headers: Mapping[bytes, Model],
        prompts: Sequence[str],
        pause: float,
        tokens: int,
    ) -> None:
        self._network = network
        self._evidence = evidence
        self._auditor = auditor
        self._storefront = storefront
        self._purse = purse
        self._headers = dict(headers)
        self._prompts = tuple(prompts)
        self._pause = pause
        self._tokens = tokens
        self._claims: dict[str, ClaimData] = {}
        self._chance = random.SystemRandom()
        self._due = time.time() + self._chance.expovariate(1 / pause)

    def turn(self) -> None:
        for canary in self._purse.waiting():
            self._try(lambda canary=canary: self._look_after(canary))  # type: ignore[misc]
        now = time.time()
        if now >= self._due and self._purse.affords(now):
            self._due = now + self._chance.expovariate(1 / self._pause)
            self._try(self._buy)

    def close(self) -> None:
        self._storefront.close()

    def _try(self, action: Callable[[], None]) -> None:
        """What fails is tried again at another turn."""
        try:
            action()
        except AssayError as error:
            FAILED.add()
            logs.warning("canary_failed", error=error.message)

    def _buy(self) -> None:
        shelves = [shelf for shelf in self._storefront.shelves() if shelf.root in self._headers]
        if not any(shelf.providers for shelf in shelves):
            raise UpstreamError("the gateway sells no model that this service can check")
        try:
            canary = Canary(self._storefront.buy(self._request(shelves)), time.time())
        except UpstreamError:
            self._purse.lose(time.time())
            raise
        self._purse.put(canary, time.time())
        BOUGHT.add()
        logs.event("canary_bought", receipt=canary.receipt_id)
        self._look_after(canary)

    def _request(self, shelves: Sequence[Shelf]) -> dict[str, Any]:
        """A completion of the operator's text, by any provider with the same chance."""
        offers = [(shelf.model, provider) for shelf in shelves for provider in shelf.providers]
        model, provider = self._chance.choice(offers)
        return {
            "model": model,
            "prompt": self._chance.choice(self._prompts),
            "max_tokens": self._chance.randint((self._tokens + 1) // 2, self._tokens),
            "temperature": self._chance.choice(TEMPERATURES),
            "provider": {"only": [provider]},
        }

    def _look_after(self, canary: Canary) -> None:
        claim = self._claims.get(canary.receipt_id)
        if claim is None:
            bought = self._storefront.receipt(canary.receipt_id)
            canary = self._priced(canary, bought)
            claim = bought.claim
            if claim is None:
                self._give_up(canary, bought.deadline)
                return
            self._hand_over(canary, claim)
        self._follow(canary, claim)

    def _priced(self, canary: Canary, bought: Bought) -> Canary:
        answered = bought.price is not None
        price = bought.max_price if bought.price is None else bought.price
        if (price, answered) == (canary.price, canary.answered):
            return canary
        if answered:
            SPENT.add(price)
        canary = replace(canary, price=price, answered=answered)
        self._purse.put(canary, time.time())
        return canary

    def _give_up(self, canary: Canary, deadline: int) -> None:
        """A claim that was not posted by its deadline is never paid."""
        if self._network.now() > deadline + POSTED_LATE_SECONDS:
            self._end(canary, "unposted")

    def _hand_over(self, canary: Canary, claim: ClaimData) -> None:
        """To the auditor, who finds the data on disk; once, as what is right stays right."""
        place = self._place(claim)
        self._check(place, claim)
        self._claims[canary.receipt_id] = claim
        if self._network.now() <= place.until:
            self._evidence.keep(claim)
            self._auditor.watch(place)

    def _check(self, place: Place, claim: ClaimData) -> None:
        """ProofError for a claim that is not what the chain has: a gateway that could put such data
        on our disk would keep us from checking the claim."""
        network = self._network
        digest = job_id(claim.job, network.chain_id, network.settlement.address)
        check_data(claim, place.root, place.provider, digest)
        header = self._headers.get(claim.job.model_root)
        if header is None:
            raise ProofError(f"the gateway sold model 0x{claim.job.model_root.hex()}")
        if output_root(header, claim.output, claim.salt) != claim.receipt.output_root:
            raise ProofError("the output is not the receipt's")

    def _follow(self, canary: Canary, claim: ClaimData) -> None:
        """Until the claim has ended on chain, or nobody can be expected to end it."""
        place = self._place(claim)
        status = self._network.settlement.status(place.batch_id, place.index)
        if status is not ClaimStatus.OPEN:
            self._end(canary, status.name.lower())
        elif self._network.now() > place.until + self._network.game.longest_game_seconds():
            self._end(canary, "unpaid")

    def _place(self, claim: ClaimData) -> Place:
        """As the chain has it; the rest of the claim the auditor checks."""
        settlement = self._network.settlement
        batch = settlement.batch(claim.batch_id)
        until = settlement.challenge_until(claim.batch_id)
        return Place(batch.provider, claim.batch_id, claim.index, batch.root, until)

    def _end(self, canary: Canary, result: str) -> None:
        self._purse.put(replace(canary, ended=True), time.time())
        self._claims.pop(canary.receipt_id, None)
        ENDED.add(result=result)
        logs.event("canary_ended", receipt=canary.receipt_id, result=result)


def make_canaries(
    network: Network,
    evidence: Evidence,
    auditor: Auditor,
    commitments: Sequence[Commitment],
    settings: ChallengerSettings,
) -> Canaries | None:
    """As the settings say; None without a gateway."""
    if settings.canary_url is None:
        return None
    key = settings.canary_key
    return Canaries(
        network,
        evidence,
        auditor,
        Storefront(settings.canary_url, key.get_secret_value() if key else None),
        Purse(settings.data_dir / "canaries.json", settings.canary_budget),
        {commitment.model_root: commitment.header for commitment in commitments},
        read_prompts(settings.canary_prompts),
        settings.canary_seconds,
        settings.canary_tokens,
    )


def read_prompts(path: Path | None) -> list[str]:
    """The lines of a file that are not empty."""
    if path is None:
        raise ConfigError(
            "ASSAY_CANARY_URL is set, but no prompts: set ASSAY_CANARY_PROMPTS to a text file with "
            "one prompt a line, such as your users might send"
        )
    try:
        prompts = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"ASSAY_CANARY_PROMPTS: cannot read {path}: {error}; name a readable UTF-8 file"
        ) from error
    found = [prompt for prompt in prompts if prompt]
    if not found:
        raise ConfigError(f"ASSAY_CANARY_PROMPTS: {path} has no prompt; write one a line")
    return found
