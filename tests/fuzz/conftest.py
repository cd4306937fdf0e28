"""How many damages there are: a hundred in the fast tier, nine hundred more in the slow one."""

from typing import Any

import pytest


@pytest.fixture(
    params=[range(100), pytest.param(range(100, 1000), marks=pytest.mark.slow)], ids=["hundred", "thousand"]
)
def numbers(request: pytest.FixtureRequest) -> Any:
    """The numbers of the damages."""
    return request.param
