"""The next token of every running request at once, each by its own rules and its own chance.

The rules are those of transformers' `generate`, in its order: repetition penalty over prompt and answer
(Keskar et al. 2019), temperature, top-k, top-p. What is drawn depends on the request's seed alone and not on
its neighbours: one uniform number a token from a generator of its own, looked up in the cumulative probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch

from models.chat import Sampling


class Chance:
    """One request's rules and random numbers; `prompt` are the token ids that the penalty counts as seen."""

    def __init__(self, sampling: Sampling, seed: int, prompt: Sequence[int]) -> None:
        self.sampling = sampling
        self.prompt = prompt
        self.random = Random(seed)

    @property
    def greedy(self) -> bool:
        return self.sampling.temperature == 0


class Sampler:
    """Holds one `Chance` a row, in the order of the logits' rows."""

    def __init__(self, chances: Sequence[Chance], vocabulary: int, device: torch.device) -> None:
        self._device = device
        self._chances = list(chances)
        self._seen = torch.zeros(len(chances), vocabulary, dtype=torch.bool, device=device)
        for row, chance in enumerate(chances):
            self._seen[row, torch.tensor(chance.prompt, dtype=torch.long, device=device)] = True
        self._arrange()

    def join(self, other: Sampler) -> None:
        """Add the rows of `other`, with what they have seen, behind our own."""
        self._chances += other._chances
        self._seen = torch.cat([self._seen, other._seen])
        self._arrange()

    def remove(self, row: int) -> None:
        """Forget a row; the last one takes its number."""
        self._chances[row] = self._chances[-1]
        self._chances.pop()
        self._seen[row] = self._seen[-1]
        self._seen = self._seen[:-1]
        self._arrange()

    def draw(self, logits: torch.Tensor) -> torch.Tensor:
        """Token ids [rows] from logits [rows, vocabulary]; remembers them as seen."""
        logits = logits.float()
        if self._any_penalty:
            logits = torch.where(
                self._seen, torch.where(logits > 0, logits / self._penalty, logits * self._penalty), logits
            )
        tokens = logits.argmax(-1)
        if not self._all_greedy:
            tokens = torch.where(self._greedy, tokens, self._chosen(logits))
        self._seen[self._rows, tokens] = True
        return tokens

    def _chosen(self, logits: torch.Tensor) -> torch.Tensor:
        highest, ids = (logits / self._temperature).topk(self._width)
        highest = highest.masked_fill(self._ranks >= self._top_k, -torch.inf)
        probabilities = highest.softmax(-1)
        before = probabilities.cumsum(-1) - probabilities
        kept = torch.where(before < self._top_p, probabilities, 0.0).cumsum(-1)
        numbers = [0.0 if chance.greedy else chance.random.random() for chance in self._chances]
        uniform = torch.tensor(numbers, device=self._device)[:, None] * kept[:, -1:]
        place = (kept <= uniform).sum(-1, keepdim=True)
        # Rounding may lead behind the last token that was kept.
        place = torch.minimum(place, (before < self._top_p).sum(-1, keepdim=True) - 1)
        return ids.gather(-1, place).squeeze(-1)

    def _arrange(self) -> None:
        """Tensors of the rules, made anew when rows change and not at each step."""
        rules = [chance.sampling for chance in self._chances]
        vocabulary = self._seen.shape[1]
        top_k = [min(rule.top_k, vocabulary) or vocabulary for rule in rules]

        def column(values: Sequence[float]) -> torch.Tensor:
            return torch.tensor(values, device=self._device).reshape(-1, 1)

        self._rows = torch.arange(len(rules), device=self._device)
        self._any_penalty = any(rule.repeat_penalty != 1 for rule in rules)
        self._all_greedy = all(chance.greedy for chance in self._chances)
        self._greedy = torch.tensor([chance.greedy for chance in self._chances], device=self._device)
        self._penalty = column([rule.repeat_penalty for rule in rules])
        self._temperature = column([rule.temperature or 1.0 for rule in rules])
        self._top_p = column([rule.top_p for rule in rules])
        self._top_k = column(top_k)
        # A sort of the whole vocabulary only where somebody asks for it.
        self._width = max((k for k, chance in zip(top_k, self._chances, strict=True) if not chance.greedy), default=1)
        self._ranks = torch.arange(self._width, device=self._device)[None, :]
