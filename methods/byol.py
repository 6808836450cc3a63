"""BYOL (Grill et al. 2020, arXiv 2006.07733): predict a slow copy's projection of another view of the same frame."""

from __future__ import annotations

from benchmark.methods._shared.two_view import BYOL_PAPER, QUICK, SMOKE, STANDARD, Bootstrap


class BYOL(Bootstrap):
    """Both views show one frame; heads of 4096 and 256, BYOL's two augmentations but no mirroring."""

    name = "byol"
    source = "Grill et al. 2020; settings of the DynaMo paper, Table 12"
    presets = {
        "smoke": SMOKE,
        "quick": QUICK,
        "standard": STANDARD,
        **BYOL_PAPER,
    }
