"""MMLU: multiple-choice questions in 57 subjects (Hendrycks et al., arXiv 2009.03300), from its CSV files."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from data_select_gym.arguments import check_count, check_path
from data_select_gym.tasks.language.language_objective import logits_at
from data_select_gym.tasks.rows import table_rows
from data_select_gym.tasks.sequences import Sequences
from data_select_gym.tasks.tokenization import encode, opening

LETTERS = "ABCD"
COLUMNS = 6


class Question(NamedTuple):
    """One question with its four choices and the letter of the right one."""

    text: str
    choices: tuple[str, ...]
    answer: str

    def asked(self) -> str:
        """The question as a prompt, up to its answer."""
        choices = (f"{letter}. {choice}" for letter, choice in zip(LETTERS, self.choices, strict=True))
        return "\n".join([self.text, *choices, "Answer:"])


class Mmlu:
    """The questions of a folder as prompts; called with a model, it returns the shares answered right.

    A prompt names the subject, shows ``shots`` questions of the subject's ``dev`` file with their answers, and asks a
    question of its ``test`` file. The letter of highest probability after it is the model's answer. A prompt that is
    too long loses its examples from the first on until it fits, and its beginning if it does not fit without any. A
    warning counts both.

    Example:
        ``Mmlu("mmlu/", tokenizer, max_length=1024)(CausalModel(model))["mmlu"]`` is the share answered right.

    Attributes:
        subjects: sorted names.
        subject: int64 ``(n,)``, index of each question's subject.
        prompts: the prompts.
        letters: int64 ``(4,)``, the tokens of the four letters.
        answers: int64 ``(n,)``, from 0 for A to 3 for D.
        shortened: how many prompts lost examples or their beginning.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        tokenizer: Any,
        *,
        max_length: int,
        shots: int = 5,
        batch_size: int = 16,
        head: str | None = None,
    ) -> None:
        """Read the files and make the prompts.

        Args:
            folder: with ``test/<subject>_test.csv`` and ``dev/<subject>_dev.csv``, as in MMLU's archive.
            tokenizer: of the model, from transformers.
            max_length: the most tokens of a prompt.
            shots: examples in each prompt, in [0, 5]; with 0 no ``dev`` file is needed.
            batch_size: prompts in a batch.
            head: see :class:`~data_select_gym.tasks.language.language_objective.LanguageModelling`.

        Raises:
            FileNotFoundError: the folder has no such files, or a subject has no ``dev`` file.
            ValueError: an argument is out of its range, or a ``dev`` file has fewer than ``shots`` questions; or a row
                is not a question, four choices and a letter, with file and line.
        """
        shots = check_count("shots", shots, least=0, most=5)
        max_length = check_count("max_length", max_length, least=8)
        self.batch_size = check_count("batch_size", batch_size)
        self.head = head
        before, self.letters = _letter_tokens(tokenizer)
        start = opening(tokenizer)
        room = max_length - len(start) - len(before)
        questions, examples = _read_folder(check_path("folder", folder), shots)
        self.subjects = list(questions)
        asked = [(subject, question) for subject, several in questions.items() for question in several]
        self.subject = torch.tensor([self.subjects.index(subject) for subject, _ in asked])
        self.answers = torch.tensor([LETTERS.index(question.answer) for _, question in asked])
        tokens: list[list[int]] = [[] for _ in asked]
        left = list(range(len(asked)))
        for shown in range(shots, -1, -1):
            texts = [_prompt(asked[row][0], examples, asked[row][1], shown) for row in left]
            for row, encoded in zip(left, encode(tokenizer, texts), strict=True):
                tokens[row] = encoded
            left = [row for row in left if len(tokens[row]) > room]
            if shown == shots:
                self.shortened = len(left)
        if self.shortened:
            warnings.warn(
                f"{os.fspath(folder)}: {self.shortened} of {len(tokens)} prompts with shots={shots} examples are "
                f"longer than max_length={max_length} tokens; they lose examples, and {len(left)} lose their beginning",
                stacklevel=2,
            )
        self.prompts = Sequences.of([start + encoded[-room:] + before for encoded in tokens])

    @torch.no_grad()
    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Share of the questions answered right: ``mmlu`` over all, and ``mmlu_<subject>`` for each subject.

        Args:
            model: returns logits ``(n, W, V)`` for a dict of ``input_ids`` and ``attention_mask``, such as a
                :class:`~data_select_gym.tasks.language.language_models.CausalModel`; in the mode that the caller wants.
        """
        device = next(model.parameters()).device
        prompts, letters = self.prompts.to(device), self.letters.to(device)
        right = torch.zeros(len(prompts), dtype=torch.float32)
        for rows in torch.split(self.prompts.lengths.argsort(stable=True), self.batch_size):
            chosen = self._answer(model, prompts, rows, letters)
            right[rows] = (chosen.cpu() == self.answers[rows]).float()
        shares = {f"mmlu_{name}": right[self.subject == number] for number, name in enumerate(self.subjects)}
        return {"mmlu": right.mean().item()} | {name: values.mean().item() for name, values in shares.items()}

    def _answer(self, model: nn.Module, prompts: Sequences, rows: Tensor, letters: Tensor) -> Tensor:
        tokens, there = prompts.padded(rows, 0)
        last = torch.arange(len(rows)) * tokens.shape[1] + prompts.lengths[rows] - 1
        inputs = {"input_ids": tokens, "attention_mask": there.long()}
        logits, _ = logits_at(model, inputs, last.to(tokens.device, non_blocking=True), tokens.shape, self.head)
        return logits[:, letters].argmax(dim=1)


def _letter_tokens(tokenizer: Any) -> tuple[list[int], Tensor]:
    """The tokens before the letter in `` A``, the same for all four, and the tokens that tell the letters apart."""
    encoded = encode(tokenizer, [f" {letter}" for letter in LETTERS])
    shared = 0
    while all(len(tokens) > shared + 1 for tokens in encoded) and len({tokens[shared] for tokens in encoded}) == 1:
        shared += 1
    letters = [tokens[shared] for tokens in encoded]
    if len(set(letters)) < len(LETTERS):
        raise ValueError(f"the tokenizer does not tell the letters {', '.join(LETTERS)} apart by one token each")
    return encoded[0][:shared], torch.tensor(letters)


def _prompt(subject: str, examples: dict[str, list[Question]], question: Question, shown: int) -> str:
    named = subject.replace("_", " ")
    given = examples[subject][-shown:] if shown else []
    solved = [f"{example.asked()} {example.answer}\n\n" for example in given]
    # The wording of the benchmark's authors, since accuracies depend on it.
    heading = f"The following are multiple choice questions (with answers) about {named}.\n\n"
    return "".join([heading, *solved, question.asked()])


def _read_folder(folder: Path, shots: int) -> tuple[dict[str, list[Question]], dict[str, list[Question]]]:
    """Questions, and examples, of each subject."""
    files = sorted((folder / "test").glob("*_test.csv"))
    if not files:
        raise FileNotFoundError(f"{folder} has no test/<subject>_test.csv, as MMLU's files are laid out")
    questions, examples = {}, {}
    for path in files:
        subject = path.name.removesuffix("_test.csv")
        questions[subject] = read_questions(path)
        examples[subject] = _read_examples(folder / "dev" / f"{subject}_dev.csv", shots) if shots else []
    return questions, examples


def _read_examples(path: Path, shots: int) -> list[Question]:
    found = read_questions(path)
    if len(found) < shots:
        raise ValueError(f"{path} has {len(found)} questions; shots={shots} needs as many")
    return found[:shots]


def read_questions(path: Path) -> list[Question]:
    """The questions of a CSV file without a header: question, four choices, letter of the right one.

    Blank lines are skipped.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty or damaged, or a row lacks its six columns, its question or the letter at its end;
            with file and line.
    """
    questions = [_question(row, f"{path}, line {line}") for line, row in table_rows(path)]
    if not questions:
        raise ValueError(f"{path} is empty; at least one question is needed")
    return questions


def _question(row: list[str], place: str) -> Question:
    if len(row) != COLUMNS:
        raise ValueError(f"{place}: {len(row)} columns; {COLUMNS} are needed: question, four choices, answer")
    if not row[0].strip():
        raise ValueError(f"{place}: the question is {row[0]!r}; a text is needed")
    if row[-1].strip() not in tuple(LETTERS):
        raise ValueError(f"{place}: the answer is {row[-1]!r}; one of {', '.join(LETTERS)} is needed")
    return Question(row[0], tuple(row[1:-1]), row[-1].strip())
