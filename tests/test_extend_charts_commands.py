"""A command or a chart takes one new file, within the package or elsewhere; docs/extend.md shows both."""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_select_gym.cli import COMMANDS, main, register_command
from data_select_gym.experiments.charts import CHARTS, ChartWarning, Results, Section, register_chart
from data_select_gym.experiments.page import make_page

from .experiments.made_runs import SETTINGS, run

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL))
FILES = {
    path: BLOCKS[path]
    for path in ("data_select_gym/cli/commands/best.py", "data_select_gym/experiments/charts/returns.py")
}
USED = """
import json, sys
from pathlib import Path
sys.path.insert(0, {package!r})
from data_select_gym.cli import COMMANDS, main
assert "torch" not in sys.modules
folder = Path({out!r})
folder.joinpath("results.json").write_text(json.dumps(
    {{"summaries": [{{"policy": name, "validation": {{"mean": mean}}}} for name, mean in [("a", 0.5), ("b", 0.9)]]}}
))
assert main(["best", str(folder)]) == 0
assert "torch" not in sys.modules
from data_select_gym.experiments.charts import CHARTS
print(*sorted(CHARTS, key=lambda name: CHARTS[name].place))
main(["--help"])
"""


@pytest.mark.slow
def test_each_takes_one_file_of_the_package(tmp_path: Path) -> None:
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "data_select_gym", tmp_path / "data_select_gym", ignore=leave)
    shutil.copytree(ROOT / "agents", tmp_path / "data_select_gym" / "agents", ignore=leave)
    for path, code in FILES.items():
        assert not (tmp_path / path).exists()
        (tmp_path / path).write_text(code)
    code = USED.format(package=str(tmp_path), out=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    best, charts, *told = done.stdout.splitlines()
    assert best == "b"
    assert charts.split() == [
        *("quality-vs-cost", "validation-curves", "kept-share", "mislabelled", "duplicated"),
        *("off-target", "corrupted", "returns"),
        *("class-quality", "kept-losses", "final-losses", "seconds"),
    ]
    assert any(line.endswith("  name the best policy of a comparison") for line in told)


@pytest.fixture
def clean() -> Iterator[None]:
    yield
    COMMANDS.remove("best")
    CHARTS.remove("returns")


@pytest.mark.usefixtures("clean")
def test_code_elsewhere_registers_when_it_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for code in FILES.values():
        exec(code, {"__name__": "of_a_user"})
    (tmp_path / "results.json").write_text('{"summaries": [{"policy": "mine", "validation": {"mean": 0.9}}]}')
    assert main(["best", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "mine\n"
    page = make_page(SETTINGS, [run("full"), run("random")], [], "accuracy")
    assert page.count("<h2>Return of each run</h2>") == 1
    assert page.index("Share kept over the run") < page.index("Return of each run") < page.index("<h2>Runs</h2>")


@pytest.mark.usefixtures("clean")
def test_text_of_a_chart_is_escaped_and_one_that_fails_is_left_out() -> None:
    def draw(results: Results) -> Section | None:
        return Section("<b>&", "a < b", "<script>")

    register_chart("returns")(draw)
    page = make_page(SETTINGS, [run("full")], [], "accuracy")
    assert "<h2>&lt;b&gt;&amp;</h2>\n<p>a &lt; b</p>\n&lt;script&gt;" in page

    def fails(results: Results) -> Section | None:
        raise RuntimeError("no idea")

    register_chart("returns")(fails)
    with pytest.warns(ChartWarning, match=r"the chart 'returns' of .* failed and is left out: RuntimeError: no idea"):
        assert "Share kept" in make_page(SETTINGS, [run("full")], [], "accuracy")


@pytest.mark.usefixtures("clean")
def test_what_is_no_command_or_chart_or_has_a_name_that_is_taken_is_refused() -> None:
    def nothing(parsed: argparse.Namespace) -> int:
        return 0

    with pytest.raises(ValueError, match=r"name='compare' is taken by the command of data_select_gym.cli.commands"):
        register_command("compare", description="mine")(nothing)
    with pytest.raises(TypeError, match="run=3"):
        register_command("best", description="mine")(3)  # type: ignore[type-var]
    with pytest.raises(ValueError, match="name='kept-share' is taken by the chart of"):
        register_chart("kept-share")(lambda results: None)
    with pytest.raises(TypeError, match="place='first' is not a number"):
        register_chart("returns", place="first")(lambda results: None)  # type: ignore[arg-type]
