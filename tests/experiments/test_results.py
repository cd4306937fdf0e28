import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_select_gym.experiments import RunRecord

from .made_runs import NAN, run

numbers = st.floats()
shares = st.lists(numbers, max_size=3)


@given(
    quality=numbers,
    mislabelled=st.none() | numbers,
    curve=st.lists(st.dictionaries(st.text(), numbers, max_size=3), max_size=3),
    histories=st.tuples(shares, shares, st.lists(shares, max_size=3), shares),
)
def test_a_run_is_read_back_from_json_as_it_was(
    quality: float, mislabelled: float | None, curve: list[dict[str, float]], histories: Any
) -> None:
    kept, wrong, by_loss, losses = histories
    before = RunRecord("a|b", run("x", 3, quality=quality, mislabelled=mislabelled).result, curve, kept, 0.3)
    before = replace(before, problems={"mislabelled": wrong}, kept_by_loss=by_loss, final_losses=losses)
    after = RunRecord.from_dict(json.loads(json.dumps(asdict(before))))
    # NaN is not equal to itself, but is written alike.
    assert repr(after) == repr(before)


def test_the_regime_of_a_run_is_read_back_and_may_be_missing() -> None:
    before = replace(run("a"), regime="pair-noise:0.3", regime_seed=2**30)
    values = json.loads(json.dumps(asdict(before)))
    assert RunRecord.from_dict(values) == before
    del values["regime"], values["regime_seed"]
    assert RunRecord.from_dict(values) == run("a")


def test_null_is_read_as_nan_unless_the_number_may_be_unknown() -> None:
    values = asdict(run("full"))
    values["result"] |= {"quality": None, "mislabelled": None, "mislabelled_late": 0.5}
    values["curve"] = [{"cost": None}]
    values["keep_fractions"] = [None, 0.5]
    read = RunRecord.from_dict(values)
    assert repr((read.result.quality, read.curve, read.keep_fractions)) == repr((NAN, [{"cost": NAN}], [NAN, 0.5]))
    assert read.result.mislabelled is None
    assert read.result.mislabelled_late == 0.5


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"policy": "full"},
        {"policy": "full", "result": {"seed": 0}},
        {"policy": "full", "result": None},
        asdict(run("full")) | {"colour": "red"},
    ],
)
def test_values_that_are_not_of_a_run_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"values=\{.* are not those of a run"):
        RunRecord.from_dict(values)


def test_a_run_from_before_tokens_were_counted_is_read_all_the_same() -> None:
    values = asdict(run("old"))
    del values["result"]["token_cost"]
    assert RunRecord.from_dict(values).result.token_cost is None
    assert RunRecord.from_dict(json.loads(json.dumps(asdict(run("new", token_cost=0.5))))).result.token_cost == 0.5
    values["result"]["token_cost"] = "0.5"
    with pytest.raises(ValueError, match="are not those of a run"):
        RunRecord.from_dict(values)
