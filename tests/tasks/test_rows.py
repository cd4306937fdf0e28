import csv
from pathlib import Path

import pytest

from data_select_gym.tasks.rows import load_json, table_rows

LONG = "long " * 40_000


@pytest.mark.parametrize("limit", [131_072, 50])
def test_a_field_may_be_of_any_length_whatever_the_limit_of_others(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'"{LONG}, ""so""",1\n{LONG},2\n')
    before = csv.field_size_limit(limit)
    try:
        for number, row in table_rows(path):
            assert csv.field_size_limit() == limit
            assert row == ([f'{LONG}, "so"', "1"], [LONG, "2"])[number - 1]
        with path.open(newline="") as file, pytest.raises(csv.Error, match="field larger than field limit"):
            next(csv.reader(file))
    finally:
        csv.field_size_limit(before)


def test_blank_rows_and_marks_of_the_byte_order_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeff"a\nb",1\r\n\r\n , \n\ufeffc,2\n\n'.encode())
    assert list(table_rows(path)) == [(2, ["a\nb", "1"]), (5, ["c", "2"])]


def test_json_with_two_entries_of_one_name_is_refused() -> None:
    assert load_json('{"a": {"b": 1}, "b": 2}') == {"a": {"b": 1}, "b": 2}
    with pytest.raises(ValueError, match=r"^an object has 'b' more than once: 1 and 'x'$"):
        load_json('[{"a": {"b": 1, "c": 2, "b": "x"}}]')
