"""The auditor as a process: sits in its seats, audits what falls to them, plays its games."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.challenger.audit import audit, audit_embedding
from assay.challenger.auditor import Auditor
from assay.challenger.canaries import make_canaries
from assay.challenger.certainty import Grounds
from assay.challenger.draws import Draws
from assay.challenger.evidence import Evidence
from assay.challenger.inspector import Checked, Duty, Inspector
from assay.challenger.sealed import SealedSource
from assay.challenger.service import canary_loops, head_limit, make_player
from assay.challenger.truths import Truths
from assay.core import logs
from assay.core.boxes import private_key
from assay.core.metrics import metrics_app
from assay.core.outputs import row_commitment
from assay.core.service import HttpEndpoint, Loop, Service, run_service
from assay.core.settings import AuditorSettings, ChallengerSettings
from assay.core.wire import ClaimData
from assay.engine.encoder import Encoder
from assay.engine.engine import Engine
from assay.engine.load import import_model, model_paths
from assay.exact.encoder import EncoderModel
from assay.exact.model import ExactModel
from assay.trace.commitment import Commitment, commit
from assay.trace.pass_trace import PassTrace


def run(settings: AuditorSettings) -> None:
    """Audit until SIGTERM."""
    logs.configure("auditor", settings.log_format)
    run_service(AuditorService(settings))


class AuditorService(Service):
    """Everything it must remember is on chain, or in `data_dir`: evidence/ and outbox.json."""

    name = "auditor"

    def __init__(self, settings: AuditorSettings) -> None:
        super().__init__()
        self._settings = settings
        self._duties: list[Duty] = []

    def setup(self) -> None:
        settings = self._settings
        account = load_account(settings)
        address, key = str(account.address), private_key(bytes(account.key))
        network = Network.connect(settings, account, settings.data_dir / "outbox.json")
        self._network = network
        subjects = [checked(import_model(path), settings) for path in model_paths(settings)]
        commitments = [subject.commitment for subject in subjects]
        truths = Truths(commitments)
        source = SealedSource(settings.provider_urls, address, key)
        self._evidence = Evidence(source, settings.data_dir / "evidence")
        self._draws = Draws(network, address, settings.start_block)
        self._inspector = Inspector(
            network,
            self._evidence,
            subjects,
            Grounds(network, truths, address, head_limit(settings, network.chain_id)),
            key,
            settings.patience_seconds,
        )
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
            check_all=False,
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
            Loop("audit", seconds, self._turn),
            Loop("play", seconds, self._player.turn),
            Loop("tend", seconds, self._tend),
            *canary_loops(self._canaries, self._settings),
        )

    def http(self) -> HttpEndpoint:
        settings = self._settings
        return HttpEndpoint(metrics_app, settings.host, settings.port, settings.tls())

    def _tend(self) -> None:
        assert self._network.sender is not None, "an auditor has an account"
        self._network.sender.tend()

    def stop(self) -> None:
        self._player.close()
        if self._canaries is not None:
            self._canaries.close()
        self._evidence.close()

    def _turn(self) -> None:
        self._duties += self._draws.turn()
        self._duties = [
            duty
            for duty in self._duties
            if self.stopping.is_set() or not self._inspector.meet(duty)
        ]
        self._auditor.turn()


def checked(model: ExactModel | EncoderModel, settings: ChallengerSettings) -> Checked:
    """A model with what tells right claims from wrong ones, and what proves that it was asked."""
    commitment = commit(model)
    header = commitment.header
    if isinstance(model, EncoderModel):
        encoder = Encoder.ready(model, settings.threads)
        judge = partial(audit_embedding, model=header, encoder=encoder)
        return Checked(commitment, judge, partial(embedding_witness, commitment))
    engine = Engine(model, settings.threads, settings.backend, pin=settings.pin_threads)
    judge = partial(audit, model=header, engine=engine)
    return Checked(commitment, judge, partial(token_witness, engine))


def embedding_witness(commitment: Commitment, data: ClaimData) -> bytes:
    """The root of the whole trace."""
    return PassTrace(commitment, data.prompt).witness


def token_witness(engine: Engine, data: ClaimData) -> bytes:
    """The last step's leaf in the pass of the last token: its logits."""
    row = engine.last_logits([*data.prompt, *data.output[:-1]])
    return row_commitment(row.tolist())
