import pytest
import torch

from benchmark.models.collapse import learning_verdict, spread


def test_directions_that_fill_the_sphere_have_spread_one():
    assert spread(torch.randn(4000, 32)).item() == pytest.approx(1, abs=0.02)


def test_one_direction_has_spread_zero_whatever_its_length():
    assert spread(torch.rand(50, 1) * torch.ones(50, 8) + 0.1).item() == pytest.approx(0, abs=1e-6)


def test_it_takes_any_leading_axes_and_gives_no_gradient():
    x = torch.randn(4, 5, 8, requires_grad=True)
    assert torch.equal(spread(x), spread(x.flatten(0, 1)))
    assert not spread(x).requires_grad


@pytest.mark.parametrize(
    ("first", "last", "trivial", "learned"),
    [
        (3.608, 6.262, 6.238, False),  # recorded: dino on Push-T, 512 prototypes, results/measured/pusht-human/curves.csv
        (3.491, 3.35, 3.327, False),  # recorded: moco_v3 on the kitchen
        (3.549, 3.187, 3.327, True),  # recorded: moco_v3 on Push-T after as many steps
        (1.321, 0.945, 1.0, True),  # recorded: rpt on Push-T after 59 steps
        (4.275, 0.001, None, True),  # byol: a constant is the optimum, so the loss cannot tell
        (1.0, 0.99, 1.0, False),
    ],
)
def test_a_loss_that_never_left_its_trivial_value_is_told(
    first: float, last: float, trivial: float | None, learned: bool
) -> None:
    verdict = learning_verdict(first, last, trivial)
    assert (verdict is None) == learned
    if verdict is not None:
        assert f"from {first:g} to {last:g}" in verdict
        assert f"{trivial:g}" in verdict
