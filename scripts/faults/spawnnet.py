"""Faults of spawnnet: taps, adapters, what is frozen and what of it is kept."""

from faults.fault import Fault

METHOD = "methods/test_spawnnet.py"
NETWORK = "models/test_impala.py"
KEPT = "training/test_frozen.py"

FAULTS = (
    Fault(
        "spawnnet: maps join the stages in the reverse order",
        "benchmark/models/impala.py",
        "F.interpolate(adapted[stage], ",
        "F.interpolate(adapted[STAGES - 1 - stage], ",
        f"{NETWORK}::test_every_map_joins_its_stage",
    ),
    Fault(
        "spawnnet: adapters have no activation",
        "benchmark/models/impala.py",
        "return [F.relu(adapter(x)) for",
        "return [adapter(x) for",
        f"{NETWORK}::test_every_map_joins_its_stage",
    ),
    Fault(
        "spawnnet: the last stage is narrowed, too",
        "benchmark/models/impala.py",
        "for _ in range(STAGES - 1))",
        "for _ in range(STAGES))",
        f"{NETWORK}::test_the_fused_network_has_the_parameters_of_the_release",
    ),
    Fault(
        "spawnnet: resized maps are shifted",
        "benchmark/models/impala.py",
        'mode="bilinear", align_corners=False)',
        'mode="bilinear", align_corners=False).roll(2, -1)',
        f"{NETWORK}::test_maps_of_another_grid_are_resized",
    ),
    Fault(
        "spawnnet: places are not normalised",
        "methods/spawnnet.py",
        "F.normalize(x, dim=1).permute(0, 2, 3, 1)",
        "x.permute(0, 2, 3, 1)",
        f"{METHOD}::test_adapters_get_the_maps_of_the_published_backbone_each_place_of_length_1",
    ),
    Fault(
        "spawnnet: what is kept is read back with its channels first",
        "methods/spawnnet.py",
        "(*grid, channels)).permute(0, 3, 1, 2)",
        "(channels, *grid))",
        f"{METHOD}::test_adapters_get_the_maps_of_the_published_backbone_each_place_of_length_1",
    ),
    Fault(
        "spawnnet: the backbone keeps its random start",
        "methods/spawnnet.py",
        "        if config.pretrained and encoder.backbone is not None:",
        "        if False:",
        f"{METHOD}::test_adapters_get_the_maps_of_the_published_backbone_each_place_of_length_1",
    ),
    Fault(
        "spawnnet: the backbone learns",
        "methods/spawnnet.py",
        ".requires_grad_(False).eval()",
        ".eval()",
        f"{METHOD}::test_the_backbone_gets_no_gradient_and_hashes_the_same",
    ),
    Fault(
        "spawnnet: the backbone's norms follow the batch",
        "methods/spawnnet.py",
        "            self.backbone.eval()\n",
        "            pass\n",
        f"{METHOD}::test_the_backbone_gets_no_gradient_and_hashes_the_same",
    ),
    Fault(
        "spawnnet: the learnt part starts elsewhere in each variant",
        "methods/spawnnet.py",
        "        self._taps = config.row.layers(data, config.size, config.layers)\n",
        "        self._taps = config.row.layers(data, config.size, config.layers)\n"
        "        torch.rand(1 + config.zero_backbone)\n",
        f"{METHOD}::test_every_variant_has_as_many_parameters_that_learn_and_starts_from_the_same",
    ),
    Fault(
        "spawnnet: the stream sees colours that were switched off",
        "methods/spawnnet.py",
        "        if self._config.zero_rgb:",
        "        if False:",
        f"{METHOD}::test_without_rgb_the_stream_sees_the_backbone_only",
    ),
    Fault(
        "spawnnet: the backbone is shown depth",
        "methods/spawnnet.py",
        "self.resized(images[:, :RGB])",
        "self.resized(images[:, -RGB:])",
        f"{METHOD}::test_depth_is_a_fourth_channel_in_metres_that_the_backbone_does_not_see",
    ),
    Fault(
        "spawnnet: depth is a fraction",
        "benchmark/models/images.py",
        "FARTHEST * self.resized(",
        "self.resized(",
        f"{METHOD}::test_depth_is_a_fourth_channel_in_metres_that_the_backbone_does_not_see",
    ),
    Fault(
        "spawnnet: depth is that of another view",
        "benchmark/models/features.py",
        "frames.unflatten(1, (-1, 2)).movedim(2, -2)",
        "frames.unflatten(1, (2, -1)).movedim(1, -2)",
        f"{METHOD}::test_each_view_is_joined_by_its_own_depth",
    ),
    Fault(
        "spawnnet: without colours there is no depth",
        "methods/spawnnet.py",
        "prepared[:, RGB:]], 1)",
        "torch.zeros_like(prepared[:, RGB:])], 1)",
        f"{METHOD}::test_colours_and_depth_can_be_switched_off_by_themselves",
    ),
    Fault(
        "spawnnet: taps are not spread",
        "benchmark/models/backbones.py",
        "(depth // 2, 3 * depth // 4, depth)",
        "(1, 2, depth)",
        f"{METHOD}::test_taps_are_spread_over_the_depth_or_those_that_are_named",
    ),
    Fault(
        "spawnnet: a row that learns is a backbone",
        "benchmark/models/backbones.py",
        "if method.learns or method.joint or method.privileged:",
        "if method.privileged:",
        f"{METHOD}::test_what_cannot_be_is_refused_before_any_work",
    ),
    Fault(
        "spawnnet: the backbone's code is on no key",
        "benchmark/planning/recipes.py",
        "components = method, *method.built_on(config)",
        "components = (method,)",
        f"{METHOD}::test_the_backbone_s_code_is_on_the_key",
    ),
    Fault(
        "spawnnet: the class token is a register",
        "benchmark/models/timm_encoder.py",
        "prefix[:, 0]",
        "prefix[:, -1]",
        "models/test_features.py::test_a_layer_of_a_vision_transformer_has_its_class_token",
    ),
    Fault(
        "spawnnet: what is kept belongs to other steps",
        "benchmark/training/joint.py",
        "seen.frozen = look(frozen, batch.rows)",
        "seen.frozen = look(frozen, batch.rows.roll(1, 0))",
        f"{KEPT}::test_a_step_with_it_is_the_step_without_and_does_not_run_the_frozen_network",
    ),
    Fault(
        "spawnnet: what is kept is not used",
        "benchmark/models/features.py",
        "        if frozen is not None:\n            assert",
        "        if False:\n            assert",
        f"{KEPT}::test_a_step_with_it_is_the_step_without_and_does_not_run_the_frozen_network",
    ),
    Fault(
        "spawnnet: maps are kept for a single look",
        "benchmark/training/frozen.py",
        "and seen > len(demos.frames)",
        "and seen > 0",
        f"{KEPT}::test_it_pays_on_a_processor_for_frames_that_are_seen_again_and_fit",
    ),
    Fault(
        "spawnnet: the fit computes maps and forgets them",
        "benchmark/stages/fit.py",
        "with_observations(sampler.batch_at(step), demos, kept)",
        "with_observations(sampler.batch_at(step), demos)",
        f"{KEPT}::test_a_fit_computes_it_once_and_hands_it_to_every_step",
    ),
)
