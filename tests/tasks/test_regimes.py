"""Regimes change the training set as they say and keep the truth on record."""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from data_select_gym.tasks import Classification, LoaderConfig, Recipe, Regression, Task, make_task
from data_select_gym.tasks.data import length
from data_select_gym.tasks.labels import labels_of
from data_select_gym.tasks.language import LanguageModelling
from data_select_gym.tasks.language.completions import Completions
from data_select_gym.tasks.language.language_objective import IGNORED
from data_select_gym.tasks.regimes import REGIMES, Circumstances, apply_regime, register_regime
from data_select_gym.tasks.regimes.applying import drawn_regimes
from data_select_gym.tasks.sequences import Sequences
from data_select_gym.tasks.text.tokenized_texts import TokenizedTexts
from data_select_gym.tasks.truth import at_rows

CLASSES = 4
SHARED = ("duplicates", "off-target", "input-noise")


class Opened(Dataset[Any]):
    """Samples that are read one by one."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        target = self.targets[index]
        return self.inputs[index], target if target.is_floating_point() else int(target)


def arrays(count: int = 100, kind: str = "float") -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.rand(count, 2, 5, generator=generator)
    if kind == "uint8":
        inputs = (inputs * 256).floor().to(torch.uint8)
    return inputs, torch.arange(count) % CLASSES


def task_of(train: Any, objective: Any = None, **options: Any) -> Task:
    return Task(
        name="small",
        train=train,
        validation=train,
        make_model=lambda: nn.Linear(1, 1),
        objective=objective or Classification(),
        recipe=Recipe(3, 4, partial(torch.optim.SGD, lr=0.1)),
        **options,
    )


def tensors(count: int = 100, kind: str = "float") -> Task:
    return task_of(TensorDataset(*arrays(count, kind)))


def texts(count: int = 100) -> Task:
    random = np.random.default_rng(0)
    rows = [[number + 1, *random.integers(200, 900, size=random.integers(2, 7)).tolist()] for number in range(count)]
    return task_of(TokenizedTexts(Sequences.of(rows), torch.arange(count) % CLASSES, 0))


def completions(count: int = 60) -> Task:
    """Prompts of one to three tokens below 100, answers of one or two tokens that are the sample's number and more."""
    tokens, labels = [], []
    for number in range(count):
        prompt, answer = [1 + number % 3] * (1 + number % 3), [100 + number] * (1 + number % 2)
        tokens.append(prompt + answer)
        labels.append([IGNORED] * len(prompt) + answer)
    counts = torch.tensor([1 + number % 2 for number in range(count)])
    return task_of(Completions(Sequences.of(tokens), Sequences.of(labels), counts), LanguageModelling())


def all_of(dataset: Any) -> tuple[list[Any], list[Any]]:
    """Inputs and targets of all samples, as lists."""
    pairs = [dataset[number] for number in range(len(dataset))]
    return [plain(inputs) for inputs, _ in pairs], [plain(target) for _, target in pairs]


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return value["input_ids"].tolist()
    return value.tolist() if isinstance(value, Tensor) else value


KINDS: dict[str, Any] = {
    "float": tensors,
    "uint8": partial(tensors, kind="uint8"),
    "opened": lambda count=100: task_of(Opened(*arrays(count))),
    "opened-uint8": lambda count=100: task_of(Opened(*arrays(count, "uint8"))),
    "regression": lambda count=100: task_of(TensorDataset(arrays(count)[0], torch.rand(count)), Regression()),
    "opened-regression": lambda count=100: task_of(Opened(arrays(count)[0], torch.rand(count)), Regression()),
    "texts": texts,
    "completions": completions,
}
WITH_NUMBERS = ["float", "uint8", "opened", "opened-uint8", "regression", "opened-regression"]


@pytest.mark.parametrize("kind", ["symmetric", "pairs"])
@pytest.mark.parametrize("seed", [0, 7])
def test_label_noise_is_that_of_the_options(kind: str, seed: int) -> None:
    regime = apply_regime(tensors(), f"{ {'symmetric': 'symmetric', 'pairs': 'pair'}[kind] }-noise:0.3", seed=seed)
    option = make_task(tensors(), label_noise=0.3, label_noise_kind=kind, label_noise_seed=seed)
    assert all_of(regime.train) == all_of(option.train)
    assert regime.mislabelled is not None and option.mislabelled is not None
    assert torch.equal(regime.mislabelled, option.mislabelled) and int(regime.mislabelled.sum()) == 30


def test_human_noise_is_that_of_the_option_and_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "labels.npz"
    np.savez(path, a=np.zeros(100, np.int64), b=(np.arange(100) + 1) % CLASSES)
    option = make_task(tensors(), label_noise_file=path, label_noise_key="b")
    regime = apply_regime(tensors(), f"human-noise:{path}#b")
    assert all_of(regime.train) == all_of(option.train)
    late, early = (apply_regime(tensors(), f"long-tail:4{behind}", seed=1) for behind in (f"+human-noise:{path}#b", ""))
    assert labels_of(late.train).tolist() == ((labels_of(early.train) + 1) % CLASSES).tolist()


@pytest.mark.parametrize("there", [False, True])
def test_a_file_with_a_plus_in_its_path_is_told(there: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "a+b.npy", np.zeros(100, np.int64))
    if there:
        (tmp_path / "a").touch()
    with pytest.raises((FileNotFoundError, ValueError), match=r"'\+' separates regimes, so a file with") as error:
        apply_regime(tensors(), f"human-noise:{tmp_path / 'a+b.npy'}")
    assert ("'b.npy' is not known" if there else f"no such file as '{tmp_path / 'a'}'; ") in str(error.value)
    assert "option label_noise_file" in str(error.value)


def test_a_long_tail_is_that_of_the_option() -> None:
    regime = apply_regime(tensors(), "long-tail:4", seed=2)
    option = make_task(tensors(), imbalance_factor=4, imbalance_seed=2)
    assert all_of(regime.train) == all_of(option.train) and length(option.train) < 70


def test_a_long_tail_may_keep_the_size_by_repeating_its_samples() -> None:
    small, same = (apply_regime(tensors(), "long-tail:4", same_size=keep) for keep in (False, True))
    left = length(small.train)
    assert length(same.train) == 100
    inputs, targets = all_of(same.train)
    assert (inputs[:left], targets[:left]) == all_of(small.train)
    copy_of = same.truth["copy_of"]
    assert torch.equal(same.problems["duplicated"], torch.arange(100) >= left)
    assert all(inputs[number] == inputs[int(copy_of[number])] for number in range(left, 100))
    counts = torch.bincount(copy_of[left:], minlength=left)
    assert int(counts.max() - counts.min()) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_duplicates_are_copies_of_few_samples(kind: str) -> None:
    task = KINDS[kind]()
    size = length(task.train)
    changed = apply_regime(task, "duplicates:0.5", seed=1)
    copy_of, duplicated = changed.truth["copy_of"], changed.problems["duplicated"]
    assert length(changed.train) == size and int(duplicated.sum()) == round(size * 0.5)
    assert torch.equal(copy_of >= 0, duplicated) and len(set(copy_of[duplicated].tolist())) <= round(size * 0.05)
    (before, targets), (after, new_targets) = all_of(task.train), all_of(changed.train)
    for number in range(size):
        source = int(copy_of[number]) if duplicated[number] else number
        assert not duplicated[source]
        assert new_targets[number] == targets[source]
        if kind in WITH_NUMBERS and duplicated[number]:
            apart = np.abs(np.array(after[number], float) - np.array(before[source], float))
            assert 0 < apart.mean() < (20 if "uint8" in kind else 0.08)
        else:
            assert after[number] == before[source]


@pytest.mark.parametrize("kind", WITH_NUMBERS)
def test_input_noise_corrupts_inputs_and_leaves_targets(kind: str) -> None:
    task = KINDS[kind]()
    before = all_of(task.train)
    changed = apply_regime(task, "input-noise:0.25", seed=1)
    assert all_of(task.train) == before
    after = all_of(changed.train)
    corrupted = changed.problems["corrupted"]
    assert int(corrupted.sum()) == 25 and after[1] == before[1]
    assert [one != other for one, other in zip(before[0], after[0], strict=True)] == corrupted.tolist()
    assert changed.train[0][0].dtype == task.train[0][0].dtype
    assert np.min(after[0]) >= np.min(before[0]) - 1e-6 or "uint8" in kind


@pytest.mark.parametrize("kind", KINDS)
def test_off_target_samples_are_scrambled(kind: str) -> None:
    task = KINDS[kind]()
    size = length(task.train)
    changed = apply_regime(task, "off-target:0.4", seed=1)
    off = changed.problems["off_target"]
    assert int(off.sum()) == round(size * 0.4)
    (before, targets), (after, new_targets) = all_of(task.train), all_of(changed.train)
    chosen = off.nonzero()[:, 0].tolist()
    for number in range(size):
        if number not in chosen:
            assert (after[number], new_targets[number]) == (before[number], targets[number])
    shapes = [[np.array(inputs).shape for inputs in each] for each in (before, after)]
    assert shapes[0] == shapes[1] and [before[number] for number in chosen] != [after[number] for number in chosen]

    def numbers(inputs: list[Any]) -> list[float]:
        return sorted(np.concatenate([np.array(inputs[number]).flatten() for number in chosen]).tolist())

    assert numbers(after) == numbers(before)
    if isinstance(task.objective, Classification):
        assert set(new_targets) == set(range(CLASSES))
    if kind == "completions":
        for number in chosen:
            places = [place for place, label in enumerate(targets[number]) if label != IGNORED]
            assert [label != IGNORED for label in new_targets[number]] == [
                label != IGNORED for label in targets[number]
            ]
            assert [new_targets[number][place] for place in places] == [after[number][place] for place in places]


@pytest.mark.parametrize("kind", ["float", "opened", "opened-regression", "texts", "completions"])
def test_off_target_samples_may_be_of_another_data_set(kind: str) -> None:
    task, other = KINDS[kind](), apply_regime(KINDS[kind](30), "off-target:0.9", seed=5).train
    changed = apply_regime(task, "off-target:0.4", seed=1, off_target=other)
    off = changed.problems["off_target"].tolist()
    (before, _), (after, targets), (its, its_targets) = map(all_of, (task.train, changed.train, other))
    assert sum(off) == round(len(off) * 0.4) and len(after) == len(before)
    for number, elsewhere in enumerate(off):
        assert after[number] in its if elsewhere else after[number] == before[number]
    if not isinstance(task.objective, Classification):
        assert all(target in its_targets for target, elsewhere in zip(targets, off, strict=True) if elsewhere)


def test_answers_are_swapped_between_prompts() -> None:
    task = completions()
    changed = apply_regime(task, "answer-noise:0.5", seed=1)
    wrong = changed.problems["mislabelled"]
    assert int(wrong.sum()) == 30 and changed.mislabelled is wrong and changed.true_labels is None
    (before, _), (after, targets) = all_of(task.train), all_of(changed.train)
    answers = []
    for number in range(60):
        prompt = [1 + number % 3] * (1 + number % 3)
        answer = after[number][len(prompt) :]
        assert after[number][: len(prompt)] == prompt and targets[number] == [IGNORED] * len(prompt) + answer
        assert (after[number] != before[number]) == bool(wrong[number])
        answers.append(answer[0])
    assert sorted(answers) == list(range(100, 160))
    train: Any = changed.train
    assert train.counts.tolist() == [sum(label != IGNORED for label in each[1:]) for each in targets]
    assert max(map(len, after)) <= max(map(len, before))


def test_equal_answers_stay_right() -> None:
    tokens = Sequences.of([[number + 1, 500] for number in range(10)])
    labels = Sequences.of([[IGNORED, 500]] * 10)
    task = task_of(Completions(tokens, labels, torch.ones(10, dtype=torch.int64)), LanguageModelling())
    assert not apply_regime(task, "answer-noise:0.5").problems["mislabelled"].any()
    with pytest.raises(ValueError, match="a single answer; swapping needs two"):
        apply_regime(task, "answer-noise:0.1")


@settings(max_examples=30, deadline=None)
@given(
    names=st.permutations(["pair-noise", "duplicates", "off-target", "input-noise"]),
    share=st.integers(0, 9),
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(["float", "opened", "uint8"]),
    same_size=st.booleans(),
)
def test_combinations_hold_their_shares_and_the_truth(
    names: list[str], share: int, seed: int, kind: str, same_size: bool
) -> None:
    task = KINDS[kind](40)
    regime = "+".join(f"{name}:{share / 10}" for name in names)
    changed, again = (apply_regime(task, regime, seed=seed, same_size=same_size) for _ in range(2))
    assert all_of(changed.train) == all_of(again.train)
    assert changed.problems.keys() == again.problems.keys()
    assert length(changed.train) == 40 and changed.validation is task.validation and changed.test is task.test
    last = {"pair-noise": "mislabelled", "duplicates": "duplicated", "off-target": "off_target"}.get(names[-1])
    if share and last is not None:
        off = changed.problems["off_target"]
        assert int((changed.problems[last] | off).sum()) >= round(40 * share / 10)
        assert not ((changed.problems["mislabelled"] | changed.problems["duplicated"]) & off).any()
    labels = labels_of(changed.train)
    if changed.true_labels is not None:
        assert torch.equal(changed.problems["mislabelled"], labels != changed.true_labels)
    if share:
        _, targets = all_of(changed.train)
        copy_of = changed.truth["copy_of"]
        assert bool(((copy_of >= 0) <= changed.problems["duplicated"]).all())
        if names[-1] == "duplicates":
            for number in (copy_of >= 0).nonzero()[:, 0].tolist():
                source = int(copy_of[number])
                assert targets[number] == targets[source]
                for flags in (changed.problems["off_target"], changed.problems["corrupted"]):
                    assert flags[number] == flags[source]


@pytest.mark.parametrize("regime", [f"{name}:0.4" for name in (*SHARED, "symmetric-noise")])
def test_another_seed_chooses_others(regime: str) -> None:
    first, second = (next(iter(apply_regime(tensors(), regime, seed=seed).problems.values())) for seed in (0, 1))
    assert not torch.equal(first, second)


def test_regimes_with_one_seed_choose_independently() -> None:
    changed = apply_regime(tensors(1000), "off-target:0.5+input-noise:0.5")
    both = changed.problems["off_target"] & changed.problems["corrupted"]
    assert 200 < int(both.sum()) < 300


@pytest.mark.parametrize(
    ("regime", "names"),
    [
        ("pair-noise:0.5+duplicates:0.5+off-target:0.5", ("mislabelled", "duplicated")),
        ("off-target:0.5+pair-noise:0.5+duplicates:0.5", ("mislabelled", "duplicated")),
        ("off-target:0.3+symmetric-noise:0.5", ("mislabelled",)),
        ("duplicates:0.4+off-target:0.3+pair-noise:0.5", ("mislabelled", "duplicated")),
        ("off-target:0.3+duplicates:0.4", ("duplicated",)),
        ("off-target:0.3+long-tail:4", ("duplicated",)),
    ],
)
@pytest.mark.parametrize("kind", ["float", "opened"])
def test_an_off_target_sample_is_neither_mislabelled_nor_a_copy(regime: str, names: tuple[str, ...], kind: str) -> None:
    changed = apply_regime(KINDS[kind](), regime, same_size=True)
    off = changed.problems["off_target"]
    assert set(changed.problems) == {*names, "off_target"}
    for name in names:
        assert not (changed.problems[name] & off).any() and changed.problems[name].any()
    if "duplicated" in names:
        copy_of = changed.truth["copy_of"]
        assert (copy_of[off] == -1).all() and not off[copy_of[copy_of >= 0]].any()


def test_an_off_target_prompt_has_no_wrong_answer() -> None:
    changed = apply_regime(completions(), "off-target:0.5+answer-noise:0.5")
    wrong, off = changed.problems["mislabelled"], changed.problems["off_target"]
    assert wrong.any() and int(off.sum()) == 30 and not (wrong & off).any()


def test_sources_of_copies_are_found_again_when_samples_are_left_out() -> None:
    changed = apply_regime(tensors(), "duplicates:0.5")
    copies = changed.problems["duplicated"].nonzero()[:, 0]
    source = changed.truth["copy_of"][copies[0]]
    rows = torch.cat([copies[:1], source[None]])
    assert at_rows(changed, rows).truth["copy_of"].tolist() == [1, -1]
    alone = at_rows(changed, copies[:1])
    assert (alone.truth["copy_of"].tolist(), alone.problems["duplicated"].tolist()) == ([-1], [True])


def test_nothing_changes_with_a_share_of_zero_or_clean() -> None:
    task = tensors()
    for regime in ("clean", *(f"{name}:0" for name in (*SHARED, "pair-noise")), "long-tail:1"):
        assert apply_regime(task, regime) is task


@pytest.mark.parametrize(
    ("task", "regime", "reason"),
    [
        (
            texts(),
            "input-noise:0.2",
            "it needs inputs that are tensors of numbers or images, and its inputs are of dict",
        ),
        (texts(), "answer-noise:0.2", "it needs prompts with answers, as instruction tuning has, and not a TokenizedT"),
        (completions(), "pair-noise:0.2", "it needs classes, and the objective is a LanguageModelling"),
        (completions(), "clean+long-tail:5", "'long-tail:5' does not apply to small: it needs classes"),
        (make_task(tensors(), label_noise=0.2), "pair-noise:0.2", "the task has label noise already"),
        (
            task_of(Opened(*arrays()), loading=LoaderConfig(collate=torch.utils.data.default_collate)),
            "off-target:0.2",
            "its inputs cannot be scrambled, as a custom collate function makes its batches; give another data set",
        ),
    ],
)
def test_what_does_not_apply_is_refused_with_what_does(task: Task, regime: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"Those that do: .*clean, duplicates") as error:
        apply_regime(task, regime)
    assert reason in str(error.value) and str(error.value).startswith(f"regime={regime!r}: ")


def test_another_data_set_must_be_of_the_same_form() -> None:
    task = tensors()
    with pytest.raises(ValueError, match=r"off_target has inputs of shape \(3,\) and torch.float32, and the training"):
        apply_regime(task, "off-target:0.2", off_target=TensorDataset(torch.zeros(5, 3), torch.zeros(5).long()))
    with pytest.raises(ValueError, match="off_target is a TokenizedTexts, and the training set a TensorDataset"):
        apply_regime(task, "off-target:0.2", off_target=texts().train)


def test_samples_with_a_collate_function_of_their_own_can_be_repeated_or_come_from_elsewhere() -> None:
    loading = LoaderConfig(collate=torch.utils.data.default_collate)
    task = task_of(Opened(*arrays()), loading=loading)
    copied = apply_regime(task, "duplicates:0.5+pair-noise:0.2")
    assert int(copied.problems["duplicated"].sum()) == 50 and int(copied.problems["mislabelled"].sum()) == 20
    mixed = apply_regime(task, "off-target:0.5", off_target=Opened(*arrays(20)))
    assert len(labels_of(mixed.train, loading)) == 100


def test_what_is_drawn_at_random_applies_and_every_regime_is_as_likely() -> None:
    weights = drawn_regimes(completions(), Circumstances())
    assert set(weights) == {
        *("answer-noise:0.2", "answer-noise:0.4", "clean", "duplicates:0.5", "duplicates:0.7"),
        *("off-target:0.2", "off-target:0.4"),
    }
    totals: dict[str, float] = {}
    for text, weight in weights.items():
        name = text.partition(":")[0]
        totals[name] = totals.get(name, 0) + weight
    assert set(totals.values()) == {1.0}
    for make in KINDS.values():
        for text in drawn_regimes(make(), Circumstances()):
            assert length(apply_regime(make(), text, same_size=True).train) == length(make().train)


def test_the_truth_must_fit_the_training_set() -> None:
    with pytest.raises(ValueError, match=r"^truth\['corrupted'\] has shape \(3,\); a value for each of the 100"):
        _ = replace(tensors(), truth={"corrupted": torch.zeros(3, dtype=torch.bool)}).problems


def test_a_custom_regime_takes_a_function() -> None:
    @register_regime("reversed-order", value="", description="in reverse")
    def backwards(task: Task, value: None, given: Circumstances) -> Task:
        return at_rows(task, torch.arange(length(task.train)).flip(0))

    try:
        assert all_of(apply_regime(tensors(), "reversed-order").train)[1] == all_of(tensors().train)[1][::-1]
        assert REGIMES["reversed-order"].group == "reversed-order"
    finally:
        REGIMES.remove("reversed-order")


def unchanged(task: Task, value: Any, given: Circumstances) -> Task:
    return task


def only_three(name: str, text: str) -> int:
    return {"3": 3}[text]


@pytest.mark.parametrize(
    ("options", "kind", "told"),
    [
        ({"drawn": "0.2"}, TypeError, "drawn='0.2' is not a list of texts"),
        ({"drawn": (0.2,)}, TypeError, "drawn=(0.2,) is not a list of texts"),
        ({"drawn": 3}, TypeError, "drawn=3 is not a list of texts"),
        ({"drawn": ("0.2", "x")}, ValueError, "drawn=('0.2', 'x'): read does not take 'x': drawn: 'x' is not a number"),
        ({"drawn": ("1.5",)}, ValueError, "drawn=('1.5',): read does not take '1.5': drawn: p=1.5 is not a number in"),
        ({"drawn": ("",)}, ValueError, "drawn=('',): '' cannot stand for the value 'p'"),
        ({"drawn": ("0.2",), "value": ""}, ValueError, "drawn=('0.2',): '0.2' cannot stand for the value ''"),
        ({"drawn": ("a+b",), "read": print}, ValueError, "drawn=('a+b',): 'a+b' cannot stand for the value 'p'"),
        ({"drawn": ("4",), "read": only_three}, ValueError, "drawn=('4',): read does not take '4': '4'"),
        ({"name": "random", "value": ""}, ValueError, "name='random' stands for a regime that is drawn; give another"),
        ({"value": None}, TypeError, "value=None is a NoneType; a str is needed"),
        ({"group": 3}, TypeError, "group=3 is a int; a str is needed"),
        ({"read": 3}, TypeError, "read=3 is a int; something that can be called is needed"),
        ({"why_not": "no"}, TypeError, "why_not='no' is a str; something that can be called is needed"),
    ],
)
def test_a_regime_that_could_not_be_used_is_refused(options: dict[str, Any], kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=f"^{re.escape(told)}"):
        register_regime(**{"name": "refused"} | options)(unchanged)
    assert "refused" not in REGIMES and "random" not in REGIMES


@pytest.mark.parametrize("drawn", [("0.2", "0.4"), ["0.2"], (), []])
def test_a_regime_is_drawn_with_texts_that_it_reads(drawn: Sequence[str]) -> None:
    try:
        register_regime("taken", drawn=drawn)(unchanged)
        assert {f"taken:{text}" for text in drawn} == {
            name for name in drawn_regimes(tensors(), Circumstances()) if name.startswith("taken")
        }
    finally:
        REGIMES.remove("taken")


def test_a_regime_that_returns_no_task_is_named() -> None:
    try:
        register_regime("forgetful")(lambda task, value, given: None)  # type: ignore[arg-type,return-value]
        with pytest.raises(TypeError, match=r"^the regime 'forgetful:0\.2' returned a NoneType; a Task is needed$"):
            apply_regime(tensors(), "clean+forgetful:0.2")
    finally:
        REGIMES.remove("forgetful")


@pytest.mark.parametrize("task", [3, None, "digits"])
def test_what_is_no_task_is_named(task: Any) -> None:
    with pytest.raises(TypeError, match=rf"^task={task!r} is a {type(task).__name__}; a Task is needed$"):
        apply_regime(task, "clean")
