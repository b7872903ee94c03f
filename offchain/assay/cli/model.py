"""`assay model …`"""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from assay.cli import output
from assay.core.settings import ChainSettings, load_settings

if TYPE_CHECKING:
    from assay.engine.importer import Digits
    from assay.engine.quality import QualityReport
    from assay.exact.encoder import EncoderModel
    from assay.exact.model import ExactModel

app = typer.Typer(help="Import, inspect and measure models.", no_args_is_help=True)


class InputBits(Enum):
    """What `--digits` takes."""

    AUTO = "auto"
    SIXTEEN = "16"
    EIGHT = "8"


Checkpoint = Annotated[
    Path | None, typer.Argument(help="Hugging Face checkpoint folder; default: the shipped model.")
]


@app.command("import")
def import_(
    path: Checkpoint = None,
    digits: Annotated[
        InputBits | None,
        typer.Option(
            help="Bits of linear layers' inputs: 16, 8, or auto, which measures where 8 do. "
            "Another choice is another model root. Default: what exact.json says, or else 16."
        ),
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Turn a checkpoint into integers; keeps what was measured in exact.json beside it."""
    facts = _sizes(_imported(path, digits.value if digits else None))
    if as_json:
        output.print_json(facts)
    else:
        output.print_fields("imported", facts)


@app.command()
def bench(
    path: Checkpoint = None,
    prompt: Annotated[int, typer.Option(min=1, help="Prompt tokens.")] = 256,
    answer: Annotated[int, typer.Option(min=2, help="Output tokens.")] = 64,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: one per core.")] = None,
    backend: Annotated[str, typer.Option(help="auto, native or torch.")] = "auto",
    as_json: output.JsonFlag = False,
) -> None:
    """Speed and memory on this machine, as it is now."""
    from assay.engine import speed
    from assay.engine.engine import Engine

    engine = Engine(_decoder(path), threads, cast(Any, backend))
    with output.progress() as progress:
        report = speed.measure(engine, prompt, answer, progress=progress)
    if as_json:
        output.print_json(asdict(report))
        return
    output.print_fields(
        report.model,
        {
            "backend": report.backend,
            "prefill": f"{report.prefill:,.0f} tokens/s of {report.prompt_tokens}",
            **{
                f"decode, {row.requests} at once": f"{row.tokens_per_second:,.0f} tokens/s"
                for row in report.decoding
            },
            "verify": f"{report.verify_share:.1%} of the time of generating",
            "expected memory": f"{report.expected_bytes:,} bytes at most",
            "peak memory": f"{report.resident_bytes:,} bytes, import included",
        },
    )


@app.command()
def check(
    path: Checkpoint = None,
    text: Annotated[Path | None, typer.Option(help="UTF-8 text to measure on.")] = None,
    positions: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many tokens; default: all.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Exact against float, plain and under outlier stress; exit code 1 below the bars."""
    from assay.engine import quality
    from assay.engine.importer import SHIPPED_MODEL

    with output.progress() as progress:
        report = quality.check(
            path or SHIPPED_MODEL, text, max_positions=positions, progress=progress
        )
    if as_json:
        output.print_json(asdict(report) | {"passes": report.passes})
    else:
        _show(report)
    if not report.passes:
        raise typer.Exit(output.REFUTED)


def _show(report: QualityReport) -> None:
    output.print_fields(
        report.model,
        {
            "text": f"{report.text}, {report.positions:,} tokens",
            "checkpoint": f"{report.checkpoint_bytes:,} bytes",
            "exact model": f"{report.exact_bytes:,} bytes",
            "expected memory": f"{report.expected_bytes:,} bytes at most, one full context",
            "float perplexity": f"{report.float_perplexity:.4f}",
            "seconds": f"{report.seconds:.1f}",
        },
    )
    header = ("stress", "perplexity", "exact / float", "top-1 agreement", "logit error", "passes")
    rows = [
        (
            "none" if variant.stress == 1 else f"up to {variant.stress:g}x",
            f"{variant.perplexity:.4f}",
            f"{variant.ratio:.5f}",
            f"{variant.top1_agreement:.2%}",
            f"{variant.logit_error:.4f}",
            variant.passes,
        )
        for variant in report.variants
    ]
    output.print_table("exact model", header, rows)


def _imported(path: Path | None, digits: Digits | None = None) -> ExactModel | EncoderModel:
    from assay.engine.importer import SHIPPED_MODEL
    from assay.engine.load import import_model

    with output.progress() as progress:
        return import_model(path or SHIPPED_MODEL, progress, digits)


def _decoder(path: Path | None) -> ExactModel:
    from assay.engine.importer import SHIPPED_MODEL, import_checkpoint

    with output.progress() as progress:
        return import_checkpoint(path or SHIPPED_MODEL, progress)


def _sizes(model: ExactModel | EncoderModel) -> dict[str, object]:
    from assay.engine.digits import input_bits
    from assay.engine.memory import expected
    from assay.engine.quality import model_bytes
    from assay.exact.encoder import EncoderModel

    if isinstance(model, EncoderModel):
        names = ("layers", "hidden", "heads", "intermediate", "vocab", "context")
        return {"name": model.name} | {name: getattr(model.shape, name) for name in names}
    return {
        "name": model.name,
        "layers": model.shape.layers,
        "hidden": model.shape.hidden,
        "heads": model.shape.heads,
        "kv_heads": model.shape.kv_heads,
        "intermediate": model.shape.intermediate,
        "vocab": model.shape.vocab,
        "context": model.shape.context,
        "inputs_of_8_bits": ", ".join(input_bits(model)) or "none",
        "model_bytes": model_bytes(model),
        "expected_memory_bytes": expected(model).total,
    }


@app.command()
def info(path: Checkpoint = None, as_json: output.JsonFlag = False) -> None:
    """Shape, program and commitments of a model as it is registered on chain."""
    from assay.trace.commitment import commit

    commitment = commit(_imported(path))
    header, program = commitment.header, commitment.program
    tensors = [*program.weights, *program.tables]
    facts = {
        **_sizes(commitment.model),
        "gives": "embeddings" if header.embeds else "tokens",
        "model_root": commitment.model_root,
        "parameters": sum(tensor.values.size for tensor in program.weights),
        "committed_bytes": sum(tensor.values.size * tensor.elem_bytes for tensor in tensors),
        "steps": header.n_steps,
        "weights": header.n_weights,
        "tables": header.n_tables,
        "program_root": header.program_root,
        "weights_root": header.weights_root,
        "tables_root": header.tables_root,
        "tokenizer_hash": header.tokenizer_hash,
        "config_hash": header.config_hash,
    }
    if as_json:
        output.print_json(facts)
    else:
        output.print_fields("model", facts)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where model.json and tensors.bin are written.")],
    path: Checkpoint = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Write the integers that a model root commits to, for other verifiers (exact/SPEC.md)."""
    from assay.trace.commitment import commit
    from assay.trace.export import write_model

    commitment = commit(_imported(path))
    facts = {
        "name": commitment.model.name,
        "model_root": commitment.model_root,
        "folder": folder,
        "bytes": write_model(commitment, folder),
    }
    if as_json:
        output.print_json(facts)
    else:
        output.print_fields("exported", facts)


@app.command()
def register(path: Checkpoint = None, as_json: output.JsonFlag = False) -> None:
    """Publish a model on chain, once and for ever (settings: ASSAY_*)."""
    from assay.chain.anvil import account_or_dev
    from assay.chain.deployment import Deployment
    from assay.chain.network import Network
    from assay.trace.commitment import commit

    settings = load_settings(ChainSettings)
    chain_id = Deployment.load(settings.deployment).chain_id
    network = Network.connect(settings, account_or_dev(settings, chain_id))
    commitment = commit(_imported(path))
    mined = network.models.register(commitment.header)
    facts = {
        "name": commitment.model.name,
        "model_root": commitment.model_root,
        "verifier": network.models.verifier_of(commitment.model_root),
        "transaction": mined.hash,
        "gas": mined.gas_used,
    }
    if as_json:
        output.print_json(facts)
    else:
        output.print_fields("registered", facts)
