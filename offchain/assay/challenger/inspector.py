"""Does an auditor's duties: a state machine per drawn claim, read from the chain at every turn.

    data ──▶ examine ──▶ commit ──▶ (provider vouches) ──▶ reveal ──▶ settle
      │          └─ wrong: a game                            └─ another witness: a game
      └─ none: demand on chain ──▶ published, or the claim is lost

What cannot be read back from the chain, the witness, is recomputed from the data on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from assay.chain.audits import Audits, AuditState, EntryState, Place
from assay.chain.games import Games
from assay.chain.network import Network
from assay.chain.settlement import ClaimStatus
from assay.challenger.audit import Finding, check_data, check_prompt
from assay.challenger.auditor import Subject
from assay.challenger.certainty import Grounds, establish
from assay.challenger.certainty import Place as ClaimPlace
from assay.challenger.evidence import Evidence
from assay.challenger.exposure import expose
from assay.challenger.opening import game_salt, open_case
from assay.challenger.publications import published
from assay.core import logs
from assay.core.errors import (
    AssayError,
    ContractReverted,
    IncompleteData,
    ProofError,
    UpstreamError,
)
from assay.core.hashes import job_id, keccak
from assay.core.types import ZERO_HASH
from assay.core.wire import ClaimData
from assay.trace.commitment import known

REQUESTS, ANSWERS, COMMITS, VOUCHES, REVEALS, WINDOW = 2, 3, 4, 5, 6, 8
"""Eighths of the window (contracts/interfaces/IAudits.vyi)."""
NOBODY = "0x" + "00" * 20

Witness = Callable[[ClaimData], bytes]
"""The hash that proves a claim recomputed."""


@dataclass(frozen=True)
class Checked(Subject):
    """A model whose claims are audited for pay, and what proves that they were computed."""

    witness: Witness


@dataclass
class Duty:
    """A slot that fell to us; `asked` since when the provider owes us data (monotonic), `until`
    when its claim can be challenged (Unix time)."""

    place: Place
    claim_id: bytes
    provider: str
    root: bytes
    until: int
    asked: float


class Inspector:
    """Meets duties of one account.

    Args:
        grounds: what a challenge is checked against.
        secret: from which the salts of commitments come; known to the auditor alone.
        patience: seconds of asking before a demand on chain.
    """

    def __init__(
        self,
        network: Network,
        evidence: Evidence,
        subjects: Sequence[Checked],
        grounds: Grounds,
        secret: bytes,
        patience: float,
    ) -> None:
        self._network = network
        self._audits: Audits = network.audits
        self._evidence = evidence
        self._subjects: dict[bytes, Checked] = {
            subject.commitment.model_root: subject for subject in subjects
        }
        self._grounds = grounds
        self._address = grounds.address
        self._secret = secret
        self._patience = patience

    def meet(self, duty: Duty) -> bool:
        """Do what is due; True once nothing more can become due. What fails is tried again."""
        place, now = duty.place, self._network.now()
        entry = self._audits.entry(duty.claim_id, place.slot)
        if entry.state is EntryState.SETTLED:
            return True
        try:
            if entry.state is EntryState.NONE:
                return self._begin(duty, now)
            if entry.state is EntryState.COMMITTED and self._waits(duty, now):
                return False
            return self._settled(duty, entry.state, now)
        except AssayError as error:
            logs.warning("duty_failed", claim=duty.claim_id, error=error.message)
            return False

    # Until the commitment.

    def _begin(self, duty: Duty, now: int) -> bool:
        place = duty.place
        audit = self._audits.audit(duty.claim_id)
        open_ = self._status(duty) is ClaimStatus.OPEN
        if now > self._audits.deadline(place.batch_id, COMMITS) or audit.excused or not open_:
            return self._expired(duty, audit, now, open_)
        data = self._data(duty, audit, now)
        if data is None:
            return self._expired(duty, audit, now, open_)
        subject = self._subjects.get(data.job.model_root)
        if subject is None:
            logs.event("not_our_model", job=data.receipt.job_id)
            return True
        check_prompt(data, subject.commitment.header)
        finding = subject.examine(data)
        if finding is not None:
            self._challenge(duty, data, finding)
            return True
        self._commit(duty, data)
        return False

    def _data(self, duty: Duty, audit: AuditState, now: int) -> ClaimData | None:
        """The claim's data, from the provider or from the chain; None if there are none yet."""
        place = duty.place
        try:
            data = self._evidence.get(duty.provider, place.batch_id, place.index)
            self._check(duty, data)
            return data
        except (UpstreamError, ProofError) as error:
            found = published(self._network, place.batch_id, place.index)
            if found is not None:
                self._check(duty, found)
                return found
            logs.warning("data_missing", claim=duty.claim_id, error=error.message)
            self._demand(duty, audit, now)
            return None

    def _check(self, duty: Duty, data: ClaimData) -> None:
        settlement = self._network.settlement.address
        digest = job_id(data.job, self._network.chain_id, settlement)
        check_data(data, duty.root, duty.provider, digest)

    def _demand(self, duty: Duty, audit: AuditState, now: int) -> None:
        """Ask on chain what was asked in vain, while there is time, once."""
        in_time = now <= self._audits.deadline(duty.place.batch_id, REQUESTS)
        if audit.requester != NOBODY or not in_time:
            return
        if monotonic() - duty.asked < self._patience:
            return
        bond = self._audits.request_bond()
        self._network.bond_token.ensure_allowance(self._address, self._audits.address, bond)
        self._audits.request_data(duty.place)
        logs.warning("data_demanded", claim=duty.claim_id, provider=duty.provider)

    def _expired(self, duty: Duty, audit: AuditState, now: int, open_: bool) -> bool:
        """Collect what a silent provider lost; True once there is nothing to wait for."""
        place = duty.place
        if audit.requester != self._address:
            return not open_ or now > self._audits.deadline(place.batch_id, COMMITS)
        if now <= self._audits.deadline(place.batch_id, ANSWERS):
            return False
        self._audits.expire_request(place.batch_id, place.index)
        logs.warning("provider_silent", claim=duty.claim_id, provider=duty.provider)
        return True

    def _commit(self, duty: Duty, data: ClaimData) -> None:
        self._evidence.keep(data)
        place, salt = duty.place, self._salt(duty)
        seal = self._audits.commitment(
            duty.claim_id, place.slot, self._address, self._subject(data).witness(data), salt
        )
        self._audits.commit(place, seal)
        logs.event("committed", claim=duty.claim_id, job=data.receipt.job_id)

    # After it.

    def _waits(self, duty: Duty, now: int) -> bool:
        """Reveal, or see the provider's silence out; False once the entry can be settled."""
        place = duty.place
        audit = self._audits.audit(duty.claim_id)
        if audit.excused:
            return False
        if audit.witness == ZERO_HASH:
            if now <= self._audits.deadline(place.batch_id, VOUCHES):
                return True
            if self._status(duty) is ClaimStatus.OPEN:
                self._audits.expire_vouch(place.batch_id, place.index)
                logs.warning("provider_did_not_vouch", claim=duty.claim_id)
            return False
        if now > self._audits.deadline(place.batch_id, REVEALS):
            return False
        self._reveal(duty, audit)
        return True

    def _reveal(self, duty: Duty, audit: AuditState) -> None:
        place = duty.place
        data = self._evidence.get(duty.provider, place.batch_id, place.index)
        mine = self._subject(data).witness(data)
        self._audits.reveal(place.batch_id, place.index, place.slot, mine, self._salt(duty))
        logs.event("revealed", claim=duty.claim_id, agrees=mine == audit.witness)

    def _settled(self, duty: Duty, state: EntryState, now: int) -> bool:
        """Collect once the claim is paid; True when that is done."""
        place, status = duty.place, self._status(duty)
        if status is ClaimStatus.OPEN and state is EntryState.DISSENTS:
            self._dispute(duty)
        if status is ClaimStatus.OPEN and state is not EntryState.COMMITTED:
            return False
        try:
            mined = self._audits.settle(place.batch_id, place.index, place.slot)
        except ContractReverted as error:
            logs.warning("not_settled", claim=duty.claim_id, reason=error.reason)
            return False
        paid = self._audits.pay_of(duty.claim_id) if state is EntryState.AGREES else 0
        logs.event("audit_settled", claim=duty.claim_id, paid=paid, transaction=mined.hash)
        return True

    def _challenge(self, duty: Duty, data: ClaimData, finding: Finding) -> None:
        """Open the game, once nothing is in doubt, unless it is open."""
        if any(self._network.game.standing(self._game(duty, finding.token_index))):
            return
        place = duty.place
        claim = ClaimPlace(duty.provider, place.batch_id, place.index, duty.root, duty.until)
        case = establish(self._grounds, claim, data, finding)
        header = self._subject(data).commitment.header
        open_case(self._network, self._evidence, header, case, self._address)
        job, t = data.receipt.job_id, finding.token_index
        logs.warning("claim_wrong", job=job, token=t, reason=finding.reason)

    def _dispute(self, duty: Duty) -> None:
        """The provider vouched for another trace: a game, and what its answer exposes."""
        audit = self._audits.audit(duty.claim_id)
        data = self._evidence.get(duty.provider, duty.place.batch_id, duty.place.index)
        if self._grounds.truths.of(data, audit.token_index).trace.witness == audit.witness:
            raise IncompleteData(
                "engines_disagree",
                f"job 0x{data.receipt.job_id.hex()}: the engine rejects the provider's word, the "
                "reference accepts it; report this with the job and try ASSAY_BACKEND=torch",
            )
        self._challenge(duty, data, Finding(audit.token_index, "vouched for another trace"))
        view = Games(self._network).view(self._game(duty, audit.token_index))
        expose(self._network, self._subject(data).commitment, view, data, audit)

    def _game(self, duty: Duty, token_index: int) -> bytes:
        """The id of our game about a token."""
        salt = game_salt(duty.claim_id, self._address)
        return self._network.game.game_id(duty.claim_id, token_index, self._address, salt)

    def _subject(self, data: ClaimData) -> Checked:
        """Of a claim that has been committed to or challenged; ModelError if its model is gone."""
        root = data.job.model_root
        known({root: s.commitment for root, s in self._subjects.items()}, root)
        return self._subjects[root]

    def _status(self, duty: Duty) -> ClaimStatus:
        return self._network.settlement.status(duty.place.batch_id, duty.place.index)

    def _salt(self, duty: Duty) -> bytes:
        return keccak(self._secret + duty.claim_id + duty.place.slot.to_bytes(1, "big"))
