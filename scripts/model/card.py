"""The model card of pydoc-4m, from the figures in `training.json`.

`train.py` renders it at the end of a run; `python scripts/model/card.py <model folder>` renders
it again without training, and measures the exact model anew.
"""

import json
import sys
from pathlib import Path
from typing import Any

from corpus import PACKAGES, PYTHON_LICENCE, SHINGLE_WORDS

from assay.engine import quality

CARD = """\
# pydoc-4m

A Llama of {parameters:,} parameters that continues Python documentation.  It is the small real
model that the package ships: its weights fit in the repository, it speaks recognisable English,
and the project made it, so nobody's conditions but the ones below apply.

- Held-out perplexity, float32 arithmetic on the float16 weights: **{heldout_perplexity:.2f}** per
  token ({heldout_bits_per_character:.3f} bits per character; {heldout_tokens:,} tokens of
  {heldout_documents} documents).
- Exact perplexity, integers only: **{exact[perplexity]:.2f}**, {exact[ratio]:.5f} of the float
  one, with the same most likely token at {exact[top1_agreement]:.2%} of {exact[positions]:,}
  positions; the same under outlier stress up to 1,000 times. `assay model check` measures it.

## Architecture

| | |
|---|---|
| class | `LlamaForCausalLM` |
| layers, hidden, intermediate | 4, 256, 640 |
| heads, key/value heads, head size | 8, 4, 32 |
| RoPE theta, RMSNorm epsilon | 10,000, 1e-5 |
| context | 512 tokens |
| vocabulary | 4,096, byte-level BPE; input and output embeddings tied |
| special token | `<|endoftext|>`, both bos and eos; the tokenizer puts it first |
| weights | float16, `model.safetensors` |

The chat template writes the messages' contents, separated by blank lines.  There are no roles:
this is a base model.

## Data

{corpus_documents:,} documents, {corpus_characters:,} characters, {corpus_tokens:,} tokens: Python's
language reference (`pydoc_data.topics`), the docstrings of its standard library, and those of some
permissively licensed packages, read from their sources as installed.

| source | version | licence | characters |
|---|---|---|---|
{sources}

Doctests, tables, links and reST directives are dropped; documents and paragraphs are deduplicated.
`heldout.txt` and `calibration.txt` are chosen by the hash of a document's name, from Python's own
documents only.  A training document that shares a run of {shingle} words with either is dropped;
so is a calibration document that shares one with the held-out text.  Both texts come from Python's
documentation, Copyright (c) 2001-2023 Python Software Foundation, all rights reserved; the changes
are the selection and the cleaning described above, and `LICENSE.PSF.txt` is their licence.

In both files `<|endoftext|>` stands before each document and after the last one.  Tokenise them
with `add_special_tokens=False`: the marks become the tokens that training saw.

## Training

{steps:,} AdamW steps of {tokens_per_step:,} tokens, {tokens_seen:,} tokens in all ({epochs:.1f}
times the corpus), {training_minutes} minutes on {threads} CPU threads ({machine}, torch {torch});
rate {peak_rate} after a warm-up, falling linearly to zero over the last quarter; every sixth step
on rows of 512 tokens, the others of 256.  Matrix products in bfloat16, weights in float32, rounded
to float16 at the end.  `training.json` has all figures.

    python scripts/model/train.py --minutes {minutes:g}

made it; `--steps {steps}` instead of the minutes repeats its batches and rates.  The same seed
gives the same weights only on the same machine, with the same library versions and number of torch
threads, since a float sum depends on how it is divided; elsewhere the result is close, not equal.

## Samples

At most 60 tokens; the ones at temperature 0.8 are drawn without a top-k or top-p cut.
{samples}
## Use and limits

For tests, demonstrations and measurements of the exact arithmetic: is a computed text the model's,
to the last bit?  Its sentences have the form of documentation and no reliable content; it knows no
facts, follows no instructions, writes English only, and repeats itself in long greedy texts.  Do
not use it for advice of any kind.  It saw only published technical text, in which names of authors
can occur.
"""


def render(figures: dict[str, Any]) -> str:
    """The card as Markdown."""
    return CARD.format_map(
        {
            **figures,
            "shingle": SHINGLE_WORDS,
            "tokens_per_step": figures["tokens_seen"] // figures["steps"],
            "epochs": figures["tokens_seen"] / figures["corpus_tokens"],
            "sources": "\n".join(_source_row(figures, name) for name in _sources(figures)),
            "samples": "\n".join(_sample(sample) for sample in figures["samples"]),
        }
    )


def _sources(figures: dict[str, Any]) -> list[str]:
    sizes: dict[str, int] = figures["corpus_characters_by_source"]
    return list(sizes)


def _source_row(figures: dict[str, Any], name: str) -> str:
    licence = PACKAGES.get(name, PYTHON_LICENCE)
    characters = figures["corpus_characters_by_source"][name]
    return f"| {name} | {figures['versions'][name]} | {licence} | {characters:,} |"


def _sample(sample: dict[str, Any]) -> str:
    kind = f"temperature {sample['temperature']}" if sample["temperature"] else "greedy"
    lines = (sample["prompt"] + "│" + sample["completion"].rstrip()).splitlines()
    quoted = "\n".join(f"    {line}".rstrip() for line in lines)
    return f"\n{kind}, the prompt up to the bar:\n\n{quoted}\n"


def complete(folder: Path, figures: dict[str, Any]) -> None:
    """Measure the exact model of a trained folder, and write its figures and its card.

    Raises:
        SystemExit: the exact model misses a bar of `assay model check`.
    """
    report = quality.check(folder)
    plain, *stressed = report.variants
    same = all(variant.same_integers for variant in stressed)
    if not (report.passes and same):
        raise SystemExit(f"{folder}: the card would not be true of {report.variants}")
    figures["exact"] = {
        "positions": report.positions,
        "perplexity": plain.perplexity,
        "ratio": plain.ratio,
        "top1_agreement": plain.top1_agreement,
    }
    (folder / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(render(figures), encoding="utf-8")


def main() -> None:
    folder = Path(sys.argv[1])
    complete(folder, json.loads((folder / "training.json").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
