"""LeWM: the prediction it is trained on, the actions it is given, its open target and what holds it up."""

from dataclasses import replace

import pytest
import torch

from benchmark.contracts.method import BatchSpec
from benchmark.core.seeds import torch_rng
from benchmark.methods.lewm import ConditionedBlock, LeWM, LeWMConfig
from benchmark.models.sigreg import sigreg
from tests.learning import build, descend, loss_of, unreached


def _awake(method):
    """AdaLN-zero blocks start as the identity: give them something to do."""
    for block in method.blocks:
        torch.nn.init.normal_(block.modulation.weight, std=0.3)
        torch.nn.init.normal_(block.modulation.bias, std=0.3)
    return method


@pytest.fixture
def method(data):
    return _awake(build(LeWM, data))


def test_loss_is_the_published_one(method, make_batch):
    """Mean squared error of the next embedding plus weighted SIGReg of each moment, in float64; prediction by prediction."""
    method.double()
    batch, history = make_batch(4), method.config.history
    batch.actions = batch.actions.double()
    embedded = method.projector(method.encoder(batch.frames.flatten(0, 2))).view(4, 4, 2, -1)
    actions = batch.actions[:, :-1]
    actions = (actions - actions.mean((0, 1))) / actions.std((0, 1), correction=0)
    sequences = torch.stack([embedded[i, :, view] for i in range(4) for view in range(2)])
    conditions = method.actions(torch.stack([actions[i] for i in range(4) for _ in range(2)]))
    x = sequences[:, :-1] + method.positions
    for block in method.blocks:
        x = block(x, conditions)
    predicted = method.head(method.norm(x).flatten(0, 1)).view(8, history, -1)
    error = sum(((predicted[:, t] - sequences[:, t + 1]) ** 2).mean() for t in range(history)) / history
    regulariser = sigreg(sequences.transpose(0, 1), method.config.slices, torch_rng("test"))
    assert loss_of(method, batch).item() == pytest.approx((error + 0.09 * regulariser).item(), rel=1e-6)


def test_predictions_are_causal_and_know_the_action(method):
    embedded = torch.randn(2, 3, 16, generator=torch_rng("e"))
    condition = torch.randn(2, 3, 16, generator=torch_rng("c"))
    method.eval()
    before = method.predict(embedded, condition)
    for given in (embedded, condition):
        changed = given.clone()
        changed[:, 1] *= -1
        after = method.predict(*((changed, condition) if given is embedded else (embedded, changed)))
        torch.testing.assert_close(after[:, 0], before[:, 0])
        assert not torch.allclose(after[:, 1], before[:, 1])
        assert not torch.allclose(after[:, 2], before[:, 2])


def test_frames_are_apart_and_all_actions_in_between_are_given(data, make_batch):
    method = build(LeWM, data, frameskip=2)
    assert method.batch_spec(method.config) == BatchSpec(4, stride=2, actions=True, between=True)
    batch = replace(make_batch(4), actions=make_batch(7).actions)
    assert loss_of(method, batch).isfinite()
    condition = method.condition(batch.actions, 2)
    for step in range(7):
        changed = batch.actions.clone()
        changed[0, step] *= -50
        moved = [t for t in range(3) if (method.condition(changed, 2) - condition)[0, t].abs().max() > 0.05]
        assert (step // 2 in moved) == (step < 6)


def test_gradient_flows_through_the_target(data, make_batch):
    """No stop-gradient: with predictions that know nothing, the target still moves the encoder; detached, it does not."""
    for stop_gradient in (True, False):
        method = build(LeWM, data, stop_gradient=stop_gradient, sigreg_weight=0.0)
        torch.nn.init.zeros_(method.head.layers[-1].weight)
        torch.nn.init.normal_(method.head.layers[-1].bias)
        loss_of(method, make_batch(4)).backward()
        assert bool(method.encoder.trunk.conv1.weight.grad.any()) != stop_gradient


def test_it_learns_and_gradient_reaches_everything(method, make_batch):
    assert unreached(method, make_batch(4)) == []
    curve = descend(method, make_batch(4), 5)
    assert curve[-1]["loss"] < curve[0]["loss"]


def test_sigreg_prevents_collapse(data, make_batch):
    batch = make_batch(4)
    held, free = (descend(build(LeWM, data, sigreg_weight=weight), batch, 12)[-1]["sigreg"] for weight in (0.09, 0.0))
    assert held < free - 1


def test_blocks_start_as_the_identity_and_have_the_release_s_attention():
    block = ConditionedBlock(LeWMConfig())
    x, condition = torch.randn(2, 3, 192), torch.randn(2, 3, 192)
    assert torch.equal(block(x, condition), x)
    assert block.query_key_value.weight.shape == (3 * 16 * 64, 192)
    assert sum(p.numel() for p in block.parameters()) == 192 * 6 * 193 + 3 * 1024 * 192 + 1025 * 192 + 2048 * 193 + 2049 * 192


def test_the_paper_preset_is_the_release_s():
    config = LeWMConfig(**LeWM.presets["paper"])
    assert config == replace(config, history=3, frameskip=5, embedding=192, sigreg_weight=0.09, slices=1024, dropout=0.1)
    assert (config.backbone, config.lr, config.weight_decay, config.batch_size) == ("vit_tiny", 5e-5, 1e-3, 128)
