"""Faults of ACT, BeT, Diffusion Policy, flow matching and VQ-BeT: what they draw, with which weights, and their losses."""

from faults.fault import Fault

ACT, BET, DIFFUSION, FLOW, VQBET = (f"policies/{name}.py" for name in ("act", "bet", "diffusion", "flow", "vqbet"))
AVERAGES = "policies/test_heads.py::test_averaged_weights_act_and_are_validated_and_the_others_are_trained"
SAMPLING = "policies/test_diffusion.py::test_sampling_is_that_of_ddim"
BIN_LOSS = "policies/test_bet.py::test_the_loss_is_focal_for_the_nearest_bin_and_weighs_the_squared_offset_error[3.0]"
CODE_LOSS = (
    "policies/test_vqbet.py::test_the_loss_weighs_the_first_code_ten_times_the_second_and_the_offsets_by_their_own[False]"
)
DIVERGENCE = "policies/test_act.py::test_the_loss_adds_the_divergence_of_the_style_from_the_prior[10.0]"
STYLES = "policies/test_act.py::test_styles_are_drawn_with_the_mean_and_the_deviation_that_the_encoder_names"

FAULTS = (
    Fault(
        "heads: bet acts without its temperature",
        BET,
        "rows_uniform(rngs, (), logits), self.config.temperature)",
        "rows_uniform(rngs, (), logits))",
        "policies/test_bet.py::test_bins_are_drawn_at_the_temperature[0.2]",
    ),
    Fault(
        "heads: vqbet acts without its temperature",
        VQBET,
        "categorical(logits, uniform, self.config.temperature)",
        "categorical(logits, uniform)",
        "policies/test_vqbet.py::test_codes_are_drawn_at_the_temperature[0.3]",
    ),
    Fault(
        "heads: vqbet trains at the temperature of acting",
        VQBET,
        "generator=rng, device=target.device))",
        "generator=rng, device=target.device), self.config.temperature)",
        CODE_LOSS,
    ),
    Fault(
        "heads: diffusion acts with the weights that are trained",
        DIFFUSION,
        "predicted = self.average(x,",
        "predicted = self.net(x,",
        f"{AVERAGES}[diffusion]",
    ),
    Fault(
        "heads: flow acts with the weights that are trained",
        FLOW,
        "x + self.average(x,",
        "x + self.net(x,",
        f"{AVERAGES}[flow]",
    ),
    Fault(
        "heads: diffusion validates the weights that are trained",
        DIFFUSION,
        "self.net if self.training else self.average",
        "self.net",
        f"{AVERAGES}[diffusion]",
    ),
    Fault(
        "heads: flow validates the weights that are trained",
        FLOW,
        "self.net if self.training else self.average",
        "self.net",
        f"{AVERAGES}[flow]",
    ),
    Fault(
        "heads: diffusion is always ancestral",
        DIFFUSION,
        "c.eta, noise[:, i + 1]",
        "1.0, noise[:, i + 1]",
        f"{SAMPLING}[5-0.5]",
    ),
    Fault(
        "heads: diffusion never adds noise",
        DIFFUSION,
        "c.eta, noise[:, i + 1]",
        "0.0, noise[:, i + 1]",
        f"{SAMPLING}[5-0.5]",
    ),
    Fault(
        "heads: diffusion takes all its steps",
        DIFFUSION,
        "c.noise_steps if c.sample_steps is None else c.sample_steps",
        "c.noise_steps",
        f"{SAMPLING}[5-0.0]",
    ),
    Fault(
        "heads: diffusion learns from padded steps",
        DIFFUSION,
        "masked_mean((predicted - noise) ** 2, batch.valid)",
        "((predicted - noise) ** 2).mean()",
        "policies/test_diffusion.py::test_the_loss_is_of_the_noise_in_what_the_network_was_given",
    ),
    Fault(
        "heads: flow is told the time at the end of a step",
        FLOW,
        "TIME_SCALE * i / steps",
        "TIME_SCALE * (i + 1) / steps",
        "policies/test_flow.py::test_a_rollout_takes_euler_steps_that_begin_at_time_zero[4]",
    ),
    Fault(
        "heads: flow learns the velocity backwards",
        FLOW,
        "(velocity - (actions - noise)) ** 2",
        "(velocity + (actions - noise)) ** 2",
        "policies/test_flow.py::test_the_loss_is_of_the_velocity_along_the_straight_path",
    ),
    Fault(
        "heads: vqbet weighs the second code most",
        VQBET,
        "CODE_WEIGHTS = (5.0, 0.5)",
        "CODE_WEIGHTS = (0.5, 5.0)",
        CODE_LOSS,
    ),
    Fault(
        "heads: vqbet has plain cross entropy",
        VQBET,
        "GAMMA = 2.0",
        "GAMMA = 0.0",
        CODE_LOSS,
    ),
    Fault(
        "heads: vqbet does not weigh its offsets",
        VQBET,
        "code + self.config.offset_weight * offset",
        "code + offset",
        CODE_LOSS,
    ),
    Fault(
        "heads: bet does not weigh its offsets",
        BET,
        "focal + self.config.offset_weight * offset",
        "focal + offset",
        BIN_LOSS,
    ),
    Fault(
        "heads: bet has plain cross entropy",
        BET,
        "GAMMA = 2.0",
        "GAMMA = 0.0",
        BIN_LOSS,
    ),
    Fault(
        "heads: act has no divergence in its loss",
        ACT,
        "return l1 + self.config.kl_weight * kl,",
        "return l1,",
        DIVERGENCE,
    ),
    Fault(
        "heads: act has the log variance in its divergence with the wrong sign",
        ACT,
        "- 1 - log_variance).sum(-1)",
        "- 1 + log_variance).sum(-1)",
        DIVERGENCE,
    ),
    Fault(
        "heads: act has the mean over the style's dimensions",
        ACT,
        "log_variance).sum(-1).mean()",
        "log_variance).mean(-1).mean()",
        DIVERGENCE,
    ),
    Fault(
        "heads: act draws styles with the inverse deviation",
        ACT,
        "(log_variance / 2).exp() * noise",
        "(-log_variance / 2).exp() * noise",
        STYLES,
    ),
    Fault(
        "heads: act draws styles with the variance",
        ACT,
        "(log_variance / 2).exp() * noise",
        "log_variance.exp() * noise",
        STYLES,
    ),
)
