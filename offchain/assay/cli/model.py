"""`assay model …`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import output
from assay.core.settings import ChainSettings, load_settings

if TYPE_CHECKING:
    from assay.engine.quality import QualityReport

app = typer.Typer(help="Import, inspect and measure models.", no_args_is_help=True)

Checkpoint = Annotated[
    Path | None, typer.Argument(help="Hugging Face checkpoint folder; default: the shipped model.")
]


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

    with output.stderr.status("starting") as status:

        def progress(what: str, share: float) -> None:
            status.update(f"{what}, {share:.0%}")

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


@app.command()
def info(path: Checkpoint = None, as_json: output.JsonFlag = False) -> None:
    """Shape, program and commitments of a model as it is registered on chain."""
    from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
    from assay.trace.commitment import ModelCommitment

    commitment = ModelCommitment(import_checkpoint(path or SHIPPED_MODEL))
    model, header, program = commitment.model, commitment.header, commitment.program
    tensors = [*program.weights, *program.tables]
    facts = {
        "name": model.name,
        "model_root": commitment.model_root,
        "parameters": sum(tensor.values.size for tensor in program.weights),
        "committed_bytes": sum(tensor.values.size * tensor.elem_bytes for tensor in tensors),
        "layers": model.shape.layers,
        "hidden": model.shape.hidden,
        "heads": model.shape.heads,
        "kv_heads": model.shape.kv_heads,
        "intermediate": model.shape.intermediate,
        "vocab": header.vocab_size,
        "context": header.context_length,
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
def register(path: Checkpoint = None, as_json: output.JsonFlag = False) -> None:
    """Publish a model on chain, once and for ever (settings: ASSAY_*)."""
    from assay.chain.anvil import account_or_dev
    from assay.chain.deployment import Deployment
    from assay.chain.network import Network
    from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
    from assay.trace.commitment import ModelCommitment

    settings = load_settings(ChainSettings)
    chain_id = Deployment.load(settings.deployment).chain_id
    network = Network.connect(settings, account_or_dev(settings, chain_id))
    commitment = ModelCommitment(import_checkpoint(path or SHIPPED_MODEL))
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
