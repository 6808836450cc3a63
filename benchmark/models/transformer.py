"""A small transformer over sequences of vectors, as in nanoGPT."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Transformer(nn.Module):
    """(N, T, inputs) -> (N, T, outputs) for T up to `context`; position t sees positions up to t, or all if not `causal`.

    Linear in, learned positions, pre-norm blocks, a last norm, linear out; GPT-2's initialisation. With 6 layers, 6 heads and
    width 120 it is the inverse and the forward model of DynaMo's release (github.com/jeffacce/dynamo_ssl), biases included.
    `gelu` is how that function is approximated: none, or tanh as in GPT-2.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        context: int,
        layers: int,
        heads: int,
        width: int,
        dropout: float = 0.0,
        mlp_ratio: int = 4,
        causal: bool = True,
        gelu: str = "none",
    ):
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.positions = nn.Parameter(torch.empty(context, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout, mlp_ratio, causal, gelu) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        self._initialise()

    def forward(self, x: Tensor, last: bool = False) -> Tensor:
        """With `last`, (N, 1, outputs) of the last position: what only the others need is left out of the last block."""
        x = self.dropout(self.embed(x) + self.positions[: x.shape[1]])
        for block in self.blocks[:-1]:
            x = block(x)
        return self.head(self.norm(self.blocks[-1](x, last)))

    def _initialise(self) -> None:
        """GPT-2: normal with deviation 0.02; what is added to the residual stream shrinks with the number of additions."""
        nn.init.normal_(self.positions, std=0.02)
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                residual = name.endswith(("project", "contract"))
                nn.init.normal_(module.weight, std=0.02 / math.sqrt(2 * len(self.blocks)) if residual else 0.02)
                nn.init.zeros_(module.bias)


class Block(nn.Module):
    """Pre-norm self-attention and a GELU multilayer perceptron, each added to the stream."""

    def __init__(self, width: int, heads: int, dropout: float, mlp_ratio: int, causal: bool, gelu: str = "none"):
        super().__init__()
        self.heads, self.causal, self.gelu = heads, causal, gelu
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, mlp_ratio * width)
        self.contract = nn.Linear(mlp_ratio * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, last: bool = False) -> Tensor:
        attended = self._attend(self.attention_norm(x), last)
        x = (x[:, -1:] if last else x) + self.dropout(self.project(attended))
        return x + self.dropout(self.contract(F.gelu(self.expand(self.mlp_norm(x)), approximate=self.gelu)))

    def _attend(self, x: Tensor, last: bool) -> Tensor:
        """(N, T, width), or (N, 1, width) for the last position, which sees all whether causal or not."""
        n, t, width = x.shape
        dropout = self.dropout.p if self.training else 0.0
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        if t == 1 and not dropout:  # a softmax over one position is 1
            return F.linear(x, weight[2 * width :], bias[2 * width :])
        if last:
            q = F.linear(x[:, -1:], weight[:width], bias[:width])
            k, v = F.linear(x, weight[width:], bias[width:]).chunk(2, dim=-1)
        else:
            q, k, v = self.query_key_value(x).chunk(3, dim=-1)
        q, k, v = (y.view(n, y.shape[1], self.heads, width // self.heads).transpose(1, 2) for y in (q, k, v))
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=self.causal and not last)
        return attended.transpose(1, 2).reshape(n, -1, width)
