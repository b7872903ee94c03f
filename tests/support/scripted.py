"""A checkpoint that says what a test wrote: real weights, in which a token decides the next one.

Embeddings are random, attention and MLP add next to nothing, and the head's row of a token is the
embedding of the one before it. So whatever the prompt says, its last token decides the answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from tests.offchain.engine.checkpoints import CONFIG, random_tensors, write_checkpoint

SIZES = {
    "hidden_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 1024,
}
FAINT = 1e-3
EOS = 0


def write_scripted(folder: Path, answers: Mapping[str, Sequence[str]], template: str) -> Path:
    """A Llama that answers a prompt which ends in a cue with the cue's pieces, and then stops.

    Args:
        answers: pieces by cue; each piece and cue becomes a token of its own, and comes once.
        template: the chat template; it ends in a cue.
    """
    texts = [text for cue, pieces in answers.items() for text in (cue, *pieces)]
    assert len(set(texts)) == len(texts), "a token has one successor"
    ids = {text: CONFIG["vocab_size"] + index for index, text in enumerate(texts)}
    config = CONFIG | SIZES | {"vocab_size": CONFIG["vocab_size"] + len(ids)}
    tensors = random_tensors(config)
    for name in ("self_attn.o_proj", "mlp.down_proj"):
        tensors[f"model.layers.0.{name}.weight"] *= FAINT
    tensors["model.norm.weight"] = torch.ones(config["hidden_size"])
    head = tensors["lm_head.weight"]
    head *= FAINT
    for cue, pieces in answers.items():
        chain = [ids[text] for text in (cue, *pieces)]
        for token, following in zip(chain, [*chain[1:], EOS], strict=True):
            head[following] += tensors["model.embed_tokens.weight"][token]
    write_checkpoint(folder, config, tensors)
    _add_tokens(folder / "tokenizer.json", ids)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    return folder


def _add_tokens(path: Path, ids: Mapping[str, int]) -> None:
    document = json.loads(path.read_text())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    document["added_tokens"] += [{"id": i, "content": text, **flags} for text, i in ids.items()]
    path.write_text(json.dumps(document))
