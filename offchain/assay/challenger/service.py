"""The challenger as a process: audits every batch, plays every game that it opened."""

from __future__ import annotations

from collections.abc import Sequence

from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.challenger.auditor import Auditor
from assay.challenger.evidence import Evidence
from assay.challenger.player import GamePlayer
from assay.core import logs
from assay.core.service import Loop, Service, run_service
from assay.core.settings import ChallengerSettings
from assay.engine.engine import Engine
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.trace.commitment import ModelCommitment


def run(settings: ChallengerSettings) -> None:
    """Watch until SIGTERM."""
    logs.configure("challenger", settings.log_format)
    run_service(ChallengerService(settings))


class ChallengerService(Service):
    """Everything it must remember is on chain, or in `data_dir`/evidence."""

    name = "challenger"

    def __init__(self, settings: ChallengerSettings) -> None:
        super().__init__()
        self._settings = settings

    def setup(self) -> None:
        settings = self._settings
        account = load_account(settings)
        address = str(account.address)
        network = Network.connect(settings, account)
        model = import_checkpoint(settings.model_path or SHIPPED_MODEL)
        commitment = ModelCommitment(model)
        self._evidence = Evidence(settings.provider_urls, settings.data_dir / "evidence")
        self._auditor = Auditor(
            network,
            self._evidence,
            commitment,
            Engine(model, settings.threads, settings.backend, pin=settings.pin_threads),
            address,
            settings.start_block,
            self.stopping,
        )
        self._player = GamePlayer(
            network, self._evidence, commitment, address, settings.start_block
        )
        logs.event("ready", address=address, model=model.name, root=commitment.model_root)

    def loops(self) -> Sequence[Loop]:
        seconds = self._settings.poll_seconds
        return (
            Loop("audit", seconds, self._auditor.turn),
            Loop("play", seconds, self._player.turn),
        )

    def stop(self) -> None:
        self._player.close()
        self._evidence.close()
