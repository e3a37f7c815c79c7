"""A few steps of TRL's DPOTrainer on an export of preference pairs, offline, on a model with random weights.

`python tests/train_dpo.py PAIRS.jsonl|PAIRS.parquet FOLDER` prints `{"rows", "losses", "margins"}`, an entry a step.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
STEPS = 4


def tokenizer_of(texts: list[str]) -> Any:
    """A tokenizer of single bytes, learnt here: none could be fetched."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<pad>", "<eos>"], initial_alphabet=alphabet)
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", chat_template=TEMPLATE
    )  # fmt: skip


def main(pairs: Path, folder: Path) -> None:
    from datasets import load_dataset
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed
    from trl import DPOConfig, DPOTrainer

    set_seed(7)
    kind = {".jsonl": "json", ".parquet": "parquet"}[pairs.suffix]
    data = load_dataset(kind, data_files=str(pairs), split="train", cache_dir=str(folder / "cache"))
    tokenizer = tokenizer_of([json.dumps(row) for row in data])
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    config = DPOConfig(
        output_dir=str(folder), max_steps=STEPS, per_device_train_batch_size=2, learning_rate=1e-2, logging_steps=1,
        use_cpu=True, bf16=False, report_to="none", save_strategy="no", disable_tqdm=True, gradient_checkpointing=False,
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(folder / "model")  # TRL reads the model of reference from there
    trainer = DPOTrainer(str(folder / "model"), args=config, train_dataset=data, processing_class=tokenizer)
    trainer.train()
    steps = [log for log in trainer.state.log_history if "loss" in log]
    told = {
        "rows": len(data),
        "losses": [float(log["loss"]) for log in steps],
        "margins": [float(log["rewards/margins"]) for log in steps],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
