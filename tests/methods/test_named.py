"""Rows named by an address: what timm, the hub's layout and a file say is what is built, and nothing is half random."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from benchmark.cli.components import ablations
from benchmark.cli.main import main
from benchmark.conformance.methods import PROMISES
from benchmark.core.errors import BenchmarkError, Corrupt, Unavailable, UnknownName
from benchmark.core.names import parse_address, parse_row
from benchmark.data.video import video_name
from benchmark.methods.named import File, Hub, NamedConfig, Timm
from benchmark.models.features import why_no_features
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.planning.variants import expand_methods, with_variant
from tests.fake_hub import endpoint  # noqa: F401 - a fixture
from tests.methods.networks import assert_features, noisy, normalised

TINY = "test_resnet"  # timm's own for tests: half a million numbers
VIT = "test_vit"
REPOSITORY = "timm/test_resnet.r160_in1k"


def checkpoint(architecture, **options):
    return dict(noisy(timm.create_model(architecture, **options)).state_dict())


def in_hub_cache(root, repository, **files):
    """As huggingface_hub leaves it: a branch that names a snapshot of files."""
    base = root / f"models--{repository.replace('/', '--')}"
    (base / "refs").mkdir(parents=True, exist_ok=True)
    (base / "refs" / "main").write_text("c0ffee")
    snapshot = base / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if name == "config":
            (snapshot / "config.json").write_text(json.dumps(content))
        else:
            save_file(content, snapshot / "model.safetensors")
    return snapshot


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path


def row(cls, variant, size=64):
    return with_variant(cls, cls.Config(size=size), variant, "")


def built(cls, config, data, seed=7):
    torch.manual_seed(seed)
    return cls(config, data).encoder.eval()


def reference(content, frames, size, architecture=TINY, **options):
    """timm's whole network with that checkpoint, and what it makes of normalised frames."""
    network = timm.create_model(architecture, **options).eval()
    network.load_state_dict(content)
    published = timm.get_pretrained_cfg(architecture)
    x = torch.nn.functional.interpolate(
        normalised(frames, published.mean, published.std), (size, size), mode="bicubic", antialias=True
    )
    with torch.no_grad():
        last = network.forward_features(x)
        return last, network.forward_head(last, pre_logits=True)


def test_features_are_those_of_timms_network_with_the_cached_file(caches, data, frames):
    content = checkpoint(TINY)
    in_hub_cache(caches / "hub", REPOSITORY, weights=content)
    last, pooled = reference(content, frames, 64)
    encoder = built(Timm, row(Timm, TINY), data)
    assert_features(encoder, frames, last.flatten(2).transpose(1, 2), pooled)
    assert set(encoder.feature_names) == {"pooled", "patch", "layer1", "layer2", "layer3", "layer4"}
    assert encoder.feature_shapes(64)["layer2"][1:] == (8, 8)
    assert not any(p.requires_grad for p in encoder.parameters())


def test_tokens_leave_out_the_class_token(caches, data, frames):
    content = checkpoint(VIT)
    in_hub_cache(caches / "hub", "timm/test_vit.r160_in1k", weights=content)
    encoder = built(Timm, row(Timm, VIT, size=160), data)
    last, pooled = reference(content, frames, 160, VIT)
    assert_features(encoder, frames, last[:, 1:], pooled)
    assert encoder.feature_shapes(64)["patch"] == (100, 64)
    assert "block2" in encoder.feature_names


def test_what_timm_says_of_a_network_is_what_a_row_has():
    config = with_variant(Timm, NamedConfig(), "vit_small_patch14_dinov2", "")
    assert (config.backbone, config.pixels) == ("vit_small_patch14_dinov2.lvd142m", 518)
    grey = with_variant(Timm, NamedConfig(), "vit_base_patch16_siglip_224", "")
    assert (grey.mean, grey.std) == ([0.5] * 3, [0.5] * 3)
    assert with_variant(Timm, NamedConfig(size=112), "vit_base_patch32_224", "").pixels == 96, "cut up without a rest"


@pytest.mark.parametrize("place", ["hub", "torch", "by hand"])
def test_every_cache_is_looked_into(caches, data, place):
    content = checkpoint(TINY)
    if place == "hub":
        in_hub_cache(caches / "hub", REPOSITORY, weights=content)
    elif place == "torch":
        url = timm.get_pretrained_cfg("resnet18.a1_in1k").url
        path = caches / "torch" / "hub" / "checkpoints" / url.rpartition("/")[2]
        path.parent.mkdir(parents=True)
        torch.save({"state_dict": checkpoint("resnet18")}, path)
    else:
        path = caches / "weights" / "hub" / REPOSITORY / "model.safetensors"
        path.parent.mkdir(parents=True)
        save_file(content, path)
    name = "resnet18" if place == "torch" else TINY
    config = row(Timm, name)
    assert config.sha256.startswith("sha256:")
    assert Timm.unavailable_reason(config) is None
    assert built(Timm, config, data).dim == (512 if place == "torch" else 96)


def test_a_file_that_is_not_here_is_named_with_its_place(caches, data):
    config = row(Timm, TINY)
    reason = Timm.unavailable_reason(config)
    assert f"model.safetensors of {REPOSITORY} is not here: python -m benchmark weights fetch timm:{TINY}" in reason
    assert str(caches / "weights" / "hub" / REPOSITORY) in reason
    with pytest.raises(Unavailable, match="is not here"):
        Timm(config, data)


def test_the_weights_of_another_network_are_refused_before_any_work(caches, data):
    in_hub_cache(caches / "hub", REPOSITORY, weights=checkpoint("test_convnext"))
    config = row(Timm, TINY)
    assert "holds the weights of another network than test_resnet.r160_in1k" in Timm.unavailable_reason(config)
    with pytest.raises(Corrupt, match="another network"):
        Timm(config, data)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "shape"])
def test_one_tensor_that_is_wrong_is_enough(caches, fault):
    content = checkpoint(TINY)
    name = next(name for name in content if name.startswith("layer2") and name.endswith("weight"))
    if fault == "missing":
        del content[name]
    elif fault == "unexpected":
        content["more.weight"] = torch.zeros(1)
    else:
        content[name] = torch.zeros(1, *content[name].shape)
    in_hub_cache(caches / "hub", REPOSITORY, weights=content)
    assert "another network" in Timm.unavailable_reason(row(Timm, TINY))


def test_a_file_that_changed_since_the_plan_is_refused(caches, data):
    snapshot = in_hub_cache(caches / "hub", REPOSITORY, weights=checkpoint(TINY))
    config = row(Timm, TINY)
    save_file({name: tensor + 1 for name, tensor in checkpoint(TINY).items()}, snapshot / "model.safetensors")
    with pytest.raises(Corrupt, match="not the file that was planned with"):
        Timm(config, data)


def test_code_in_a_checkpoint_is_not_executed(caches, tmp_path):
    (tmp_path / "mine.json").write_text('{"architecture": "test_resnet"}')
    torch.save({"weights": Path("x")}, tmp_path / "mine.pth")
    assert "it is refused because it holds code" in File.unavailable_reason(row(File, str(tmp_path / "mine.pth")))


def test_unknown_names_say_the_nearest_before_any_work():
    with pytest.raises(UnknownName, match="did you mean resnet34"):
        expand_methods(["timm:resnet43"])
    with pytest.raises(UnknownName, match=r"did you mean resnet34\.a1_in1k"):
        expand_methods(["timm:resnet34.a1_in2k"])
    with pytest.raises(UnknownName, match="did you mean random"):
        expand_methods(["timm:resnet34@randon"])
    with pytest.raises(BenchmarkError, match="timm alone is no row: write timm:NAME"):
        expand_methods(["timm"])
    with pytest.raises(BenchmarkError, match="is not hf:ORG/NAME"):
        expand_methods(["hf:../secrets"])
    with pytest.raises(Unavailable, match=r"config.json of org/a-name is not here: .* weights fetch hf:org/a-name"):
        expand_methods(["hf:org/a-name"])


def test_a_file_that_does_not_exist_names_its_neighbours(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "my_encoder.safetensors")
    with pytest.raises(BenchmarkError, match=r"no file .*my_encodr\.safetensors; beside it there are my_encoder\.safetensors"):
        row(File, str(tmp_path / "my_encodr.safetensors"))
    with pytest.raises(BenchmarkError, match=r'what network is it.*"architecture": "resnet34"'):
        row(File, str(tmp_path / "my_encoder.safetensors"))


CONFIG = {"architecture": TINY, "pretrained_cfg": {"mean": [0.4] * 3, "std": [0.3] * 3, "input_size": [3, 96, 96]}}


@pytest.mark.parametrize("classes", [0, 7])
def test_a_repository_and_a_folder_say_what_they_are(caches, tmp_path, data, frames, classes):
    content = checkpoint(TINY, num_classes=classes)
    snapshot = in_hub_cache(caches / "hub", "org/a-name", weights=content, config=CONFIG)
    ((method, variant),) = expand_methods(["hf:org/a-name"])
    assert (method, variant) == ("hf", "org/a-name"), "hyphens of an address stay"
    config = row(Hub, variant, size=None)
    assert (config.pixels, config.mean, config.std) == (96, [0.4] * 3, [0.3] * 3)
    assert Hub.unavailable_reason(config) is None
    from_file = row(File, str(snapshot), size=None)
    assert torch.equal(built(Hub, config, data).pooled(frames), built(File, from_file, data).pooled(frames))


def test_a_repository_of_transformers_says_that_it_is_one(caches):
    in_hub_cache(caches / "hub", "org/vit", config={"model_type": "dinov2"})
    with pytest.raises(Corrupt, match="of transformers, a dinov2"):
        row(Hub, "org/vit")


def test_random_is_the_same_network_without_its_file(caches, data, frames):
    absent = row(Timm, f"{TINY}@random")
    in_hub_cache(caches / "hub", REPOSITORY, weights=checkpoint(TINY))
    assert row(Timm, f"{TINY}@random") == absent, "whether the file is here does not matter"
    plain = row(Timm, TINY)
    assert {name for name in vars(plain) if getattr(plain, name) != getattr(absent, name)} == {"pretrained", "sha256"}
    assert (Timm.seeded(plain), Timm.seeded(absent)) == (False, True)
    assert Timm.files(absent) == {}
    first, again, other = (built(Timm, absent, data, seed).pooled(frames) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_keys_follow_the_file_and_rows_differ_in_their_encoder_only(caches, toy):
    request = Request(
        [f"timm:{TINY}", f"timm:{TINY}@random", f"timm:{TINY}@finetuned", "random"], ["toy"], ["mlp"], preset="smoke"
    )
    in_hub_cache(caches / "hub", REPOSITORY, weights=checkpoint(TINY))
    plan = make_plan(request)
    pretrained, random, finetuned, ours = plan.cells
    assert [cell.id.row for cell in plan.cells] == [*request.methods]
    assert finetuned.stages["pretrain"] == pretrained.stages["pretrain"], "it starts from the encoder of the plain row"
    assert finetuned.stages["fit"] != pretrained.stages["fit"]
    for other in (pretrained, ours):
        same = {
            kind for kind, key in other.stages.items() if plan.stages[key].params == plan.stages[random.stages[kind]].params
        }
        assert same == {"demos", "embed", "probe", "fit", "rollout"}
    params = plan.stages[pretrained.stages["pretrain"]].params
    assert params.files[TINY].startswith("sha256:")
    in_hub_cache(caches / "hub", REPOSITORY, weights={name: tensor + 1 for name, tensor in checkpoint(TINY).items()})
    changed, same, *_ = make_plan(request).cells
    assert changed.stages["pretrain"] != pretrained.stages["pretrain"]
    assert same.stages == random.stages


def test_all_means_the_rows_that_need_no_address():
    assert not {"timm", "hf", "file"} & {method for method, _ in expand_methods(["all"])}
    assert "timm:ADDRESS@random" in [line["name"] for line in ablations()]


def test_names_of_rows_are_read_as_they_are_written():
    assert parse_row("dy-namo:no-forward") == ("dy_namo", "no_forward")
    assert parse_row("hf:org/a-name@random") == ("hf", "org/a-name@random")
    assert parse_address("my@home.safetensors") == ("my@home.safetensors", "")
    cell = {
        "env": "toy",
        "method": "hf",
        "variant": "org/a-name@random",
        "policy": "mlp",
        "seed": 0,
        "stages": {"rollout": "k"},
    }
    assert "/" not in video_name(cell, 0, 1.0)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_promises(promise):
    class Untrained(Timm):
        presets = {"smoke": {"pretrained": False, "backbone": TINY, "size": 64}}

        @classmethod
        def at(cls, address):
            return {}

    promise(Untrained)


def test_a_network_that_is_no_encoder_is_refused_in_the_plan(data):
    with pytest.raises(BenchmarkError, match="needs images of at least 32 pixels, not 16"):
        _ = NamedConfig(backbone="swin_tiny_patch4_window7_224", native=16).pixels
    reason = why_no_features(Timm, NamedConfig(backbone=TINY, size=64), data, "block3")
    assert "block3" in str(reason)


def test_a_fetched_repository_is_found_with_the_users_token(caches, endpoint, capsys):  # noqa: F811
    save_file(checkpoint(TINY), caches / "w.safetensors")
    weights = (caches / "w.safetensors").read_bytes()
    endpoint.files |= {"org/a-name": {"model.safetensors": weights, "config.json": json.dumps(CONFIG).encode()}}
    assert main(["weights", "fetch", "hf:org/a-name"]) == 0
    assert "Bearer hf_secret" in endpoint.tokens
    assert main(["weights", "verify", "hf:org/a-name"]) == 0
    assert "all tensors match; sha256:" in capsys.readouterr().out


def test_what_cannot_be_fetched_says_where_it_is_put(caches, monkeypatch, capsys):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main(["weights", "fetch", f"timm:{TINY}"]) == 2
    said = capsys.readouterr().err
    assert f"{REPOSITORY} was not fetched" in said
    assert f"download model.safetensors and config.json elsewhere and put them into {caches}/weights/hub/{REPOSITORY}" in said
