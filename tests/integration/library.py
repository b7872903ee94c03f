"""The services around a sentence encoder as processes on an Anvil of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai

from assay.chain.anvil import Anvil
from assay.engine.encoder import Encoder
from assay.engine.encoder_import import import_encoder
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.tokenizer import Tokenizer
from assay.trace.commitment import EncoderCommitment, ModelCommitment
from tests.integration.arena import Arena
from tests.integration.services import Running, running
from tests.integration.town import Town
from tests.support.encoders import set_apart, write_bert

MODEL = "library"
CONTEXT = 64
WIDTH = 48
CHEAT_STEP = "layer.1.gelu"


@dataclass(frozen=True)
class Library(Town):
    """Everything that runs, and the encoder as this process has it."""

    folder: Path
    encoder: Encoder
    tokenizer: Tokenizer

    def embedded(self, tokens: list[int]) -> list[int]:
        """The integers of the right embedding."""
        row: list[int] = self.encoder.embed(tokens).tolist()
        return row


@contextmanager
def found_library(place: Path) -> Iterator[Library]:
    """Start everything; end everything. The honest provider, the challenger and the gateway have
    the shipped decoder as well, the cheating provider serves the encoder alone."""
    folder = place / MODEL
    folder.mkdir()
    set_apart(write_bert(folder, max_position_embeddings=CONTEXT, hidden_size=WIDTH))
    model = import_encoder(folder)
    cheat = json.dumps({"kind": "tamper", "step": CHEAT_STEP, "delta": 2**24})
    with Anvil() as anvil:
        arena = Arena(anvil, EncoderCommitment(model), place)
        arena.network.models.register(ModelCommitment(import_checkpoint(SHIPPED_MODEL)).header)
        arena.add_bond("honest provider", claims=100)

        def service(name: str, command: str, role: str, **settings: object) -> Running:
            home = place / name
            home.mkdir()
            return Running(arena, home, command.split(), role, **settings)

        def provider(role: str, **settings: object) -> Running:
            name = role.replace(" ", "-")
            return service(name, "provider serve", role, batch_seconds=0.3, **settings)

        with running(
            lambda: provider("honest provider", encoder_path=folder, max_running=1, max_waiting=15),
            lambda: provider("cheating provider", model_path=folder, cheat=cheat),
        ) as (honest, cheating):
            urls = f"{honest.url},{cheating.url}"
            with running(
                lambda: service(
                    "challenger", "challenger run", "challenger",
                    provider_urls=urls, encoder_path=folder,
                ),
                lambda: service(
                    "gateway", "gateway serve", "consumer", provider_urls=urls, encoder_path=folder
                ),
            ) as (challenger, gateway):  # fmt: skip
                url = f"{gateway.url}/v1"
                with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
                    yield Library(
                        arena, honest, cheating, challenger, gateway, client,
                        folder, Encoder.ready(model), Tokenizer.of_checkpoint(folder),
                    )  # fmt: skip
