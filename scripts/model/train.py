"""Train pydoc-4m, the small real model that the package ships.

    python scripts/model/train.py --minutes 28

The project needs a model that is real (it speaks recognisable English, and a changed weight
shows), small enough to lie in the repository, and free of somebody else's conditions.  So this
script makes one from what every machine with Python has: the documentation in `corpus.py`.

1. `corpus.build` reads, cleans and splits the text: train, calibration, held-out.
2. A byte-level BPE tokenizer of 4,096 tokens is trained on the training split.
3. A Llama of 3.8 million parameters is trained on it: AdamW, warm-up, a constant rate, then a
   linear decay to zero over the last quarter.  Rows start at a document's first token half of
   the time, because that is where every request starts; every sixth step uses the full context.
4. The weights are rounded to float16, evaluated as such in float32 arithmetic on the held-out
   text, and written with the tokenizer, the two texts, `training.json` and the model card.

The clock only decides when the decay begins; the rate at a step is a function of the step and of
the total.  So `--steps N`, with the N of an earlier run, repeats that run, on the same machine
and with the same number of threads: float sums depend on how a reduction is divided.

With glibc, `MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000` in the environment keeps the
logits' memory between steps and saves page faults; it changes the speed only.
"""

import argparse
import json
import math
import platform
import shutil
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

import card
import corpus
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END = "<|endoftext|>"  # both bos and eos: a text starts where the last one stopped
OUTPUT = Path(__file__).parents[2] / "offchain" / "assay" / "models" / "pydoc-4m"
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['content'] }}"
    "{% if not loop.last %}{{ '\\n\\n' }}{% endif %}{% endfor %}"
)
PROMPTS = ("Return a copy of the", "The list of arguments", "Open a file and")
CONTEXT = 512
SHORT_ROWS, SHORT_LENGTH = 16, 256
LONG_EVERY = 6  # steps; a long step has half the rows, so every step sees as many tokens
TOKENS_PER_STEP = SHORT_ROWS * SHORT_LENGTH
WARMUP_STEPS = 100
DECAY_SHARE = 0.25


@dataclass(frozen=True)
class Settings:
    """minutes: wall clock of training; steps: if given, replaces the clock; peak_rate: AdamW's."""

    minutes: float
    steps: int | None
    peak_rate: float
    threads: int
    seed: int
    early_minutes: float
    output: Path


class Stream:
    """The training tokens in one line, and where each document starts."""

    def __init__(self, rows: list[list[int]], seed: int) -> None:
        self.tokens = torch.tensor([token for row in rows for token in row])
        lengths = torch.tensor([len(row) for row in rows])
        self.starts = torch.cumsum(lengths, 0) - lengths
        self.random = torch.Generator().manual_seed(seed)

    def batch(self, rows: int, length: int) -> torch.Tensor:
        """int64 [rows, length + 1]: inputs and, one to the right, targets."""
        last = len(self.tokens) - length - 1
        places = torch.randint(0, last, (rows,), generator=self.random)
        starts = self.starts[torch.searchsorted(self.starts, places, right=True) - 1]
        snap = torch.rand(rows, generator=self.random) < 0.5
        places = torch.where(snap, starts, places)
        return self.tokens[places[:, None] + torch.arange(length + 1)]


def main() -> None:
    settings = parse_arguments()
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    print("reading the corpus", flush=True)
    texts = corpus.build()
    tokenizer = train_tokenizer([document.text for document in texts.train])
    stream = Stream(encode(tokenizer, texts.train), settings.seed)
    heldout = encode(tokenizer, texts.heldout)
    print(f"{len(texts.train)} documents, {len(stream.tokens)} tokens to learn from", flush=True)

    write_texts(settings.output, tokenizer, texts)
    model = new_model(tokenizer)
    figures = train(model, stream, settings, tokenizer)
    model = save(model, settings.output)
    figures |= {
        "corpus_documents": len(texts.train),
        "corpus_characters": sum(len(document.text) for document in texts.train),
        "corpus_tokens": len(stream.tokens),
        "corpus_characters_by_source": texts.characters_by_source(),
        "versions": corpus.versions(),
        "heldout_documents": len(texts.heldout),
        **evaluate(model, heldout, texts.heldout),
        "samples": [sample(model, tokenizer, p, t) for p in PROMPTS for t in (0.0, 0.8)],
    }
    # The fraction bits measured for other weights; `complete` imports the new ones.
    (settings.output / "exact.json").unlink(missing_ok=True)
    card.complete(settings.output, figures)
    print(json.dumps(figures, indent=2), flush=True)


def parse_arguments() -> Settings:
    parser = argparse.ArgumentParser(description="Train the model that the package ships.")
    parser.add_argument("--minutes", type=float, default=28.0, help="wall clock of the training")
    parser.add_argument("--steps", type=int, default=None, help="repeat a run of so many steps")
    parser.add_argument("--peak-rate", type=float, default=2.5e-3, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=2, help="torch threads; part of the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--early-minutes", type=float, default=3.0, help="when to save once early")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return Settings(**vars(parser.parse_args()))


# Tokenizer


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE: any text has an encoding, and decoding gives it back."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=4096, special_tokens=[END], initial_alphabet=alphabet),
    )
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", special_tokens=[(END, bpe.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=END,
        eos_token=END,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def encode(tokenizer: PreTrainedTokenizerFast, documents: list[corpus.Document]) -> list[list[int]]:
    """Each document as bos, its tokens, eos."""
    encoded: list[list[int]] = tokenizer(
        [document.text for document in documents], verbose=False
    ).input_ids
    return [[*ids, tokenizer.eos_token_id] for ids in encoded]


# Model and training


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=32,
        intermediate_size=640,
        rms_norm_eps=1e-5,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    return LlamaForCausalLM(config)


def train(
    model: LlamaForCausalLM,
    stream: Stream,
    settings: Settings,
    tokenizer: PreTrainedTokenizerFast,
) -> dict[str, object]:
    """Train in place and return the run's figures."""
    optimizer = torch.optim.AdamW(parameter_groups(model), betas=(0.9, 0.95), fused=True)
    step, total, smooth, early = 0, settings.steps, math.log(4096), settings.steps is None
    began = time.monotonic()
    while total is None or step < total:
        rate = settings.peak_rate * schedule(step, total)
        loss = train_step(model, optimizer, next_batch(stream, step), rate)
        smooth += (loss - smooth) * 0.02
        step += 1
        elapsed = time.monotonic() - began
        if total is None and elapsed > settings.minutes * 60 * (1 - DECAY_SHARE):
            total = math.ceil(step / (1 - DECAY_SHARE))
        if step % 20 == 0:
            speed = step * TOKENS_PER_STEP / elapsed
            print(
                f"step {step}/{total or '?'}  loss {smooth:.3f}  rate {rate:.5f}  "
                f"{speed:,.0f} tokens/s  {elapsed / 60:.1f} min",
                flush=True,
            )
        if early and elapsed > settings.early_minutes * 60:
            early = False
            early_model = save(model, settings.output)
            print(sample(early_model, tokenizer, PROMPTS[0], 0.0), flush=True)
    return {
        "steps": step,
        "tokens_seen": step * TOKENS_PER_STEP,
        "minutes": settings.minutes,
        "training_minutes": round((time.monotonic() - began) / 60, 1),
        "peak_rate": settings.peak_rate,
        "seed": settings.seed,
        "threads": settings.threads,
        "machine": platform.machine(),
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def parameter_groups(model: LlamaForCausalLM) -> list[dict[str, object]]:
    """Decay the matrices, leave the norm gains alone."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    gains = [p for p in model.parameters() if p.ndim == 1]
    return [
        {"params": matrices, "weight_decay": 0.1},
        {"params": gains, "weight_decay": 0.0},
    ]


def schedule(step: int, total: int | None) -> float:
    """Share of the peak rate: up over the warm-up, constant, down to 0 over the last quarter."""
    share = min(1.0, (step + 1) / WARMUP_STEPS)
    if total is not None:
        share = min(share, (total - step) / (total * DECAY_SHARE))
    return share


def next_batch(stream: Stream, step: int) -> torch.Tensor:
    if step % LONG_EVERY == LONG_EVERY - 1:
        return stream.batch(TOKENS_PER_STEP // CONTEXT, CONTEXT)
    return stream.batch(SHORT_ROWS, SHORT_LENGTH)


def train_step(
    model: LlamaForCausalLM, optimizer: torch.optim.Optimizer, batch: torch.Tensor, rate: float
) -> float:
    """One AdamW step; bf16 products are about 1.7 times as fast as float32 on AVX512-BF16."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(batch[:, :-1], use_cache=False).logits
    loss = cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten())
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


# Results


def write_texts(output: Path, tokenizer: PreTrainedTokenizerFast, texts: corpus.Corpus) -> None:
    """The tokenizer, and the shipped texts: END before every document and after the last.

    Tokenised without added special tokens they are what training saw, bos and eos included.
    """
    output.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(output, save_jinja_files=False)
    settings = json.loads((output / "tokenizer_config.json").read_text())
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast"}  # transformers 4 knows it too
    del settings["backend"]
    (output / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    for name, documents in (("heldout", texts.heldout), ("calibration", texts.calibration)):
        joined = END.join(["", *(document.text for document in documents), ""])
        (output / f"{name}.txt").write_text(joined, encoding="utf-8")
    licence = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    shutil.copyfile(licence, output / "LICENSE.PSF.txt")


def save(model: LlamaForCausalLM, output: Path) -> LlamaForCausalLM:
    """Write the weights in float16; return the model that a reader will load, in float32."""
    state = {name: value.to(torch.float16) for name, value in model.state_dict().items()}
    rounded = LlamaForCausalLM(model.config).to(torch.float16)
    rounded.load_state_dict(state)
    rounded.save_pretrained(output)
    (output / "model.safetensors").chmod(0o644)
    loaded: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(output, dtype=torch.float32)
    return loaded.eval()


@torch.inference_mode()
def evaluate(
    model: LlamaForCausalLM, rows: list[list[int]], documents: list[corpus.Document]
) -> dict[str, float]:
    """Perplexity of each held-out document on its own, from its bos; longer ones in windows."""
    loss, count = 0.0, 0
    for row in rows:
        for start in range(0, len(row) - 1, CONTEXT):
            window = torch.tensor([row[start : start + CONTEXT + 1]])
            logits = model(window[:, :-1], use_cache=False).logits[0]
            loss += cross_entropy(logits, window[0, 1:], reduction="sum").item()
            count += window.shape[1] - 1
    characters = sum(len(document.text) for document in documents)
    return {
        "heldout_tokens": count,
        "heldout_loss": round(loss / count, 5),
        "heldout_perplexity": round(math.exp(loss / count), 3),
        "heldout_bits_per_character": round(loss / math.log(2) / characters, 4),
    }


def sample(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompt: str, temperature: float
) -> dict[str, object]:
    """A completion of at most 60 tokens; the sampled ones are drawn from a fixed seed."""
    torch.manual_seed(0)
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    if temperature > 0:
        made = model.generate(
            ids, max_new_tokens=60, do_sample=True, temperature=temperature, top_k=0
        )
    else:
        made = model.generate(ids, max_new_tokens=60, do_sample=False)
    completion = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    return {"prompt": prompt, "temperature": temperature, "completion": completion}


if __name__ == "__main__":
    main()
