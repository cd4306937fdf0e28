import ast
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_select_gym.arguments import (
    check_choice,
    check_count,
    check_least,
    check_part,
    check_path,
    check_place,
    check_positive,
    check_share,
    did_you_mean,
    import_named,
    is_number,
    unexpected,
)


@pytest.mark.parametrize("value", [1, 0.25, np.float32(0.25), np.int64(1)])
def test_a_share_is_returned_as_a_float(value: Any) -> None:
    share = check_share("keep_ratio", value)
    assert type(share) is float and share == value


@pytest.mark.parametrize(
    "value", [-0.1, 1.5, math.nan, math.inf, True, "0.5", None, [0.5], pytest.param(10**400, id="huge")]
)
def test_what_is_no_share_is_refused(value: Any) -> None:
    for zero in (False, True):
        with pytest.raises(ValueError, match="keep_ratio="):
            check_share("keep_ratio", value, zero=zero)


def test_zero_is_a_share_only_where_it_is_allowed() -> None:
    assert check_share("anneal_fraction", 0, zero=True) == 0.0
    with pytest.raises(ValueError, match=r"^keep_ratio=0 is not a number in \(0, 1\]$"):
        check_share("keep_ratio", 0)
    with pytest.raises(ValueError, match=r"^anneal_fraction=-1 is not a number in \[0, 1\]$"):
        check_share("anneal_fraction", -1, zero=True)


@pytest.mark.parametrize("value", [3, np.int32(3), np.uint8(3), 2**53 + 1])
def test_a_count_is_returned_as_an_int(value: Any) -> None:
    count = check_count("epochs", value)
    assert type(count) is int and count == value


@pytest.mark.parametrize("value", [0, -1, 2.5, 2.0, math.nan, math.inf, True, "3", None, [3], 1j])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^epochs=.* is not a whole number of at least 1$"):
        check_count("epochs", value)


@pytest.mark.parametrize(
    ("check", "value"), [(check_part, np.float32(0.5)), (check_positive, np.float64(0.5)), (check_least, np.int64(2))]
)
def test_a_number_is_returned_as_a_float(check: Any, value: Any) -> None:
    number = check("x", value, 0) if check is check_least else check("x", value)
    assert type(number) is float and number == value


ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("agents/*.py"), *ROOT.glob("data_select_gym/**/*.py")])
CONVERTING = {"check_count", "check_share", "check_part", "check_positive", "check_least"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_check_returns_is_used(source: Path) -> None:
    """Where it was thrown away, a number of NumPy's would go on, which others refuse."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            assert node.value.func.id not in CONVERTING, f"line {node.lineno}: {ast.unparse(node)}"


def test_a_count_keeps_within_its_bounds() -> None:
    assert check_count("padding", 0, least=0) == 0
    assert check_count("pool_size", 2, least=2, most=9) == 2
    assert check_count("pool_size", 9, least=2, most=9) == 9
    for value in (1, 10, 10**400):
        with pytest.raises(ValueError, match=rf"^pool_size={value} is not a whole number of at least 2 and at most 9$"):
            check_count("pool_size", value, least=2, most=9)


def test_a_choice_is_returned_or_refused_with_the_known_names() -> None:
    names = {"float32": 1, "bfloat16": 2}
    assert check_choice("precision", "bfloat16", names) == "bfloat16"
    assert check_choice("precision", "float32", iter(names)) == "float32"
    for value in ("half", "", 1, None, ["float32"]):
        with pytest.raises(ValueError, match=r"^precision=.* is not known; known are: float32, bfloat16$"):
            check_choice("precision", value, iter(names))


@pytest.mark.parametrize("value", [0, -1.5, np.float64(2), np.int8(3)])
def test_numbers_are_numbers(value: Any) -> None:
    assert is_number(value)


@pytest.mark.parametrize("value", [True, False, math.nan, -math.inf, "1", None, 1j, []])
def test_other_things_are_no_numbers(value: Any) -> None:
    assert not is_number(value)


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for given, path in (("~", ""), ("~/runs", "runs"), (Path("~/runs"), "runs"), (f"{tmp_path}/~/a~", "~/a~")):
        assert check_path("out", given) == tmp_path / path
        assert check_place("model", given) == str(tmp_path / path)
    for name in ("hub/name:part", "./checkpoint/", "https://there//folder", "a~b"):
        assert check_place("model", name) == name


def test_what_is_no_path_is_refused() -> None:
    for check in (check_path, check_place):
        with pytest.raises(ValueError, match=r"^out='~no one/runs': there is no such home folder; a folder that is"):
            check("out", "~no one/runs")
        with pytest.raises(ValueError, match=r"^out='' is empty; a path is needed, '\.' for the present folder$"):
            check("out", "")
        for value in (3, None, ["runs"], b"runs"):
            with pytest.raises(TypeError, match=r"^out=.* is a \w+; a path is needed"):
                check("out", value)  # type: ignore[arg-type]


def test_an_object_is_found_by_its_path_or_refused() -> None:
    assert import_named("reward", "math:inf") == math.inf
    with pytest.raises(ValueError, match=r"^reward='math' is not of the form 'module:object'$"):
        import_named("reward", "math")
    for path in ("math:infinite", "no_such_module:inf", ".math:inf", "math.inf:inf"):
        with pytest.raises(ValueError, match=rf"^reward='{path}' cannot be imported: "):
            import_named("reward", path)


def test_a_name_that_is_nearly_known_is_asked_for() -> None:
    names = ["full", "random", "static-random", "ppo"]
    assert did_you_mean(["randon"], names) == "; did you mean 'random'?"
    assert did_you_mean(["PPO", "ful"], names) == "; did you mean 'ppo', 'full'?"
    assert did_you_mean(["ful", "fulll"], names) == "; did you mean 'full'?"
    for given in (["infobatch"], [""], [3, None, ["full"]], []):
        assert did_you_mean(given, names) == ""
    with pytest.raises(
        ValueError, match=r"^policy='randon' is not known; known are: full, .*; did you mean 'random'\?$"
    ):
        check_choice("policy", "randon", names)


def test_an_unexpected_argument_is_told_in_pythons_words() -> None:
    def takes(epochs: int) -> None: ...

    with pytest.raises(TypeError) as pythons:
        takes(epoch=3)  # type: ignore[call-arg]
    error = unexpected(["epoch"], "this task takes: epochs", ["epochs"])
    words = "got an unexpected keyword argument 'epoch'"
    assert words in str(pythons.value)
    assert str(error) == f"{words}; this task takes: epochs; did you mean 'epochs'?"
