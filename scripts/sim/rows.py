"""How many rows the index keeps of a claim, how many bytes, and how fast this machine writes them.

    python -m scripts.sim.rows [--claims 20000] [--out FILE]

Batches of claims that are all paid, as the events of a chain would tell of them, are worked into an
index on SQLite. `results/rows.json` is what `scale.py` reads.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.chain.events import Event
from assay.chain.ranges import Block, Chunk
from assay.core.database import sqlite_url
from assay.core.hashes import keccak
from assay.indexer.index import Index
from scripts.bench.conditions import machine

FILE = Path(__file__).resolve().parent / "results" / "rows.json"
BATCH = 1_000
PER_CALL = 16
"""Claims of one `finalise_many`."""
BLOCK_SECONDS = 2
PROVIDER, CONSUMER = "0x" + "a1" * 20, "0x" + "C2" * 20


def measure(claims: int) -> dict[str, Any]:
    """Work `claims` claims into a new index; rows, bytes and seconds for each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.db"
        index = Index(sqlite_url(path), "nowhere", 1, 64)
        chunks = list(_chunks(claims))
        begun = time.perf_counter()
        for chunk in chunks:
            assert index.add(index.stand(), chunk), "nobody else writes"
        seconds = time.perf_counter() - begun
        rows = sum(index.counts().values())
        index.close()  # the log goes into the file
        size = path.stat().st_size
    return {
        "rows_per_claim": round(rows / claims, 3),
        "bytes_per_claim": round(size / claims),
        "claims_per_second": round(claims / seconds),
    }


def _chunks(claims: int) -> Iterator[Chunk]:
    """A batch and its payments, each in a range of its own."""
    for number in range(claims // BATCH):
        block = 1 + 2 * number
        batch_id = keccak(number.to_bytes(32, "big"))
        yield _chunk(block, [_posted(batch_id, number)])
        told = [event for index in range(BATCH) for event in _paid(batch_id, index)]
        yield _chunk(block + 1, told)


def _chunk(block: int, told: list[tuple[str, str, Mapping[str, Any]]]) -> Chunk:
    hashed = "0x" + keccak(block.to_bytes(32, "big")).hex()
    events = [
        Event(contract, name, args, block, hashed, hashed, place, "0x" + "00" * 20)
        for place, (contract, name, args) in enumerate(told)
    ]
    when = block * BLOCK_SECONDS
    return Chunk(events, {block: when}, Block(block, hashed, when))


def _posted(batch_id: bytes, nonce: int) -> tuple[str, str, Mapping[str, Any]]:
    args = {
        "batch_id": batch_id,
        "provider": PROVIDER,
        "root": bytes(32),
        "count": BATCH,
        "nonce": nonce,
        "challenge_until": 0,
    }
    return "Settlement", "BatchPosted", args


def _paid(batch_id: bytes, index: int) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    job_id = keccak(batch_id + index.to_bytes(32, "big"))
    money = {"credit": 1_000, "usdc": 1_000, "fee": 50, "shortfall": 0}
    parties = {"consumer": CONSUMER, "provider": PROVIDER}
    place = {"claim_id": job_id, "job_id": job_id, "batch_id": batch_id, "index": index}
    yield "CreditLedger", "Paid", {"job_id": job_id, **parties, **money}
    yield "Settlement", "ClaimFinalised", {**place, **parties, "price": 2_000, "paid": 2_000}
    if index % PER_CALL == PER_CALL - 1:
        yield "ProviderRegistry", "Unlocked", {"provider": PROVIDER, "amount": 0}


def kept(file: Path = FILE) -> dict[str, float]:
    """The measured units that lie in the repository."""
    units: dict[str, float] = json.loads(file.read_text())["per_claim"]
    return units


def main() -> None:
    parser = argparse.ArgumentParser(description="Rows of the index for a claim.")
    parser.add_argument("--claims", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    document = {
        "what": "paid claims worked into an index on SQLite",
        "command": f"python -m scripts.sim.rows --claims {options.claims}",
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
        "per_claim": measure(options.claims),
    }
    text = json.dumps(document, indent=1) + "\n"
    options.out.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
