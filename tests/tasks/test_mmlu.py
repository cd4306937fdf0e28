from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from data_select_gym.tasks.language.mmlu import Mmlu, read_questions
from data_select_gym.tasks.tokenization import encode, fit_tokenizer

from .written_language import TEXTS, write_mmlu, write_questions

# Its texts hold no letter after a blank, so that `` A`` is a blank and a letter.
PLAIN = fit_tokenizer(TEXTS, 300)
LETTERS = fit_tokenizer([f"x {letter}" for letter in "ABCD"] * 9, 300)
HEADING = "The following are multiple choice questions (with answers) about high school art.\n\n"


class Echo(nn.Module):
    """Its likeliest next token after the last of a prompt is one that is given; after any other it is B."""

    def __init__(self, tokenizer: Any, answer: str) -> None:
        super().__init__()
        self.head = nn.Linear(len(tokenizer), len(tokenizer))
        before, last = (encode(tokenizer, [f" {letter}"])[0] for letter in ("B", answer))
        cue = before[-2] if len(before) > 1 else encode(tokenizer, ["Answer:"])[0][-1]
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.zero_()
            self.head.bias[before[-1]] = 1
            self.head.weight[last[-1], cue] = 2
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        self.shapes.append(tuple(inputs["input_ids"].shape))
        logits: Tensor = self.head(nn.functional.one_hot(inputs["input_ids"], self.head.in_features).float())
        return logits


def text_of(tokenizer: Any, mmlu: Mmlu, row: int) -> str:
    text: str = tokenizer.decode(mmlu.prompts[row])
    return text


@pytest.mark.parametrize(("tokenizer", "before"), [(PLAIN, " "), (LETTERS, "")])
def test_a_prompt_shows_solved_questions_of_its_subject_first(tokenizer: Any, before: str, tmp_path: Path) -> None:
    mmlu = Mmlu(write_mmlu(tmp_path), tokenizer, max_length=2000, shots=2)
    assert text_of(tokenizer, mmlu, 1) == (
        HEADING + "dev question 0?\nA. one\nB. two\nC. three, or so\nD. four\nAnswer: A\n\n"
        "dev question 1?\nA. one\nB. two\nC. three, or so\nD. four\nAnswer: B\n\n"
        "test question 1?\nA. one\nB. two\nC. three, or so\nD. four\nAnswer:" + before
    )
    assert mmlu.subjects == ["high_school_art", "logic"] and mmlu.shortened == 0
    assert mmlu.answers.tolist() == [0, 1, 2, 3, 0, 1] * 2


@pytest.mark.parametrize("tokenizer", [PLAIN, LETTERS])
@pytest.mark.parametrize(("answer", "share"), [("A", 2 / 6), ("C", 1 / 6)])
def test_the_letter_of_highest_probability_after_the_prompt_is_the_answer(
    tokenizer: Any, answer: str, share: float, tmp_path: Path
) -> None:
    write_mmlu(tmp_path)
    write_questions(tmp_path, "logic", 3)
    mmlu = Mmlu(tmp_path, tokenizer, max_length=2000, batch_size=4)
    model = Echo(tokenizer, answer)
    measured = mmlu(model)
    assert measured == pytest.approx({"mmlu": (6 * share + 1) / 9, "mmlu_high_school_art": share, "mmlu_logic": 1 / 3})
    assert [shape[0] for shape in model.shapes] == [4, 4, 1]


def test_examples_are_dropped_from_the_first_on_until_a_prompt_fits(tmp_path: Path) -> None:
    write_mmlu(tmp_path, ("logic",))
    lengths = [len(Mmlu(tmp_path, PLAIN, max_length=9999, shots=shots).prompts[0]) for shots in range(6)]
    for shots in range(1, 5):
        told = (
            rf"6 of 6 prompts with shots=5 examples are longer than max_length={lengths[shots] + 1} tokens; they lose"
        )
        with pytest.warns(UserWarning, match=f"{told} examples, and 0 lose their beginning$"):
            mmlu = Mmlu(tmp_path, PLAIN, max_length=lengths[shots] + 1)
        shown = text_of(PLAIN, mmlu, 0)
        assert [f"dev question {number}" in shown for number in range(5)] == [
            number >= 5 - shots for number in range(5)
        ]
        assert mmlu.shortened == 6


def test_a_question_that_does_not_fit_by_itself_loses_its_beginning(tmp_path: Path) -> None:
    write_mmlu(tmp_path, ("logic",))
    with pytest.warns(UserWarning, match="and 6 lose their beginning$"):
        mmlu = Mmlu(tmp_path, PLAIN, max_length=12)
    assert mmlu.prompts.lengths.tolist() == [12] * 6
    assert text_of(PLAIN, mmlu, 0).endswith("our\nAnswer: ")


def test_without_examples_no_file_of_them_is_needed(tmp_path: Path) -> None:
    write_questions(tmp_path, "logic")
    assert text_of(PLAIN, Mmlu(tmp_path, PLAIN, max_length=999, shots=0), 0).count("Answer:") == 1
    with pytest.raises(FileNotFoundError, match=r"logic_dev\.csv"):
        Mmlu(tmp_path, PLAIN, max_length=999)


def test_a_file_with_fewer_examples_than_are_asked_for_is_refused(tmp_path: Path) -> None:
    write_mmlu(tmp_path, ("logic",))
    write_questions(tmp_path, "logic", 4, "dev")
    Mmlu(tmp_path, PLAIN, max_length=999, shots=4)
    with pytest.raises(ValueError, match=r"logic_dev\.csv has 4 questions; shots=5 needs as many$"):
        Mmlu(tmp_path, PLAIN, max_length=999)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Why?,a,b,c,d,", r"the answer is ''; one of A, B, C, D is needed$"),
        ("Why?,a,b,c,d,E", r"the answer is 'E'; one of A, B, C, D is needed$"),
        ("Why?,a,b,c,d", r"5 columns; 6 are needed: question, four choices, answer$"),
        ("Why?,a,b,c,d,A,A", r"7 columns; 6 are needed"),
        (" ,a,b,c,d,A", r"the question is ' '; a text is needed$"),
    ],
)
def test_a_missing_answer_or_column_is_an_error_with_file_and_line(line: str, message: str, tmp_path: Path) -> None:
    write_mmlu(tmp_path)
    path = tmp_path / "test" / "logic_test.csv"
    path.write_text(f'"One\nor two?",a,b,c,d,A\n{line}\n')
    with pytest.raises(ValueError, match=rf"logic_test\.csv, line 3: {message}"):
        Mmlu(tmp_path, PLAIN, max_length=999)


def test_quoted_commas_and_lines_belong_to_a_text(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('"One,\nor two?","a, b",b,c,d, D\n')
    (question,) = read_questions(path)
    assert question == ("One,\nor two?", ("a, b", "b", "c", "d"), "D")
    long = "long " * 40_000
    path.write_text(f'\ufeff"One, two?","{long}",b,c,d,A\r\n\n \n')
    assert read_questions(path) == [("One, two?", (long, "b", "c", "d"), "A")]
    path.write_text("")
    with pytest.raises(ValueError, match=r"x\.csv is empty; at least one question is needed$"):
        read_questions(path)


def test_a_folder_of_another_layout_and_arguments_out_of_their_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no test/<subject>_test.csv, as MMLU's files are laid out$"):
        Mmlu(tmp_path, PLAIN, max_length=999)
    write_mmlu(tmp_path)
    for options in ({"shots": 6}, {"shots": -1}, {"batch_size": 0}, {"max_length": 7}):
        with pytest.raises(ValueError, match="is not a whole number of at least"):
            Mmlu(tmp_path, PLAIN, **({"max_length": 999} | options))
