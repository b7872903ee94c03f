"""The challenger as a process: audits every batch, plays every game that it opened."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.challenger.audit import audit, audit_embedding
from assay.challenger.auditor import Auditor, Subject
from assay.challenger.canaries import Canaries, make_canaries
from assay.challenger.evidence import Evidence
from assay.challenger.player import GamePlayer
from assay.challenger.truths import Truths
from assay.core import logs
from assay.core.metrics import metrics_app
from assay.core.service import HttpEndpoint, Loop, Service, run_service
from assay.core.settings import LOCAL_CHAIN_ID, ChallengerSettings
from assay.engine.encoder import Encoder
from assay.engine.engine import Engine
from assay.engine.load import import_model, model_paths
from assay.exact.encoder import EncoderModel
from assay.exact.model import ExactModel
from assay.trace.commitment import Commitment, commit

BPS = 10_000
HEAD_SECONDS = 120.0
CANARY_LOOK_SECONDS = 30.0


def run(settings: ChallengerSettings) -> None:
    """Watch until SIGTERM."""
    logs.configure("challenger", settings.log_format)
    run_service(ChallengerService(settings))


class ChallengerService(Service):
    """Everything it must remember is on chain, or in `data_dir`: evidence/ and outbox.json."""

    name = "challenger"

    def __init__(self, settings: ChallengerSettings) -> None:
        super().__init__()
        self._settings = settings

    def setup(self) -> None:
        settings = self._settings
        account = load_account(settings)
        address = str(account.address)
        network = Network.connect(settings, account, settings.data_dir / "outbox.json")
        self._network = network
        subjects = [subject_of(import_model(path), settings) for path in model_paths(settings)]
        commitments = [subject.commitment for subject in subjects]
        self._evidence = Evidence(settings.provider_urls, settings.data_dir / "evidence")
        truths = Truths(commitments)
        self._auditor = Auditor(
            network,
            self._evidence,
            subjects,
            address,
            settings.start_block,
            self.stopping,
            truths,
            head_limit(settings, network.chain_id),
            settings.hold_fire,
            settings.check_all,
        )
        self._canaries = make_canaries(
            network, self._evidence, self._auditor, commitments, settings
        )
        self._player = make_player(network, self._evidence, commitments, truths, settings)
        for commitment in commitments:
            name, root = commitment.model.name, commitment.model_root
            logs.event("ready", address=address, model=name, root=root)

    def loops(self) -> Sequence[Loop]:
        seconds = self._settings.poll_seconds
        return (
            Loop("audit", seconds, self._auditor.turn),
            Loop("play", seconds, self._player.turn),
            Loop("tend", seconds, self._tend),
            *canary_loops(self._canaries, self._settings),
        )

    def http(self) -> HttpEndpoint:
        settings = self._settings
        return HttpEndpoint(metrics_app, settings.host, settings.port, settings.tls())

    def _tend(self) -> None:
        assert self._network.sender is not None, "a challenger has an account"
        self._network.sender.tend()

    def stop(self) -> None:
        self._player.close()
        if self._canaries is not None:
            self._canaries.close()
        self._evidence.close()


def canary_loops(canaries: Canaries | None, settings: ChallengerSettings) -> Sequence[Loop]:
    """None without canaries."""
    if canaries is None:
        return ()
    seconds = max(settings.poll_seconds, min(CANARY_LOOK_SECONDS, settings.canary_seconds))
    return (Loop("canaries", seconds, canaries.turn),)


def make_player(
    network: Network,
    evidence: Evidence,
    commitments: Sequence[Commitment],
    truths: Truths,
    settings: ChallengerSettings,
) -> GamePlayer:
    """Of the account's games; what it may win or lose says how its moves are sent."""
    assert network.sender is not None, "a challenger has an account"
    reward = network.settlement.slash_per_claim() * network.settlement.reward_bps() // BPS
    return GamePlayer(
        network,
        evidence,
        commitments,
        network.sender.address,
        settings.start_block,
        truths,
        network.urgency(network.game.challenger_bond() + reward, settings.token_wei),
        settings.alert_seconds,
    )


def head_limit(settings: ChallengerSettings, chain_id: int) -> float | None:
    """Most age of the newest block, in seconds; None on a local chain unless it is set."""
    if settings.head_seconds is None and chain_id != LOCAL_CHAIN_ID:
        return HEAD_SECONDS
    return settings.head_seconds


def subject_of(model: ExactModel | EncoderModel, settings: ChallengerSettings) -> Subject:
    """A model with what tells its right claims from wrong ones, on its engine."""
    commitment = commit(model)
    header = commitment.header
    if isinstance(model, EncoderModel):
        encoder = Encoder.ready(model, settings.threads)
        return Subject(commitment, partial(audit_embedding, model=header, encoder=encoder))
    engine = Engine(model, settings.threads, settings.backend, pin=settings.pin_threads)
    return Subject(commitment, partial(audit, model=header, engine=engine))
