"""How much a training computes: the shape of a transformer → floating-point operations, each multiply-add as two.

With M the parameters that multiply each token (a table of words that is only looked up left out) and L tokens that a
token meets in attention, a token takes

    forward       2 M + 4 · layers · width · L        (Kaplan et al. 2020, arXiv:2001.08361, table 1; attention without
                                                       what a causal mask could skip, as Chowdhery et al. 2022, app. B)
    backward      the same for gradients of activations, attention twice; 2 M for those of the weights
    checkpointing the forward pass of all layers again, the output layer not (Korthikanti et al. 2022,
                                                       arXiv:2205.05198, appendix A)

An adapter leaves out the weights' gradients of what is frozen (Hu et al. 2021, arXiv:2106.09685) and adds 6 for each
of its own parameters. QLoRA computes the same (Dettmers et al. 2023, arXiv:2305.14314); that it unpacks four bits is
no multiplication, it lowers what a device reaches. DPO asks the frozen base too: a forward pass more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.distill.problem import DistillProblem

if TYPE_CHECKING:
    from models.distill.recipe import Method

RANK = 16


@dataclass(frozen=True)
class Shape:
    """What of a decoder decides its FLOPs; counts and widths, no units.

    parameters: all of them; embedding: those of the table of words (vocabulary × hidden); tied: the output layer is
    that table, else it is as large again. attention and keys are the widths of queries and of keys (heads × the size of
    one), inner that of the feed-forward layer.
    """

    name: str
    parameters: int
    embedding: int
    tied: bool
    layers: int
    hidden: int
    attention: int
    keys: int
    inner: int

    @property
    def multiplied(self) -> int:
        """Parameters that every token is multiplied with, the output layer's among them."""
        return self.parameters - (0 if self.tied else self.embedding)

    def adapter(self, rank: int) -> int:
        """Parameters of an adapter of this rank beside every linear layer but the output (peft's "all-linear")."""
        attention = 2 * (self.hidden + self.attention) + 2 * (self.hidden + self.keys)
        return self.layers * rank * (attention + 3 * (self.hidden + self.inner))


def training_flops(
    shape: Shape, tokens: float, mean_length: float, method: Method, gradient_checkpointing: bool, rank: int = RANK
) -> float:
    """FLOPs of training on `tokens` (each pass over the data counts), as the module says.

    `mean_length`: tokens that a token meets in attention: the length of what goes through the model at one time, a
    pack's where conversations are packed. Without `gradient_checkpointing` these are the "model FLOPs" of Chowdhery et
    al. 2022, which a model FLOPs utilisation goes by. `rank`: of the adapter.
    """
    attention = 4.0 * shape.layers * shape.attention * mean_length
    forward = 2.0 * shape.multiplied + attention
    a_token = forward + 2.0 * shape.multiplied + 2.0 * attention
    if method == "full":
        a_token += 2.0 * shape.multiplied
    else:
        a_token += 6.0 * shape.adapter(rank)
    if method == "dpo":
        a_token += forward
    if gradient_checkpointing:
        a_token += forward - 2.0 * shape.embedding
        a_token += 0.0 if method == "full" else 2.0 * shape.adapter(rank)
    return tokens * a_token


def shape_of(config: Mapping[str, Any], name: str = "") -> Shape:
    """The shape that a checkpoint's config.json gives, for decoders with gated feed-forward layers (Llama's family).

    Raises `DistillProblem` where it lacks a size, or is of a mixture of experts, whose tokens use only some.
    """
    config = config.get("text_config") or config
    called = name or str(config.get("model_type") or "the model")
    if any(config.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts")):
        raise DistillProblem(f"{called} is a mixture of experts; its FLOPs aren't reckoned, take a dense base.")
    try:
        hidden, layers, heads = (
            int(config[key]) for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")
        )
        vocabulary, inner = int(config["vocab_size"]), int(config["intermediate_size"])
        head = int(config.get("head_dim") or hidden // heads)
        keys = head * int(config.get("num_key_value_heads") or heads)
    except (KeyError, TypeError, ValueError) as error:
        raise DistillProblem(
            f"The config of {called} lacks a size ({error}); give its size by --model-size."
        ) from error
    # transformers leaves out what its defaults say, and there the two tables are one.
    tied = bool(config.get("tie_word_embeddings", True))
    attention = head * heads
    # Norms and biases are some thousandths and left out.
    layer = 2 * hidden * attention + 2 * hidden * keys + 3 * hidden * inner
    embedding = vocabulary * hidden
    parameters = embedding * (1 if tied else 2) + layers * layer
    return Shape(called, parameters, embedding, tied, layers, hidden, attention, keys, inner)
