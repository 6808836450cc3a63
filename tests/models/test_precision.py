"""What is computed in which precision."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from benchmark.core.errors import BenchmarkError
from benchmark.core.machine import resolve_policy_precision
from benchmark.models.precision import autocast, products


def test_attention_on_processors_stays_in_float32_amid_reduced_precision() -> None:
    rng = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, 5, 4, generator=rng, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    with autocast("cpu", "bf16"):
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        causal = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        assert F.linear(attended, torch.eye(4)).dtype == torch.bfloat16, "what is around it does not"
    assert torch.equal(attended, F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask))
    torch.testing.assert_close(causal, attended)
    causal.sum().backward()
    assert q.grad is not None
    assert q.grad.dtype == torch.bfloat16
    assert F.scaled_dot_product_attention(q, k, v).dtype == torch.bfloat16, "without autocast nothing is changed"


def test_what_is_computed_in_float32_within_reduced_precision_is() -> None:
    """An encoder in float32 that learns with a policy in bf16."""
    x = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    with autocast("cpu", "bf16"), autocast("cpu", "fp32"):
        assert F.linear(x, x).dtype == torch.float32
    with autocast("cpu", "tf32"), autocast("cpu", "bf16"):
        assert F.linear(x, x).dtype == torch.bfloat16


def test_products_are_rounded_within_and_as_before_afterwards() -> None:
    before = torch.get_float32_matmul_precision()
    with pytest.raises(KeyError), products("tf32"):
        assert torch.get_float32_matmul_precision() == "high"
        raise KeyError
    with products("fp32"):
        assert torch.get_float32_matmul_precision() == before
    with products("tf32"), products("fp32"):
        assert torch.get_float32_matmul_precision() == "highest", "an encoder in float32 within a policy in tf32"
    with products("tf32"), products("bf16"):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before


def test_policies_take_what_pays_on_their_device() -> None:
    assert [resolve_policy_precision("auto", device) for device in ("cpu", "cuda")] == ["fp32", "tf32"]
    assert resolve_policy_precision("fp32", "cuda") == "fp32"
    with pytest.raises(BenchmarkError, match=r"fit\.precision=fp32"):
        resolve_policy_precision("tf32", "cpu")
