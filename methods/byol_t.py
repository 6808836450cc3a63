"""BYOL over time: the two views are adjacent frames."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.methods._shared.two_view import BYOL_PAPER, QUICK, SMOKE, STANDARD, Bootstrap, MomentumConfig


@dataclass
class BYOLTConfig(MomentumConfig):
    offset: int = 1  # DynaMo paper, section 4.2: adjacent frames


class BYOLT(Bootstrap):
    """Positives are o_t and o_t+1 of one camera, each augmented as in BYOL; the loss is symmetric in time.

    Whether the paper's baseline also mixed in pairs of the same frame is not stated; here it does not.
    """

    name = "byol_t"
    Config = BYOLTConfig
    source = "BYOL (Grill et al. 2020) on adjacent frames (Young et al. 2021), as in the DynaMo paper, section 4.2"
    presets = {
        "smoke": SMOKE,
        "quick": QUICK,
        "standard": STANDARD,
        **BYOL_PAPER,  # Table 12 and appendix B.1 have no row for BYOL-T: that of BYOL
    }
    variants = {**Bootstrap.variants, "offset_4": {"offset": 4}}
