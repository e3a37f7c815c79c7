from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import SHAPE, gemma, llama, torch

from models.local.engine import Unusable
from models.local.loading import load, read_config, size
from models.origin import FolderCheckpoint
from models.spec import ModelSpec


def spec(quantization: str = "none", context: int = 256) -> ModelSpec:
    return ModelSpec(
        id="x", name="X", engine="transformers", quantization=quantization, license="none", makers=("us",),
        context=context, checkpoint=FolderCheckpoint(kind="folder", path="/x", digest="0" * 64),
    )  # fmt: skip


def saved(model: Any, folder: Path) -> Path:
    model.float().save_pretrained(folder)
    return folder


def configured(folder: Path, **changes: object) -> Path:
    """A folder with nothing but a configuration."""
    config = {"model_type": "llama", **SHAPE, **changes}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def bytes_of(model: Any) -> int:
    return 4 * int(sum(parameter.numel() for parameter in model.parameters()))


@pytest.mark.parametrize("kind", [llama, gemma])
def test_the_estimate_is_the_weights_and_a_full_cache(kind: Any, tmp_path: Path) -> None:
    folder = saved(kind(), tmp_path)
    model = load(spec(), folder, read_config(spec(), folder))
    a_token = 3 * 2 * 2 * 8 * 4  # layers, keys and values, heads, size, bytes
    rows = 5  # four slots, and one that joins
    assert size(spec(), folder, read_config(spec(), folder), 4) == bytes_of(model) + a_token * 256 * rows


def test_layers_of_different_heads_are_each_counted(tmp_path: Path) -> None:
    from transformers.models.gemma4.configuration_gemma4 import Gemma4TextConfig

    Gemma4TextConfig(
        **{**SHAPE, "num_hidden_layers": 3}, layer_types=["sliding_attention", "sliding_attention", "full_attention"],
        global_head_dim=16, num_global_key_value_heads=2, num_kv_shared_layers=0,
    ).save_pretrained(tmp_path)  # fmt: skip
    config = read_config(spec(), tmp_path)
    heads = [layer.head_dim for layer in config.get_text_config().per_layer_config]
    assert heads == [8, 8, 16]
    assert size(spec(), tmp_path, config, 4) == 2 * 2 * (8 + 8 + 16) * 4 * 256 * 5


def test_layers_that_cannot_be_batched_are_refused(tmp_path: Path) -> None:
    folder = configured(tmp_path, model_type="qwen3", layer_types=["linear_attention"] * 3)
    with pytest.raises(Unusable, match=r"layers \(linear_attention\) that engine transformers can't batch"):
        read_config(spec(), folder)


@pytest.mark.parametrize(
    ("rope", "limit"),
    [
        ({"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}, 512),
        (
            {
                "rope_type": "longrope", "original_max_position_embeddings": 256, "rope_theta": 10000.0, "factor": 4.0,
                "short_factor": [1.0] * 4, "long_factor": [2.0] * 4,
            },
            256,
        ),
    ],
)  # fmt: skip
def test_positions_that_depend_on_neighbours_are_refused_beyond_where_they_do(
    tmp_path: Path, rope: dict[str, object], limit: int
) -> None:
    folder = configured(tmp_path, rope_parameters=rope)
    assert read_config(spec(context=limit), folder)
    with pytest.raises(Unusable, match=f"write context = {limit} or less"):
        read_config(spec(context=4 * limit), folder)


def test_mixtures_of_experts_are_not_called_quantized(tmp_path: Path) -> None:
    folder = configured(tmp_path, model_type="mixtral", num_local_experts=4, num_experts_per_tok=2)
    (folder / "model.safetensors").touch()
    with pytest.raises(Unusable, match="leaves the experts of a mixture as they are"):
        load(spec("nf4"), folder, read_config(spec("nf4"), folder))


def test_a_quantization_the_catalogue_has_no_name_for_is_not_advised(tmp_path: Path) -> None:
    folder = configured(tmp_path, quantization_config={"quant_method": "quark"})
    (folder / "model.safetensors").touch()
    with pytest.raises(Unusable, match=r"already quantized \(quark\); take another one"):
        load(spec("nf4"), folder, read_config(spec("nf4"), folder))


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    folder = configured(tmp_path)
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(Unusable, match="pickled weights are never loaded"):
        load(spec(), folder, read_config(spec(), folder))
