"""Faults of what encoders are pretrained on, and of how they are judged."""

from faults.fault import Fault

UNITS = "methods/test_units.py::test_the_unit_of_an_action_does_not_matter"
AUGMENT = "data/test_augment.py"
VIEWS = "models/test_two_view.py"
TARGETS = "methods/test_targets.py::test_another_target_is_another_loss"
PROBE = "stages/test_probe.py"

FAULTS = (
    Fault(
        "pretraining: actions of millimetres do not count",
        "benchmark/models/units.py",
        "STILL = 1e-10",
        "STILL = 1e-5",
        f"{UNITS}[inverse_dynamics-]",
    ),
    *(
        Fault(
            f"pretraining: {name} {variant} standardises actions as features".replace("  ", " "),
            f"benchmark/methods/{name.replace('_sensorimotor', '')}.py",
            before,
            before.replace("in_deviations", "standardise"),
            f"{UNITS}[{name}-{variant}]",
        )
        for name, variant, before in (
            ("dynamo", "actions_only", "in_deviations(actions[:, :-1])"),
            ("rpt_sensorimotor", "", "(in_deviations(x) for x in"),
        )
    ),
    *(
        Fault(
            f"pretraining: {name} standardises actions as features",
            f"benchmark/methods/{name}.py",
            "from benchmark.models.units import in_deviations",
            "from benchmark.models.losses import standardise as in_deviations",
            f"{UNITS}[{name}-]",
        )
        for name in ("inverse_dynamics", "lewm")
    ),
    Fault(
        "pretraining: the cameras of a window are augmented as one image",
        "benchmark/methods/_shared/two_view.py",
        "return first(batch.frames[:, 0].flatten(0, 1), rng), second(batch.frames[:, -1].flatten(0, 1), rng)",
        "return first(batch.frames[:, 0], rng).flatten(0, 1), second(batch.frames[:, -1], rng).flatten(0, 1)",
        f"{VIEWS}::test_augmentation_differs_between_views_and_between_pictures",
    ),
    Fault(
        "pretraining: both views are augmented with the same numbers",
        "benchmark/methods/_shared/two_view.py",
        "return first(batch.frames[:, 0].flatten(0, 1), rng), second(batch.frames[:, -1].flatten(0, 1), rng)",
        "state = rng.get_state(); one = first(batch.frames[:, 0].flatten(0, 1), rng); rng.set_state(state); "
        "return one, second(batch.frames[:, -1].flatten(0, 1), rng)",
        f"{VIEWS}::test_two_views_by_one_recipe_are_drawn_one_after_the_other",
    ),
    Fault(
        "pretraining: the frames of a TCN window are coloured alike",
        "benchmark/methods/tcn.py",
        "self.encoder(recipe(images, rng))",
        "self.encoder(recipe(images[None], rng)[0])",
        "methods/test_tcn.py::test_every_frame_is_coloured_by_itself[TCNSingleView]",
    ),
    Fault(
        "pretraining: contrast goes with brightness",
        "benchmark/data/augment.py",
        """            "contrast": uniform(max(0, 1 - contrast), 1 + contrast),
            "saturation": uniform(max(0, 1 - saturation), 1 + saturation),
        }
""",
        """            "saturation": uniform(max(0, 1 - saturation), 1 + saturation),
        }
        factors["contrast"] = 1 + (factors["brightness"] - 1) * contrast / max(brightness, 1e-9)
""",
        f"{AUGMENT}::test_parameters_come_from_their_published_ranges_each_drawn_by_itself",
    ),
    Fault(
        "pretraining: blur is as wide in pixels at any resolution",
        "benchmark/data/augment.py",
        "uniform(*SIGMA) * height / 224",
        "uniform(*SIGMA)",
        f"{AUGMENT}::test_parameters_come_from_their_published_ranges_each_drawn_by_itself",
    ),
    Fault(
        "pretraining: SimSiam has BYOL's jitter",
        "benchmark/data/augment.py",
        "jitter=(0.4, 0.4, 0.4, 0.1), grayscale=0.2, blur=0.5)",
        "jitter=(0.4, 0.4, 0.2, 0.1), grayscale=0.2, blur=0.5)",
        f"{VIEWS}::test_every_row_has_its_published_augmentations[simsiam-quick]",
    ),
    Fault(
        "pretraining: LeJEPA has SimSiam's jitter",
        "benchmark/methods/lejepa.py",
        "jitter=(0.8, 0.8, 0.8, 0.2)",
        "jitter=(0.4, 0.4, 0.4, 0.1)",
        f"{VIEWS}::test_every_row_has_its_published_augmentations[lejepa-quick]",
    ),
    Fault(
        "pretraining: MAE is not augmented",
        "benchmark/methods/mae.py",
        "if self.config.augment else NOTHING",
        "if False else NOTHING",
        "methods/test_mae.py::test_what_is_rebuilt_is_the_crop_that_the_encoder_saw",
    ),
    Fault(
        "pretraining: MAE rebuilds the frame and not the crop",
        "benchmark/methods/mae.py",
        "self.target(images, masked)), {}",
        "self.target(encoder.prepare(batch.frames.flatten(0, 2)), masked)), {}",
        "methods/test_mae.py::test_what_is_rebuilt_is_the_crop_that_the_encoder_saw",
    ),
    *(
        Fault(f"pretraining: {what} passes a plan", file, line, "", f"methods/test_sizes.py::{test}")
        for what, file, line, test in (
            (
                "a transformer without heads",
                "benchmark/methods/dynamo.py",
                '        require_sizes(self, "stride", "latent_dim", "layers", "heads", "transformer_width")\n',
                "test_every_number_is_refused_or_works[dynamo]",
            ),
            (
                "a head of no width",
                "benchmark/methods/_shared/two_view.py",
                '        require_sizes(self, "hidden", "out")\n',
                "test_every_number_is_refused_or_works[vicreg]",
            ),
            (
                "a momentum of one",
                "benchmark/contracts/training.py",
                '        require(0 <= self.momentum < 1, f"momentum is a fraction below 1, not {self.momentum}")\n',
                "test_a_refusal_says_which_number[simsiam-changes6-momentum is a fraction below 1, not 1]",
            ),
        )
    ),
    Fault(
        "pretraining: actions between the frames are left out",
        "benchmark/data/windows.py",
        "if spec.between else self._offsets",
        "if not spec.between else self._offsets",
        "data/test_windows.py::test_actions_between_the_frames_come_along_where_a_method_wants_them",
    ),
    Fault(
        "pretraining: every epoch leaves out the same windows",
        "benchmark/data/windows.py",
        'numpy_rng("windows", seed, epoch)',
        'numpy_rng("windows", seed, 0)',
        "data/test_windows.py::test_each_epoch_has_an_order_and_a_remainder_of_its_own",
    ),
    Fault(
        "pretraining: the effective rank is of variances",
        "benchmark/stages/probe.py",
        "share = spectrum / max(spectrum.sum(), 1e-12)",
        "share = spectrum**2 / max((spectrum**2).sum(), 1e-12)",
        f"{PROBE}::test_the_effective_rank_is_of_singular_values",
    ),
    Fault(
        "pretraining: the deviation of features is not that of their directions",
        "benchmark/stages/probe.py",
        "float(unit.std(0).mean() * np.sqrt(x.shape[1]))",
        "float(x.std(0).mean() * np.sqrt(x.shape[1]))",
        f"{PROBE}::test_signs_of_collapse_are_those_that_training_logs",
    ),
    Fault(
        "pretraining: features are scaled by held-out rows, too",
        "benchmark/stages/probe.py",
        "mean, spread = x.mean(0), x.std(0)",
        "mean, spread = np.vstack([x, x_test]).mean(0), np.vstack([x, x_test]).std(0)",
        f"{PROBE}::test_features_are_scaled_by_training_rows_alone",
    ),
    Fault(
        "pretraining: MoCo's keys are of the network that learns",
        "benchmark/methods/moco_v3.py",
        "keys = [self.target(view) for view in (first, second)]",
        "keys = [self.projector(self.encoder(view)).detach() for view in (first, second)]",
        f"{TARGETS}[moco_v3-changes2]",
    ),
    Fault(
        "pretraining: RPT's averaged target is not asked",
        "benchmark/methods/rpt.py",
        "features.detach() if self.target is None else self._features(self.target, batch.frames)",
        "features.detach()",
        f"{TARGETS}[rpt-changes5]",
    ),
    Fault(
        "pretraining: DINO's centre is the student's",
        "benchmark/methods/dino.py",
        "average(torch.cat(teacher).mean(0))",
        "average(torch.cat(student).detach().mean(0))",
        "methods/test_dino.py::test_loss_and_centre_are_lightlys",
    ),
    Fault(
        "pretraining: an encoder without pretraining is only fine-tuned",
        "benchmark/methods/end_to_end.py",
        'return 1.0 if config.init == "scratch"',
        'return 0.1 if config.init == "scratch"',
        "methods/test_start.py::test_an_encoder_learns_with_its_policy_as_fast_as_it_does_if_it_starts_from_nothing",
    ),
)
