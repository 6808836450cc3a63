"""What there is to do in the kitchen, and in which order people do it."""

from __future__ import annotations

from collections.abc import Sequence

TASKS = ("bottom burner", "top burner", "light switch", "slide cabinet", "hinge cabinet", "microwave", "kettle")
BEFORE_HINGE = {"slide cabinet", "top burner"}  # the open hinge cabinet hangs in front of one and above the other
# The 24 plans of the human data: the folders of relay-policy-learning's kitchen_demos_multitask.zip (Gupta et al. 2019), all in
# one fixed order, so that what comes next is nearly determined by what has been done.
HUMAN_PLANS = (
    "kettle, bottom burner, hinge cabinet, slide cabinet",
    "kettle, bottom burner, light switch, slide cabinet",
    "kettle, bottom burner, light switch, hinge cabinet",
    "kettle, light switch, hinge cabinet, slide cabinet",
    "kettle, top burner, bottom burner, slide cabinet",
    "kettle, top burner, bottom burner, hinge cabinet",
    "kettle, top burner, bottom burner, light switch",
    "kettle, top burner, light switch, slide cabinet",
    "microwave, bottom burner, hinge cabinet, slide cabinet",
    "microwave, bottom burner, light switch, slide cabinet",
    "microwave, light switch, hinge cabinet, slide cabinet",
    "microwave, top burner, bottom burner, hinge cabinet",
    "microwave, top burner, bottom burner, slide cabinet",
    "microwave, top burner, bottom burner, light switch",
    "microwave, top burner, light switch, hinge cabinet",
    "microwave, kettle, bottom burner, hinge cabinet",
    "microwave, kettle, bottom burner, slide cabinet",
    "microwave, kettle, hinge cabinet, slide cabinet",
    "microwave, kettle, light switch, slide cabinet",
    "microwave, kettle, light switch, hinge cabinet",
    "microwave, kettle, top burner, hinge cabinet",
    "microwave, kettle, top burner, light switch",
    "top burner, bottom burner, light switch, slide cabinet",
    "top burner, bottom burner, hinge cabinet, slide cabinet",
)
PLANS = ("human", "random")
COUNTED = 4  # the paper scores tasks out of four, the number in each human demonstration


def too_late(order: Sequence[str]) -> set[str]:
    """Tasks that an earlier one of the order is in the way of: the hinge cabinet has to be opened after them."""
    return BEFORE_HINGE & set(order[order.index("hinge cabinet") :]) if "hinge cabinet" in order else set()
