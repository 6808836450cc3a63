"""BYOL (Grill et al. 2020, arXiv 2006.07733): predict a slow copy's projection of another view of the same frame."""

from __future__ import annotations

from benchmark.nn.two_view import QUICK, SMOKE, STANDARD, Bootstrap

# DynaMo paper, Table 12: LARS, 512 frames, 0.2, 1.5e-6, 200 epochs. Whether 0.2 is still to be multiplied by batch / 256 is not
# said; the code it names (lucidrains/byol-pytorch) does not, so neither do we. The momentum stays at 0.99 in that code. The 10
# epochs of warm-up are BYOL's own.
PAPER = {"optimizer": "lars", "lr": 0.2, "weight_decay": 1.5e-6, "batch_size": 512, "epochs": 200, "warmup": 0.05}
PAPER |= {"ema_schedule": "constant"}


class BYOL(Bootstrap):
    """Both views show one frame; heads of 4096 and 256, BYOL's two augmentations but no mirroring."""

    name = "byol"
    source = "Grill et al. 2020; settings of the DynaMo paper, Table 12"
    presets = {
        "smoke": SMOKE,
        "quick": QUICK,
        "standard": STANDARD,
        "paper": PAPER,
        "paper/block_push": {"batch_size": 256},  # of two views
        "paper/libero_goal": {"batch_size": 256},
    }
