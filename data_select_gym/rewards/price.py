"""The price of keeping a sample."""

from __future__ import annotations

from data_select_gym.arguments import check_share

PRICE_RATE = 0.1


class Price:
    """The price c of keeping a sample: a dual variable that holds the keep fraction at the keep ratio.

    It starts at 1 - keep_ratio and moves by 0.1 (keep_fraction - keep_ratio) after each step, within [0, 1].
    """

    def __init__(self, keep_ratio: float) -> None:
        self.keep_ratio = check_share("keep_ratio", keep_ratio)
        self.value = 1 - self.keep_ratio

    def move(self, keep_fraction: float) -> None:
        """Adjust the price after a step that kept the share ``keep_fraction`` of its pool."""
        self.value = min(1.0, max(0.0, self.value + PRICE_RATE * (keep_fraction - self.keep_ratio)))
