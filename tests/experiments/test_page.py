import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from data_select_gym.experiments import Failure, RunRecord
from data_select_gym.experiments.command_line import repeat_command
from data_select_gym.experiments.page import make_page

from .made_runs import FAILURE, SETTINGS, result, run

EVIL = "<script>alert('&')</script>"
ALONE = {"meta", "br", "link", "input", "img", "hr", "path", "use", "rect", "polyline", "circle"}


class Structure(HTMLParser):
    """The elements of a page, its text, and whether every element is closed where it belongs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag: str) -> None:
        if tag not in ALONE:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def full_run(policy: str, seed: int, keep_ratio: float = 0.5) -> RunRecord:
    made = run(policy, seed, keep_ratio, mislabelled=0.3, mislabelled_late=0.25)
    return replace(
        made,
        problems={"mislabelled": [0.3, 0.25]},
        kept_by_loss=[[0.1] * 10, [0.0] * 9 + [1.0], [0.0] * 10],
        final_losses=[0.01 * number for number in range(21)],
    )


def page_of(policies: list[str], failures: list[Failure], seeds: int = 1) -> str:
    runs = [full_run(policy, seed) for seed in range(seeds) for policy in policies]
    settings = SETTINGS | {"policies": {policy: policy for policy in policies}}
    return make_page(settings, runs, failures, "accuracy")


def test_the_page_tells_everything() -> None:
    page = Structure(page_of(["full", "random"], [FAILURE], 3))
    assert page.open == []
    for told in (
        *("Policies compared on DataSelect/Digits-v0", "Quality against cost", "Validation accuracy over the run"),
        *("Share kept over the run", "Mislabelled samples among the kept", "Which losses the kept samples had"),
        *("Losses at the end", "6 runs, one by one", "0.9000", "(0.9000 to 0.9000)", "30.0%", "25.0%", "0.19"),
        *("random, keep ratio 0.5, seed 1: ValueError: keep has shape (3,)", "Traceback ...", "about 3 times in 4"),
        *("Less that of training on all data, seed by seed.", "2.4.0", "3.10.0", "data-select-gym compare --env"),
    ):
        assert told in page.text, told


def test_the_page_needs_nothing_else() -> None:
    text = page_of(["full", "random"], [FAILURE])
    page = Structure(text)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    for name, value in page.attributes:
        if name in {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}:
            assert value is not None and value.startswith("#"), (name, value)
        assert not name.startswith("on")
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}


def test_what_comes_from_outside_is_escaped() -> None:
    failure = Failure(EVIL, 0.5, 0, f"ValueError: {EVIL}", EVIL)
    settings = SETTINGS | {
        "env": EVIL,
        "policies": {EVIL: EVIL},
        "options": {EVIL: EVIL},
        "versions": {EVIL: EVIL},
    }
    evil = replace(full_run(EVIL, 0), curve=[{f"val_{EVIL}": 0.5, "cost": 1.0}])
    text = make_page(settings, [evil], [failure], EVIL)
    page = Structure(text)
    assert "script" not in page.tags
    assert page.open == []
    assert page.text.count(EVIL) > 10


def test_without_labels_losses_or_failures_their_parts_are_left_out() -> None:
    text = make_page(SETTINGS, [run("full", 0)], [], "accuracy")
    for part in ("Mislabelled samples", "Which losses", "Losses at the end", "Runs that failed"):
        assert part not in text
    assert "No intervals" in text


def test_a_comparison_of_which_every_run_failed_has_a_page() -> None:
    page = Structure(make_page(SETTINGS, [], [FAILURE], "accuracy"))
    assert page.open == []
    assert "Runs finished: 0, failed: 1" in page.text


def test_the_page_tells_what_environments_had_in_the_place_of_the_options() -> None:
    environments = {"agent": {"0.5": {"features": ["embedding"], "keep_ratio": 0.6}}}
    page = Structure(make_page(SETTINGS | {"environments": environments}, [], [FAILURE], "accuracy"))
    assert "agent, keep ratio 0.5features=['embedding'], keep_ratio=0.6" in page.text.replace("\n", "")


def test_a_comparison_that_no_command_can_name_has_none_on_its_page() -> None:
    settings = SETTINGS | {"policies": {"mine": "module:Rule"}, "only_in_python": ["policies['mine']"]}
    page = Structure(make_page(settings, [], [FAILURE], "accuracy"))
    assert page.open == []
    assert "data-select-gym compare" not in page.text
    assert "no command can name policies['mine']" in page.text and "module:Rule" in page.text


def test_diverged_runs_have_a_page() -> None:
    nan = float("nan")
    diverged = RunRecord("full", result(0, quality=nan), [{"cost": nan, "val_accuracy": nan}], [nan, 0.5])
    assert "nan" in make_page(SETTINGS, [diverged], [], "accuracy")


def test_the_keep_ratio_is_told_where_there_are_several() -> None:
    runs = [full_run("full", 0, 1.0), full_run("mine", 0, 0.25), full_run("mine", 0, 0.75)]
    text = make_page(SETTINGS, runs, [], "accuracy")
    assert "A line is one policy at several keep ratios" in text
    assert '<th scope="row">mine <small>0.25</small></th>' in text
    assert "several keep ratios" not in page_of(["full", "mine"], [])


def test_many_policies_make_a_page_of_less_than_a_megabyte() -> None:
    runs = []
    for seed in range(3):
        for number in range(27):
            curve = [{"cost": step / 200, "val_accuracy": (step * 7 % 13) / 13} for step in range(200)]
            made = full_run(f"policy-{number}", seed)
            runs.append(replace(made, curve=curve, keep_fractions=[step % 10 / 10 for step in range(2000)]))
    assert len(make_page(SETTINGS, runs, [], "accuracy").encode()) < 500_000


@pytest.mark.parametrize("value", ["a b'c", 5, "5", True, None, [1, "x"], {"k": 0.5}])
def test_the_command_makes_the_same_comparison(value: object) -> None:
    from data_select_gym.cli import make_parser
    from data_select_gym.cli.comparing import choose_policies
    from data_select_gym.cli.options import environment_options

    shaped = "ppo:policy_kwargs={'net_arch': [8, 8]}:n_steps=5"
    policies = {"mine": "models/mine.zip", shaped: shaped, "full": "full"}
    settings = SETTINGS | {"policies": policies, "options": {"odd": value}}
    command = repeat_command(settings | {"keep_ratios": [0.3, 0.5]})
    assert command is not None
    program, *words = shlex.split(command)
    parsed = make_parser().parse_args(words)
    assert program == "data-select-gym"
    assert (parsed.env, parsed.policies, parsed.seeds) == ("DataSelect/Digits-v0", f"models/mine.zip,{shaped},full", 2)
    assert choose_policies(parsed.policies) == policies
    assert str(parsed.keep_ratio) in ("0.3,0.5", "[0.3, 0.5]", "(0.3, 0.5)")
    assert environment_options(parsed) == {"odd": value}
