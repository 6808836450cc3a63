"""A backbone that nobody can build is refused before any work."""

from __future__ import annotations

import pytest

from benchmark import registry
from benchmark.cli.main import main
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import BACKBONES, MethodConfig
from benchmark.core.errors import UnknownName
from benchmark.models.encoders import build_backbone


@pytest.mark.parametrize("name", BACKBONES)
def test_what_a_config_lets_pass_can_be_built(name: str) -> None:
    assert MethodConfig(backbone=name).backbone == name
    assert isinstance(build_backbone(name, 8, 64), Encoder)


@pytest.mark.parametrize("method", ["dynamo", "mae", "rpt_sensorimotor", "random", "end_to_end", "imagenet"])
def test_a_backbone_that_does_not_exist_is_refused_when_the_config_is_built(method: str) -> None:
    cls = registry.methods().get(method)
    with pytest.raises(UnknownName, match="unknown backbone 'resnet81'"):
        cls.Config(backbone="resnet81")


def test_mae_takes_no_convolutions_and_fixed_features_no_other() -> None:
    for method in ("mae", "rpt_sensorimotor"):
        with pytest.raises(UnknownName, match="unknown backbone 'resnet18'"):
            registry.methods().get(method).Config(backbone="resnet18")


def test_the_plan_refuses_it(toy: type, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--methods", "dynamo", "--envs", "toy", "method.dynamo.backbone=resnet81"]) == 2
    assert "unknown backbone 'resnet81'; did you mean resnet18" in capsys.readouterr().err


def test_the_plan_says_which_rows_lack_a_feature(toy: type, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--methods", "byol,mae,state", "--envs", "toy", "--preset", "smoke", "embed.features=layer3"]) == 0
    text = capsys.readouterr().out
    assert "unknown feature of ViTEncoder 'layer3'" in text
    assert "of ConvEncoder" not in text
