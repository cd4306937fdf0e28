"""Registries: what is registered is found by name, and mistakes are told."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import pytest
import torch
from torch import Tensor

from data_select_gym.agents import (
    ALGORITHMS,
    POLICIES,
    RULES,
    Algorithm,
    Candidates,
    HistoryRule,
    Rule,
    available_policies,
    make_policy,
    register_algorithm,
    register_rule,
)
from data_select_gym.agents.rules import TopLoss
from data_select_gym.envs import DataSelectEnv, PoolView, register_feature
from data_select_gym.envs.features import FEATURES, check_features
from data_select_gym.experiments.catalogue import catalogue
from data_select_gym.registry import Entry, Registry, first_line
from data_select_gym.rewards import (
    REWARDS,
    KeptScore,
    Reward,
    StepOutcome,
    WeightedSum,
    difficulty,
    make_reward,
    register_reward,
)
from data_select_gym.signals import Signals
from data_select_gym.task_registry import ENVIRONMENTS, TASKS
from data_select_gym.tasks import Task, make_task, register_task

SCRIPT = """
from data_select_gym.agents import Rule, register_rule


@register_rule("of-a-file")
class FileRule(Rule):
    def choose(self, candidates):
        return candidates.signals.loss == candidates.signals.loss
"""


class Surest(Rule):
    """The share with the highest confidence.

    And more.
    """

    def choose(self, candidates: Candidates) -> Tensor:
        return candidates.best(candidates.signals.confidence)


def outcome_of(confidence: list[float], kept: list[bool]) -> StepOutcome:
    half = torch.full((len(kept),), 0.5)
    signals = Signals(half, half, torch.tensor(confidence), half, half > 0, half)
    mask = torch.tensor(kept)
    return StepOutcome(signals, signals, mask, mask.float(), (), 0.5)


def entry_of(name: str) -> Entry[object]:
    return next(entry for entry in POLICIES.entries() if entry.name == name)


def test_a_rule_is_found_and_listed_with_its_line_paper_and_needs() -> None:
    assert register_rule("most-certain", paper="1234.56789", needs=["patience"])(Surest) is Surest
    assert isinstance(make_policy("most-certain"), Surest)
    assert "most-certain" in available_policies() and "most-certain" in POLICIES and RULES["most-certain"] is Surest
    entry = entry_of("most-certain")
    assert (entry.description, entry.paper, entry.needs) == (
        "The share with the highest confidence",
        "1234.56789",
        ("patience",),
    )
    assert entry.line == "The share with the highest confidence (arXiv 1234.56789)"
    assert entry.line_with_needs == f"{entry.line}; needs patience"
    assert catalogue()["policies"]["most-certain"] == entry.line_with_needs
    with pytest.raises(ValueError, match=r"policy='most-certan' is not known.*; did you mean 'most-certain'\?"):
        make_policy("most-certan")


def test_a_description_and_a_citation_may_be_given() -> None:
    register_rule("most-certain", description="in words", paper="Doe 1999")(Surest)
    assert entry_of("most-certain").line == "in words (Doe 1999)"


def test_a_notebook_may_run_its_cell_twice() -> None:
    register_rule("most-certain")(Surest)
    other = type("Surest", (Surest,), {})
    register_rule("most-certain")(other)
    assert RULES["most-certain"] is other


def test_a_name_that_is_taken_is_told_with_whose_it_is() -> None:
    with pytest.raises(ValueError, match=r"^name='top-loss' is taken by the rule of data_select_gym.agents.rules.top_"):
        register_rule("top-loss")(Surest)
    with pytest.raises(ValueError, match=r"^name='ppo' is taken by the algorithm of .*stable_baselines3; give another"):
        register_rule("ppo")(Surest)
    with pytest.raises(ValueError, match=r"^name='full' is taken by the rule of .*baselines; give another name$"):
        register_algorithm("full", ALGORITHMS["ppo"])
    RULES.register("most-certain", Surest, module="theirs")
    with pytest.raises(ValueError, match=r"^name='most-certain' is taken by the rule of theirs; give another name$"):
        register_rule("most-certain")(Surest)
    assert RULES["top-loss"] is TopLoss


def test_a_script_may_be_imported_by_its_name_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "rulefile.py"
    script.write_text(SCRIPT)
    other = tmp_path / "otherfile.py"
    other.write_text(SCRIPT)
    monkeypatch.syspath_prepend(tmp_path)
    # As Python runs a script, which is `__main__` and not in `sys.modules` by its name.
    main = ModuleType("__main__")
    main.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", main)
    try:
        exec(compile(SCRIPT, script, "exec"), main.__dict__)
        assert RULES["of-a-file"] is main.FileRule
        assert isinstance(make_policy("rulefile:FileRule"), Rule)
        with pytest.raises(ValueError, match=r"name='of-a-file' is taken by the rule of rulefile; give another name"):
            importlib.import_module("otherfile")
    finally:
        sys.modules.pop("rulefile", None)


@pytest.mark.parametrize("name", ["", "a:b", "a b", "-a", "agent.zip", "a,b", "a=b"])
def test_a_name_that_could_not_be_written_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot name a rule: letters, digits"):
        register_rule(name)(Surest)


def test_what_is_no_rule_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^name=3 is a int; a str is needed"):
        register_rule(3)(Surest)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"is not a subclass of data_select_gym.agents.Rule$"):
        register_rule("mine")(Algorithm)  # type: ignore[type-var]
    with pytest.raises(TypeError, match=r"lacks: score, update_history$"):
        register_rule("mine")(HistoryRule)
    with pytest.raises(TypeError, match=r"^algorithm='ppo' is a str; a Algorithm is needed$"):
        register_algorithm("mine", "ppo")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^paper=1 is a int; a str is needed$"):
        register_rule("mine", paper=1)(Surest)  # type: ignore[arg-type]
    assert "mine" not in POLICIES


def test_an_algorithm_is_found_and_listed() -> None:
    given = Algorithm("theirs", "keep", ALGORITHMS["a2c"].kind, ALGORITHMS["a2c"].settings)
    assert register_algorithm("mine", given, paper="1234.56789") is given
    assert make_policy("mine").algorithm is given  # type: ignore[attr-defined]
    assert entry_of("mine").line == "theirs (arXiv 1234.56789)"


def test_bundled_rules_are_in_one_order_and_have_their_module_papers() -> None:
    modules = [entry.module for entry in RULES.entries()]
    assert modules == sorted(modules)
    assert entry_of("top-loss").line == "The share with the highest recorded loss (OHEM, arXiv 1604.03540)"
    assert all(entry.description for entry in POLICIES.entries())
    assert len(POLICIES) == len(list(POLICIES)) == len(RULES) + len(ALGORITHMS)


def test_a_declared_thing_is_made_when_it_is_asked_for() -> None:
    made = []
    things: Registry[Tensor] = Registry("thing", "nowhere", lambda thing: thing, declared=True)
    things.declare(Entry("one", lambda: made.append(1) or torch.ones(1), "a one", "", (), "nowhere.one"))
    assert list(things) == ["one"] and not made
    assert things["one"] == 1 and made == [1]
    with pytest.raises(ValueError, match=r"^thing='two' is not known; known are: one"):
        things.find("thing", "two")


def test_first_lines_end_without_their_full_stop() -> None:
    assert (first_line("One.\n\nMore."), first_line(None), first_line("\n  One.")) == ("One", "", "One")


# Rewards and features


def test_a_reward_is_a_function_a_class_or_one_that_is_made() -> None:
    @register_reward("certain", needs={"alignment"})
    def certain(outcome: StepOutcome) -> Tensor:
        """Confidence of what is kept."""
        return outcome.action * outcome.fresh.confidence

    register_reward("twice")(WeightedSum({"certain": (2.0, make_reward("certain"))}))

    @register_reward("nothing")
    class Nothing(Reward):
        """Nothing."""

        needs = frozenset()

        def __call__(self, outcome: StepOutcome) -> tuple[Tensor, dict[str, Tensor]]:
            return torch.zeros(len(outcome.kept)), {}

    outcome = outcome_of([0.25, 0.5], kept=[True, False])
    assert make_reward("certain").needs == make_reward({"certain": 1.0}).needs == {"alignment"}
    assert make_reward("certain")(outcome)[0].tolist() == [0.25, 0.0]
    assert make_reward("twice")(outcome)[0].tolist() == [0.5, 0.0]
    assert make_reward("nothing")(outcome)[0].tolist() == [0.0, 0.0]
    lines = {entry.name: entry for entry in REWARDS.entries()}
    assert (lines["certain"].line, lines["certain"].needs) == ("Confidence of what is kept", ("alignment",))
    with pytest.raises(TypeError, match=r"^reward=3 is a int; something that can be called is needed$"):
        register_reward("three")(3)  # type: ignore[type-var]
    with pytest.raises(ValueError, match=r"^name='composite' is taken by the reward of .*score_rewards"):
        register_reward("composite")(certain)


def test_the_old_name_of_a_rewards_score_still_works() -> None:
    with pytest.warns(DeprecationWarning, match=r"^KeptScore.quality is called KeptScore.sample_score now"):
        assert KeptScore(difficulty).quality is difficulty


def test_a_feature_is_registered_by_a_decorator_too() -> None:
    @register_feature("certain", low=0, high=1, needs=["alignment"], paper="1234.56789")
    def certain(view: PoolView) -> Tensor:
        """Confidence squared."""
        return view.signals.confidence.square()

    assert check_features(["certain", "loss"]) == ("certain", "loss")
    entry = next(entry for entry in FEATURES.entries() if entry.name == "certain")
    assert (entry.line, entry.needs) == ("Confidence squared (arXiv 1234.56789)", ("alignment",))
    assert (FEATURES["certain"].low, FEATURES["certain"].high) == (0.0, 1.0)


# Tasks


def test_a_task_is_found_and_its_environment_too() -> None:
    @register_task("small-digits", env_id="DataSelect/SmallDigits-v0", data="bundled", origin="nowhere")
    def small_digits(*, data_dir: str, epochs: int = 3) -> Task:
        """A tenth of the digits."""
        return make_task("digits", epochs=epochs, samples=128)

    env = gym.make("DataSelect/SmallDigits-v0", data_dir="here").unwrapped
    assert isinstance(env, DataSelectEnv)
    assert len(env.task.train) == 128  # type: ignore[arg-type]
    assert gym.make_vec("DataSelect/SmallDigitsSamplewise-v0", num_envs=32, data_dir="here").num_envs == 32
    assert ENVIRONMENTS["DataSelect/SmallDigits-v0"].line == "A tenth of the digits; data: bundled"
    assert TASKS["small-digits"] is small_digits
    with pytest.raises(ValueError, match=r"missing argument data_dir; this task takes: data_dir, epochs\. nowhere$"):
        make_task("small-digits")
    with pytest.raises(ValueError, match=r"task='small_digits' is not known.*; did you mean 'small-digits'\?"):
        make_task("small_digits")
    with pytest.raises(ValueError, match=r"^name='digits' is taken by the task of data_select_gym.tasks.digits; give"):
        register_task("digits")(small_digits)


def own_digits(*, epochs: int = 3) -> Task:
    """Digits for fewer epochs."""
    return make_task("digits", epochs=epochs)


@pytest.mark.parametrize(
    ("env_id", "taken"),
    [
        ("DataSelect/Digits-v0", "DataSelect/Digits-v0 is taken by the task 'digits'"),
        ("DataSelect/Custom-v0", "DataSelect/Custom-v0 is taken by custom tasks"),
        ("DataSelect/DigitsSamplewise-v0", "DataSelect/DigitsSamplewise-v0 is taken by the task 'digits'"),
        ("Own/Taken-v0", "Own/Taken-v0 is taken by the task 'own-taken'"),
        ("Own/Viewed-v0", "Own/ViewedSamplewise-v0 is taken by the task 'own-viewed'"),
        ("Theirs/Elsewhere-v0", "Theirs/Elsewhere-v0 is registered with Gymnasium already"),
    ],
)
def test_an_id_that_is_taken_is_told_with_whose_it_is(env_id: str, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gym.registry, "Theirs/Elsewhere-v0", gym.registry["CartPole-v1"])
    register_task("own-taken", env_id="Own/Taken-v0")(own_digits)
    register_task("own-viewed", env_id="Own/ViewedSamplewise-v0")(own_digits)
    with pytest.raises(ValueError, match=rf"^env_id='{env_id}': {taken}; give another id$"):
        register_task("sneaky", env_id=env_id)(own_digits)
    assert "sneaky" not in TASKS
    assert all(environment.task != "sneaky" for environment in ENVIRONMENTS.values())


def test_a_task_may_be_registered_again_with_its_id() -> None:
    for _ in range(2):
        register_task("own-again", env_id="Own/Again-v0")(own_digits)
    assert ENVIRONMENTS["Own/Again-v0"].task == "own-again"


@pytest.mark.slow
def test_what_is_read_of_tasks_from_their_source_is_what_they_register() -> None:
    code = """
import sys, data_select_gym
from dataclasses import replace
from data_select_gym.task_registry import ENVIRONMENTS, ORIGINS, TASKS
assert "torch" not in sys.modules and "data_select_gym.tasks" not in sys.modules
read = {name: TASKS._entries[name] for name in TASKS._entries}, dict(ENVIRONMENTS), dict(ORIGINS)
tasks = {name: TASKS[name] for name in TASKS}
assert "torch" in sys.modules
for name, entry in read[0].items():
    now = TASKS._entries[name]
    assert replace(now, get=entry.get) == entry
    assert now.get() is tasks[name] is entry.get() and tasks[name].__name__ == name
assert (ENVIRONMENTS, ORIGINS) == read[1:]
print(*tasks)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = ["digits", "cifar10", "cifar100", "image_folder", "instruction_tuning", "text_classification"]
    assert [name for name in done.stdout.split() if name in names] == names
