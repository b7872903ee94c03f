"""How an exact model's logits compare with the float model's, summed over positions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor
from torch.nn.functional import cross_entropy


@dataclass
class Tally:
    """Sums over positions; losses in nats."""

    positions: int = 0
    float_loss: float = 0.0
    exact_loss: float = 0.0
    agreeing: int = 0
    squared_error: float = 0.0
    vocab: int = field(default=1)

    def add(self, expected: Tensor, found: Tensor, targets: Tensor) -> None:
        """Float and exact logits (n, vocab) float64 of n positions, and their next tokens (n,)."""
        self.positions += len(targets)
        self.vocab = expected.shape[1]
        self.float_loss += cross_entropy(expected, targets, reduction="sum").item()
        self.exact_loss += cross_entropy(found, targets, reduction="sum").item()
        self.agreeing += int((expected.argmax(1) == found.argmax(1)).sum())
        difference = found - expected
        difference -= difference.mean(1, keepdim=True)
        self.squared_error += difference.square().sum().item()

    @property
    def float_perplexity(self) -> float:
        return math.exp(self.float_loss / self.positions)

    @property
    def perplexity(self) -> float:
        """Of the exact model."""
        return math.exp(self.exact_loss / self.positions)

    @property
    def ratio(self) -> float:
        """Of the perplexities, exact to float."""
        return math.exp((self.exact_loss - self.float_loss) / self.positions)

    @property
    def top1_agreement(self) -> float:
        """Share of positions with the same most likely token."""
        return self.agreeing / self.positions

    @property
    def logit_error(self) -> float:
        """Root mean square difference of logits, each row's mean taken out."""
        return math.sqrt(self.squared_error / self.positions / self.vocab)
