"""Which cases of a test are for the slow tier."""

from typing import Any

import pytest


def slow(*values: Any) -> Any:
    """One case of a parametrised test, left out of the fast tier."""
    return pytest.param(*values, marks=pytest.mark.slow)
