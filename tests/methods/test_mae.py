"""MAE: masking, what the encoder sees, the target, and the loss."""

import pytest
import torch

from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import torch_rng
from benchmark.data.augment import Recipe
from benchmark.methods.mae import MAE, encode_visible
from tests.learning import build, descend, loss_of, unreached


@pytest.fixture
def method(data):
    return build(MAE, data, decoder_blocks=2)


def _images(method, batch):
    return method.encoder.prepare(batch.frames.flatten(0, 2))


def _patches(image, size):
    """Row by row, pixels of a patch row by row, channels last."""
    _, height, width = image.shape
    corners = [(y, x) for y in range(0, height, size) for x in range(0, width, size)]
    return torch.stack([image[:, y : y + size, x : x + size].permute(1, 2, 0).flatten() for y, x in corners])


@pytest.mark.parametrize("norm_pix", [True, False])
def test_loss_is_the_published_one(norm_pix, data, make_batch):
    """The reference's bookkeeping, in float64: predict all patches, average over pixels, then over the masked ones only."""
    method = build(MAE, data, augment=False, norm_pix=norm_pix).double()
    batch = make_batch(1)
    images = _images(method, batch)
    visible, masked = method.draw(len(images), torch_rng("test"))
    vit, count = method.encoder.vit, method.decoder_positions.shape[1] - 1
    total, weight = 0.0, 0
    for i, image in enumerate(images):
        tokens = vit.patch_embed(image[None])[0] + vit.pos_embed[0, 1:]
        tokens = torch.cat([vit.cls_token[0] + vit.pos_embed[0, :1], tokens[visible[i]]])
        tokens = method.embed(vit.norm(vit.blocks(tokens[None])))[0]
        full = [tokens[0]]
        for place in range(count):
            where = (visible[i] == place).nonzero()
            full.append(tokens[1 + where.item()] if len(where) else method.mask_token)
        decoded = method.norm(method.blocks((torch.stack(full) + method.decoder_positions[0])[None]))
        predicted = method.head(decoded)[0, 1:]
        target = _patches(image, method.patch_size)
        if norm_pix:
            target = (target - target.mean(1, keepdim=True)) / (target.var(1, keepdim=True) + 1e-6).sqrt()
        error = ((predicted - target) ** 2).mean(1)
        is_masked = torch.zeros(count).index_fill(0, masked[i], 1.0)
        total, weight = total + (error * is_masked).sum().item(), weight + is_masked.sum().item()
    assert loss_of(method, batch).item() == pytest.approx(total / weight, rel=1e-6)


def test_what_is_rebuilt_is_the_crop_that_the_encoder_saw(data, make_batch):
    method = build(MAE, data)
    batch, rng = make_batch(1), torch_rng("test")
    crops = Recipe(crop=0.2)(batch.frames.flatten(0, 2), rng)
    assert not torch.allclose(crops, batch.frames.flatten(0, 2) / 255, atol=0.1)
    images = method.encoder.prepare(crops)
    visible, masked = method.draw(len(images), rng)
    predicted = method.decode(encode_visible(method.encoder, images, visible), visible, masked)
    torch.testing.assert_close(loss_of(method, batch), (predicted - method.target(images, masked)).square().mean())


def test_three_quarters_are_masked_and_differ_between_pictures(method):
    visible, masked = method.draw(64, torch_rng("m"))
    assert visible.shape == (64, 4)
    assert masked.shape == (64, 12)
    assert torch.equal(torch.cat([visible, masked], 1).sort(1).values, torch.arange(16).expand(64, -1))
    assert len({tuple(row) for row in visible.sort(1).values.tolist()}) > 32
    counts = torch.bincount(visible.flatten(), minlength=16)
    assert counts.min() > 4


def test_the_encoder_never_sees_what_is_masked(method, make_batch):
    images = _images(method, make_batch(1)).contiguous()
    visible, masked = method.draw(len(images), torch_rng("m"))
    before = encode_visible(method.encoder, images, visible)
    assert before.shape[1] == 1 + 4
    for chosen, changes in ((masked, False), (visible, True)):
        other = images.clone()
        for i, places in enumerate(chosen):
            for place in places:
                y, x = divmod(int(place), 4)
                other[i, :, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] += 1
        assert torch.equal(before, encode_visible(method.encoder, other, visible)) != changes


def test_policies_see_everything_through_the_class_token(method, make_batch):
    frames = make_batch(1).frames.flatten(0, 2)
    everything = torch.arange(16).expand(len(frames), -1)
    tokens = encode_visible(method.encoder.eval(), method.encoder.prepare(frames), everything)
    torch.testing.assert_close(method.encoder.pooled(frames), tokens[:, 0])
    torch.testing.assert_close(method.encoder.patch(frames), tokens[:, 1:])


def test_positions_are_fixed_and_gradient_reaches_everything_else(method, make_batch):
    assert unreached(method, make_batch(1)) == []
    assert [n for n, p in method.named_parameters() if not p.requires_grad] == ["encoder.vit.pos_embed"]
    distances = torch.cdist(method.encoder.vit.pos_embed[0, 1:], method.encoder.vit.pos_embed[0, 1:])
    assert (distances + torch.eye(16)).min() > 0.1


def test_it_learns(method, make_batch):
    curve = descend(method, make_batch(1), 6)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_a_resnet_is_refused(data):
    with pytest.raises(BenchmarkError, match="unknown backbone 'resnet18'"):
        build(MAE, data, backbone="resnet18")


def test_the_paper_preset_is_table_12():
    config = MAE.Config(**MAE.presets["paper"])
    assert (config.backbone, config.width, config.mask_ratio, config.epochs) == ("vit_base", 64, 0.75, 400)
    assert (config.optimizer, config.batch_size, config.lr, config.weight_decay) == ("adamw", 64, 2.5e-5, 0.05)
    assert (config.decoder_blocks, config.decoder_heads, config.decoder_width) == (8, 16, 512)
