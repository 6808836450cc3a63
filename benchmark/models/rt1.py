"""RT-1's transformer: images and actions of some moments as one sequence, of which actions are read and never written.

Layers, masks and order after github.com/google-research/robotics_transformer (transformer.py, transformer_network.py). A moment
is its image tokens, then a place for each number of its action. At those places stand zeros: neither training nor rollouts put
actions in ("b/260260205" there), so no action depends on another one, and one pass gives all of them. As everywhere in a causal
transformer the answer for a place is read one place before: that for an action's first number at the last image token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.models.encoders import xavier
from benchmark.models.film import EPSILON


def attention_mask(moments: int, tokens: int, actions: int) -> Tensor:
    """(S, S), True where a row may look at a column: at nothing later, and from an action at no action, its own included. Image
    tokens do look at the places of earlier actions, which hold what was seen until then."""
    action = (torch.arange(tokens + actions) >= tokens).repeat(moments)
    causal = torch.ones(len(action), len(action)).tril().bool()
    return causal & ~(action[:, None] & action)


class RT1Transformer(nn.Module):
    """(N, moments, tokens, inputs) -> (N, moments, actions, bins) logits.

    Linear in, learned positions, pre-norm blocks, linear out; no norm before that, and no nonlinearity in a block: its second
    half is one linear layer. With 8 layers of 8 heads of 128 numbers, width 512, 6 moments of 8 tokens and 11 actions of 256
    bins it has 19 376 384 parameters, the paper's 19M. (The release counts 131 584 more, of an embedding of actions that it
    multiplies by zero.)
    """

    mask: Tensor

    def __init__(
        self,
        inputs: int,
        *,
        moments: int,
        tokens: int,
        actions: int,
        bins: int,
        layers: int,
        heads: int,
        head_dim: int,
        width: int,
        dropout: float,
    ):
        super().__init__()
        self.actions = actions
        length = moments * (tokens + actions)
        self.embed, self.positions = nn.Linear(inputs, width), nn.Linear(length, width)
        self.blocks = nn.ModuleList(_Block(width, heads, head_dim, dropout) for _ in range(layers))
        self.head = nn.Linear(width, bins)
        self.apply(xavier)  # Keras' initialisation
        self.register_buffer("mask", attention_mask(moments, tokens, actions), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        n, moments, count, inputs = tokens.shape
        sequence = torch.cat([tokens, tokens.new_zeros(n, moments, self.actions, inputs)], dim=2).flatten(1, 2)
        x = self.embed(sequence) + self.positions.weight.T + self.positions.bias
        for block in self.blocks:
            x = block(x, self.mask)
        before = x.unflatten(1, (moments, -1))[:, :, count - 1 : -1]
        return self.head(before)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, head_dim: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.attention_norm, self.norm = nn.LayerNorm(width, eps=EPSILON), nn.LayerNorm(width, eps=EPSILON)
        self.query_key_value, self.project = nn.Linear(width, 3 * heads * head_dim), nn.Linear(heads * head_dim, width)
        self.feedforward, self.dropout = nn.Linear(width, width), nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        parts = self.query_key_value(self.attention_norm(x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        dropout = self.dropout.p if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        x = x + self.project(attended.transpose(1, 2).flatten(2))
        return x + self.dropout(self.feedforward(self.norm(x)))
