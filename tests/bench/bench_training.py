"""Our training against TRL's `SFTTrainer` alone, with the same settings, and what masking and packing cost.

    python tests/bench/bench_training.py [--quick] [--steps N] [--runs N] [--out FOLDER]

Both train a LoRA adapter on the same packs of the same conversations, one run after the other in turn, so that a busy
machine slows both. Counted are all steps but the first two. --quick takes a tiny model with random weights: it shows
that this program works, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from measured import machine, ratio
from streams import RESULTS, processor, record
from train_speed import WARM, Case, ours, trl_alone

from checkpoints import smollm2_checkpoint  # isort: skip

from models.chat import Message
from models.distill.conversation import Conversation
from models.distill.packing import Pack, pack
from models.distill.recipe import CPU_TINY, Recipe
from models.distill.template import Encoder

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
WORDS = ("paddock", "horse", "gallops", "quietly", "under", "seven", "trees", "while", "rain", "falls", "over", "hills")


def conversations(count: int) -> list[Conversation]:
    """Two rounds each, their lengths as unlike as real ones."""
    made = []
    for number in range(count):
        said = [WORDS[(number * 7 + place * 5) % len(WORDS)] for place in range(10 + 6 * (number % 9))]
        turns = [Message("user" if turn % 2 == 0 else "assistant", " ".join(said[turn:])) for turn in range(4)]
        made.append(Conversation(str(number), tuple(turns)))
    return made


def full_packs(encoder: Encoder, some: list[Conversation], context: int) -> tuple[list[Pack], float]:
    """Packs cut to one length, so that no run has more padding, and the seconds of masking and packing."""
    began = time.perf_counter()
    packs = pack([encoder.encode(one) for one in some], context)
    seconds = time.perf_counter() - began
    full = [one for one in packs if len(one.ids) > 0.8 * context]
    length = min(len(one.ids) for one in full)
    return [Pack(one.ids[:length], one.labels[:length], one.positions[:length]) for one in full], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tiny model, nothing written but to --out")
    parser.add_argument("--steps", type=int, default=10, help="of each run, the first two beside them")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    print(f"{machine()}, {processor()}")
    with tempfile.TemporaryDirectory(prefix="paddock-bench-") as scratch:
        folder = Path(scratch) / "base"
        if options.quick:
            maker = [sys.executable, str(Path(__file__).with_name("random_model.py")), "tiny", str(folder), "cpu"]
            subprocess.run(maker, check=True)
            _end_answers(folder)
        else:
            folder = smollm2_checkpoint()
        # The tiny model's words are bytes, of which there are more.
        recipe = Recipe(**{**vars(CPU_TINY), "batch": 1, "context": 2048 if options.quick else 512})
        found = measure(folder, recipe, Path(scratch), options.steps, options.runs)
    out = options.out or (None if options.quick else RESULTS)
    if out:
        record(out, "cpu", "bench_training", {"processor": processor(), "figures": found})


def measure(folder: Path, recipe: Recipe, scratch: Path, steps: int, runs: int) -> dict[str, float]:
    recipe = replace(recipe, max_steps=steps + WARM, checkpoint_steps=1000)
    some = conversations(64)
    packs, prepared = full_packs(Encoder(folder, TEMPLATE), some, recipe.context)
    case = Case(folder, "cpu", recipe, packs)
    speeds: dict[str, list[float]] = {"ours": [], "TRL alone": []}
    for run in range(runs):
        for name, trained in (("ours", ours), ("TRL alone", trl_alone)):
            place = scratch / f"{name}-{run}"
            place.mkdir()
            speeds[name].append(trained(case, place))
            print(f"{name:<12} {speeds[name][-1]:10.1f} tokens per second", flush=True)
    mine, theirs = max(speeds["ours"]), max(speeds["TRL alone"])
    one_epoch = sum(len(one.ids) for one in packs) / mine
    print(ratio("our training / SFTTrainer alone, tokens per second", mine, theirs))
    print(ratio("masking and packing / one epoch of training", prepared, one_epoch))
    return {
        "ours": round(mine, 1), "trl_alone": round(theirs, 1), "ratio": round(mine / theirs, 3),
        "masking_and_packing_share": round(prepared / one_epoch, 5),
    }  # fmt: skip


def _end_answers(folder: Path) -> None:
    """A tokenizer with an end to answers, which the model of random weights lacks."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = "Ġword1"
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
