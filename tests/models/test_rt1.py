"""RT-1's published sizes, its masks and the order of its tokens, against the release written out as loops.

Numbers: the paper (arXiv:2212.06817, section 5) has a tokenizer of 16M parameters with 26 blocks and 81 places, a TokenLearner
of 8 tokens, a transformer of 8 layers and 19M, 35M in all. Layers, widths and masks:
github.com/google-research/robotics_transformer at 4569641 (configs/transformer_mixin.gin, transformer.py,
transformer_network.py, token_learner.py, film_conditioning_layer.py).
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.contracts.specs import PolicySpec
from benchmark.core.errors import BenchmarkError
from benchmark.methods.film_efficientnet import FilmEfficientNetConfig, FilmEfficientNetRow
from benchmark.models.film import FiLM, TokenLearner
from benchmark.models.film_efficientnet import FilmEfficientNet
from benchmark.models.rt1 import RT1Transformer, attention_mask
from benchmark.policies.rt1 import RT1, RT1Config


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def published() -> tuple[Any, RT1]:
    """Without memory for its numbers."""
    with torch.device("meta"):
        encoder = FilmEfficientNetRow.build_encoder(FilmEfficientNetConfig(), None)  # type: ignore[arg-type]
        return encoder, RT1(RT1Config(), PolicySpec(encoder.dim, 11, tokens=encoder.tokens))


def scrambled(module: nn.Module) -> Any:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3, generator=rng(parameter.numel()))
    return module.double().eval()


def test_parameters_as_published() -> None:
    encoder, policy = published()
    body = sum(count(part) for part in (encoder.network, encoder.films, encoder.project, encoder.last_film))
    assert len(encoder.films) == 26
    assert count(encoder.network) == 10_696_232, "EfficientNet-B3 without its classifier"
    assert (body, round(body / 1e6)) == (15_709_784, 16)
    assert (count(encoder.learner), round(count(encoder.learner) / 1e3)) == (34_376, 34)
    assert (count(policy), round(count(policy) / 1e6)) == (19_376_384, 19)
    assert (count(encoder) + count(policy), round((count(encoder) + count(policy)) / 1e6)) == (35_120_544, 35)


def test_tokens_and_bins_as_published() -> None:
    """81 places of 300 pixels, where every other padding gives 100; a sequence of 6 x (8 + 11); 11 x 256 classes."""
    encoder, policy = published()
    images = torch.zeros(2, 3, 300, 300, device="meta")
    shapes = {name: tuple(x.shape) for name, x in encoder.eval().features(images, ("patch", "pooled")).items()}
    assert shapes == {"patch": (2, 81, 512), "pooled": (2, 8 * 512)}
    assert policy.transformer.mask.shape == (114, 114)
    assert policy.transformer.positions.in_features == 114
    assert policy.logits(torch.zeros(3, 6, encoder.dim, device="meta"), None, None).shape == (3, 6, 11, 256)


def test_padding_is_that_of_a_side_taken_for_even() -> None:
    """From the recurrence of sizes: 300 -> 150 -> 75 -> 37 -> 18 -> 9, one less than rounding up where a side is odd."""
    encoder, _ = published()
    side = 300
    for kernel in (3, 3, 5, 3, 5):
        side = (side + (kernel // 2 - 1) + kernel // 2 - kernel) // 2 + 1
    strided = [module for module in encoder.network.modules() if isinstance(module, nn.Conv2d) and module.stride[0] == 2]
    assert [module.kernel_size[0] for module in strided] == [3, 3, 5, 3, 5]
    assert side**2 == 81


def test_the_mask_is_the_releases() -> None:
    """transformer_network.py, _generate_masks: causal, less what one action would see of another, or of itself."""
    moments, tokens, actions = 3, 4, 2
    each = tokens + actions

    def action_of(place: int) -> int:
        return -1 if place % each < tokens else place // each

    mask = attention_mask(moments, tokens, actions)
    for i in range(moments * each):
        for j in range(moments * each):
            allowed = j <= i
            if action_of(i) != -1 and action_of(j) != -1 and (action_of(j) < action_of(i) or j <= i):
                allowed = False
            assert bool(mask[i, j]) == allowed, (i, j)
    assert mask.any(1).all(), "every place sees something"


def small(**changes: Any) -> RT1Transformer:
    settings = {"moments": 3, "tokens": 2, "actions": 3, "bins": 5, "layers": 2, "heads": 2, "head_dim": 3, "width": 8}
    return scrambled(RT1Transformer(4, **{**settings, "dropout": 0.0, **changes}))


def test_an_action_depends_on_images_until_then_and_on_no_later_one() -> None:
    network, tokens = small(), torch.randn(1, 3, 2, 4, generator=rng(), dtype=torch.float64)
    before = network(tokens)
    for moment in range(3):
        changed = tokens.clone()
        changed[:, moment] += 1
        differs = (network(changed) - before).abs().amax((0, 2, 3)) > 1e-9
        assert differs.tolist() == [t >= moment for t in range(3)]


def linear(x: Tensor, layer: Any) -> Tensor:
    return x @ layer.weight.T + layer.bias


def norm(x: Tensor, layer: Any) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * layer.weight + layer.bias


def test_the_transformer_is_the_releases() -> None:
    """transformer.py and transformer_network.py, place by place: zeros where actions stand, and the answer one place before."""
    network, tokens = small(), torch.randn(1, 3, 2, 4, generator=rng(), dtype=torch.float64)
    places = []
    for moment in range(3):
        places += [*tokens[0, moment], *torch.zeros(3, 4, dtype=torch.float64)]
    x = torch.stack(
        [
            linear(place, network.embed) + network.positions.weight[:, n] + network.positions.bias
            for n, place in enumerate(places)
        ]
    )
    mask = attention_mask(3, 2, 3)
    for block in network.blocks:
        y = norm(x, block.attention_norm)
        q, k, v = linear(y, block.query_key_value).split(6, dim=-1)
        heads = []
        for part in (slice(0, 3), slice(3, 6)):
            scores = (q[:, part] @ k[:, part].T / math.sqrt(3)).masked_fill(~mask, -torch.inf)
            heads.append(torch.softmax(scores, -1) @ v[:, part])
        x = x + linear(torch.cat(heads, -1), block.project)
        x = x + linear(norm(x, block.norm), block.feedforward)
    logits = network(tokens)
    for moment in range(3):
        for number in range(3):
            place = moment * 5 + 2 + number - 1
            torch.testing.assert_close(logits[0, moment, number], linear(x[place], network.head), rtol=1e-9, atol=1e-9)


def test_film_starts_as_the_identity_and_is_linear_in_what_is_told() -> None:
    film, x, told = FiLM(3, 4), torch.randn(2, 5, 4, generator=rng()), torch.randn(2, 3, generator=rng(1))
    assert torch.equal(film(x, told), x)
    film = scrambled(film)
    both = told.double() @ film.scale_and_shift.weight.T + film.scale_and_shift.bias
    expected = (1 + both[:, None, :4]) * x + both[:, None, 4:]
    torch.testing.assert_close(film(x.double(), told.double()), expected)
    maps = film(x.double().transpose(1, 2)[..., None], told.double())
    torch.testing.assert_close(maps[..., 0].transpose(1, 2), expected)


def test_a_token_is_an_average_of_places() -> None:
    learner, x = scrambled(TokenLearner(6, 3, bottleneck=4)), torch.randn(2, 5, 6, generator=rng(), dtype=torch.float64)
    hidden = linear(norm(x, learner.norm), learner.hidden)
    hidden = 0.5 * hidden * (1 + torch.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
    weights = linear(hidden, learner.weigh).exp()
    weights = weights / weights.sum(1, keepdim=True)
    torch.testing.assert_close(learner(x), torch.einsum("nps,npc->nsc", weights, x))
    same = torch.ones(1, 5, 6, dtype=torch.float64) * torch.arange(6)
    torch.testing.assert_close(learner(same)[0], same[0, :3])


@pytest.fixture
def encoder() -> FilmEfficientNet:
    torch.manual_seed(0)
    return FilmEfficientNet("test_efficientnet", None, told=12, width=8, tokens=3, drop_path=0.0).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=rng())


@torch.no_grad()
def test_every_block_is_told_the_goal(encoder: FilmEfficientNet, images: Tensor) -> None:
    told = torch.randn(2, 12, generator=rng())
    before = encoder.features(images, ("pooled", "patch"))
    unmoved = encoder.towards(images, told, ("pooled", "patch"))
    assert all(torch.equal(unmoved[name], before[name]) for name in before), "FiLM starts as the identity"
    blocks = [block for stage in encoder.network.blocks for block in stage]
    films: list[Any] = [*encoder.films, encoder.last_film]
    assert len(films) == len(blocks) + 1 == 6
    for film in films:
        nn.init.normal_(film.scale_and_shift.weight, std=0.1, generator=rng())
        assert not torch.allclose(encoder.towards(images, told, ("patch",))["patch"], before["patch"])
        nn.init.zeros_(film.scale_and_shift.weight)


@torch.no_grad()
def test_what_a_goal_is_told_as(encoder: FilmEfficientNet, images: Tensor) -> None:
    """Numbers with zeros after them; an image as the mean of its own tokens, likewise. Too many numbers are refused."""
    numbers = torch.randn(2, 5, generator=rng())
    assert torch.equal(encoder.read_goal(numbers), torch.cat([numbers, torch.zeros(2, 7)], 1))
    mean = encoder.pooled(images).view(2, 3, 8).mean(1)
    torch.testing.assert_close(encoder.read_goal(images), torch.cat([mean, torch.zeros(2, 4)], 1))
    with pytest.raises(BenchmarkError, match=r"a goal of 13 numbers is told to FiLMs of 12. Fix it with: told=13"):
        encoder.read_goal(torch.zeros(1, 13))
