from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from benchmark import registry
from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.presets import component_config
from benchmark.contracts.specs import require
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.planning.config.compose import compose_config
from benchmark.planning.variants import with_variant


@dataclass
class DummyConfig(MethodConfig):
    latent_dim: int = 8
    ema: float | None = None
    forward: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.forward or self.latent_dim > 1, "without forward the latent needs more than one dimension")


class Dummy(Method):
    name = "dummy"
    Config = DummyConfig
    presets = {"smoke": {"latent_dim": 2}, "paper": {"latent_dim": 16}, "paper/toy": {"latent_dim": 64}}
    variants = {"no_forward": {"forward": False}}

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _components(toy: type) -> Any:
    registry.methods().add(Dummy)
    yield
    registry.methods().remove("dummy")


def compose(*overrides: str, preset: str = "quick") -> Any:
    return compose_config("toy", preset=preset, methods=["dummy"], overrides=overrides)


def test_later_wins() -> None:
    assert compose(preset="quick").method["dummy"].latent_dim == 8
    assert compose(preset="smoke").method["dummy"].latent_dim == 2
    assert component_config(Dummy, "paper", "other").latent_dim == 16
    assert compose(preset="paper").method["dummy"].latent_dim == 64
    assert compose("method.dummy.latent_dim=5", preset="paper").method["dummy"].latent_dim == 5


def test_what_comes_out_is_typed() -> None:
    config = compose("method.dummy.ema=0.99", "method.dummy.forward=false", "rollout.episodes=3")
    assert isinstance(config.method["dummy"], DummyConfig)
    assert config.method["dummy"].ema == 0.99
    assert config.method["dummy"].forward is False
    assert config.rollout.episodes == 3
    assert compose("method.dummy.ema=null").method["dummy"].ema is None


def test_an_environment_may_need_more_steps_than_others_in_a_preset() -> None:
    """What is given by hand goes first, in whatever unit."""
    assert compose_config("block_push").fit.steps == 4000
    assert compose_config("block_push", preset="standard").fit.steps == 6000
    assert compose_config("block_push", overrides=["fit.steps=100"]).fit.steps == 100
    by_hand = compose_config("block_push", overrides=["fit.epochs=3"]).fit
    assert (by_hand.steps, by_hand.epochs) == (None, 3)


def test_a_budget_given_by_hand_replaces_the_presets() -> None:
    assert compose().pretrain.frames is not None
    config = compose("pretrain.epochs=4", "fit.epochs=2").pretrain
    assert (config.epochs, config.frames, config.steps) == (4, None, None)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method.dummy.latent_dimm=1"], r"unknown key 'method.dummy.latent_dimm'.*did you mean latent_dim\?"),
        (["pretrain.epoch=1"], r"did you mean epochs"),
        (["pretrian.epochs=1"], r"did you mean pretrain"),
        (["method.other.lr=1"], r"method has no 'other'"),
        (
            ["method.dummy.batch_size=abc"],
            r"method.dummy.batch_size=abc: Value 'abc' of type 'str' could not be converted to Integer",
        ),
        (["method.dummy.forward=7.5"], r"method.dummy.forward=7.5"),
        (["machine.zero=1"], r"machine\.zero divides what machine\.processes have"),
        (["machine.zero=3", "machine.processes=2"], r"machine\.zero is a stage of ZeRO, 0, 1 or 2"),
        (["pretrain.compile=true", "machine.processes=2"], r"compiles the step of one process"),
        (["method.dummy.optimizer=adamm"], r"optimizer 'adamm' is none of"),
        (["method.dummy.forward=false", "method.dummy.latent_dim=1"], r"without forward"),
        (["pretrain.epochs=4", "pretrain.steps=3"], r"both set the budget"),
        (["rollout.episodes=0"], r"rollout.episodes must be at least 1"),
        (["env.toy.resolution=2"], r"at least 16 pixels"),
        (["latent_dim"], r"is not an override"),
        (["preset=paper"], r"--preset"),
        (["pretrain.epochs=[1,"], r"."),
    ],
)
def test_mistakes_stop_with_one_sentence(overrides: list[str], message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        compose(*overrides)


def test_unknown_names_get_suggestions() -> None:
    with pytest.raises(UnknownName, match="did you mean quick"):
        compose(preset="quik")
    with pytest.raises(UnknownName, match="did you mean no_forward"):
        with_variant(Dummy, DummyConfig(), "no_foward", "")


def test_a_variant_is_the_config_with_its_switch() -> None:
    assert with_variant(Dummy, DummyConfig(latent_dim=3), "no_forward", "") == DummyConfig(latent_dim=3, forward=False)


def test_a_wrong_preset_is_named() -> None:
    class Wrong(Dummy):
        name = "wrong"
        presets = {"quick": {"latent_dimension": 2}}

    with pytest.raises(BenchmarkError, match="preset 'quick' of wrong sets unknown fields: latent_dimension"):
        component_config(Wrong, "quick", "toy")
