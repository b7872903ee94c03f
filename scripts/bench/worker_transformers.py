"""Hugging Face transformers as a benchmark worker, see `workers`.

    python -m scripts.bench.worker_transformers float32|bfloat16 [--threads N]

A forward pass with a KV cache and the greedy choice, without `generate`'s own overhead.
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from typing import Any

import torch

from scripts.bench.llama_shape import Sizes, tensors
from scripts.bench.workers import SHORT_PROMPT, Task, prompts, serve, timed


def float_model(sizes: Sizes, dtype: torch.dtype) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=sizes.vocab,
        hidden_size=sizes.hidden,
        intermediate_size=sizes.intermediate,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        head_dim=sizes.head_dim,
        max_position_embeddings=sizes.context,
        rms_norm_eps=sizes.eps,
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    state = {name: torch.from_numpy(values).to(dtype) for name, values in tensors(sizes)}
    model.load_state_dict(state, assign=True)
    # What is computed and not loaded (RoPE's frequencies) is still on "meta".
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config)
    return model.eval()


class Transformers:
    def __init__(self, sizes: Sizes, dtype: torch.dtype) -> None:
        self._sizes = sizes
        self._model = float_model(sizes, dtype)

    def prefill(self, prompt: int) -> float:
        return timed(lambda: self._pass(torch.tensor(prompts(self._sizes.vocab, 1, prompt)), None))

    def decode(self, prompt: int, tokens: int) -> float:
        return self._decode(1, prompt, tokens)

    def batch(self, size: int, tokens: int) -> float:
        return self._decode(size, SHORT_PROMPT, tokens)

    def _decode(self, size: int, prompt: int, tokens: int) -> float:
        chosen, cache = self._pass(torch.tensor(prompts(self._sizes.vocab, size, prompt)), None)

        def run() -> None:
            nonlocal chosen, cache
            for _ in range(tokens):
                chosen, cache = self._pass(chosen, cache)

        return timed(run)

    @torch.inference_mode()
    def _pass(self, tokens: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
        out = self._model(tokens, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].argmax(-1, keepdim=True), out.past_key_values


def main() -> None:
    parser = argparse.ArgumentParser(description="transformers as a benchmark worker.")
    parser.add_argument("dtype", choices=("float32", "bfloat16"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = Transformers(Sizes(), getattr(torch, options.dtype))
    tasks: dict[str, Task] = {
        "prefill": model.prefill,
        "decode": model.decode,
        "batch": model.batch,
    }
    serve(tasks, {"transformers": version("transformers"), "torch": version("torch")})


if __name__ == "__main__":
    main()
