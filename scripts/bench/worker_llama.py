"""llama.cpp with Q8_0 weights as a benchmark worker, see `workers`; runs in its own environment.

    python -m scripts.bench.worker_llama GGUF [--threads N]

Writes the GGUF file first if it is not there. Its tokens are ids: the file has no vocabulary.
"""

from __future__ import annotations

import argparse
import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.llama_shape import Sizes, tensors
from scripts.bench.workers import SHORT_PROMPT, Task, prompts, serve, timed

NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def gguf_name(name: str) -> str:
    if name in OUTER:
        return OUTER[name]
    _, _, index, inner = name.split(".", 3)
    return f"blk.{index}.{NAMES[inner.removesuffix('.weight')]}.weight"


def write_gguf(path: Path, sizes: Sizes) -> None:
    import gguf

    partial = path.with_suffix(".partial")
    writer = gguf.GGUFWriter(partial, "llama")
    writer.add_context_length(sizes.context)
    writer.add_embedding_length(sizes.hidden)
    writer.add_block_count(sizes.layers)
    writer.add_feed_forward_length(sizes.intermediate)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.kv_heads)
    writer.add_layer_norm_rms_eps(sizes.eps)
    writer.add_rope_freq_base(sizes.theta)
    writer.add_rope_dimension_count(sizes.head_dim)
    writer.add_vocab_size(sizes.vocab)
    writer.add_tokenizer_model("none")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    q8 = gguf.GGMLQuantizationType.Q8_0
    for name, values in tensors(sizes):
        if values.ndim == 1:
            writer.add_tensor(gguf_name(name), values)
        else:
            rotated = name.endswith(("q_proj.weight", "k_proj.weight"))
            values = interleaved(values, sizes.head_dim) if rotated else values
            writer.add_tensor(gguf_name(name), gguf.quants.quantize(values, q8), raw_dtype=q8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, path)


def interleaved(values: Any, head_dim: int) -> Any:
    """llama.cpp pairs neighbouring channels in RoPE, Hugging Face the two halves of a head."""
    out, width = values.shape
    heads = values.reshape(out // head_dim, 2, head_dim // 2, width)
    return np.ascontiguousarray(heads.swapaxes(1, 2).reshape(out, width))


class Llama:
    def __init__(self, path: Path, sizes: Sizes, threads: int) -> None:
        import llama_cpp

        self._cpp: Any = llama_cpp
        self._sizes = sizes
        self._threads = threads
        llama_cpp.llama_backend_init()
        self._silence = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self._silence, ctypes.c_void_p(0))
        parameters = llama_cpp.llama_model_default_params()
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise SystemExit(f"llama.cpp cannot load {path}; delete it to write it again")

    def prefill(self, prompt: int) -> float:
        context = self._context(1, prompt)
        seconds = timed(lambda: self._pass(context, prompts(self._sizes.vocab, 1, prompt), 0))
        self._cpp.llama_free(context)
        return seconds

    def decode(self, prompt: int, tokens: int) -> float:
        return self._decode(1, prompt, tokens)

    def batch(self, size: int, tokens: int) -> float:
        return self._decode(size, SHORT_PROMPT, tokens)

    def _decode(self, size: int, prompt: int, tokens: int) -> float:
        context = self._context(size, prompt + tokens)
        chosen = self._pass(context, prompts(self._sizes.vocab, size, prompt), 0)

        def run() -> None:
            nonlocal chosen
            for step in range(tokens):
                chosen = self._pass(context, [[token] for token in chosen], prompt + step)

        seconds = timed(run)
        self._cpp.llama_free(context)
        return seconds

    def _context(self, size: int, positions: int) -> Any:
        parameters = self._cpp.llama_context_default_params()
        parameters.n_ctx = size * (-(-positions // 256) * 256)
        parameters.n_batch = parameters.n_ubatch = 512
        parameters.n_seq_max = size
        parameters.n_threads = parameters.n_threads_batch = self._threads
        return self._cpp.llama_init_from_model(self._model, parameters)

    def _pass(self, context: Any, parts: Sequence[Sequence[int]], start: int) -> list[int]:
        batch = self._cpp.llama_batch_init(sum(map(len, parts)), 0, 1)
        place, last = 0, []
        for sequence, part in enumerate(parts):
            for offset, token in enumerate(part):
                batch.token[place] = token
                batch.pos[place] = start + offset
                batch.n_seq_id[place] = 1
                batch.seq_id[place][0] = sequence
                batch.logits[place] = offset == len(part) - 1
                place += 1
            last.append(place - 1)
        batch.n_tokens = place
        if self._cpp.llama_decode(context, batch) != 0:
            raise SystemExit("llama_decode failed")
        chosen = []
        for index in last:
            logits = self._cpp.llama_get_logits_ith(context, index)
            row = np.ctypeslib.as_array(logits, shape=(self._sizes.vocab,))
            chosen.append(int(row.argmax()))
        self._cpp.llama_batch_free(batch)
        return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description="llama.cpp as a benchmark worker.")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    sizes = Sizes()
    if not options.gguf.exists():
        write_gguf(options.gguf, sizes)
    llama = Llama(options.gguf, sizes, options.threads)
    tasks: dict[str, Task] = {
        "prefill": llama.prefill,
        "decode": llama.decode,
        "batch": llama.batch,
    }
    serve(
        tasks,
        {
            "llama_cpp_python": llama._cpp.__version__,
            "system": llama._cpp.llama_print_system_info().decode().strip(),
        },
    )


if __name__ == "__main__":
    main()
