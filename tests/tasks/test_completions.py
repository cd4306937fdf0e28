from typing import Any

import pytest
import torch

from data_select_gym.tasks.data import lengths_of, rows_of
from data_select_gym.tasks.language.completions import Completions, encode_conversations
from data_select_gym.tasks.language.instructions import Conversation, Turn
from data_select_gym.tasks.protocol import Batched, Sliced
from data_select_gym.tasks.tokenization import encode, fit_tokenizer, opening

from .written_language import TEXTS

TOKENIZER = fit_tokenizer(TEXTS, 300)
SHORT = [Turn("user", "Hi"), Turn("assistant", "Yo")]
CHAT = [
    Turn("system", "Be kind"),
    Turn("user", "Hi"),
    Turn("assistant", "Yo"),
    Turn("user", "Bye"),
    Turn("assistant", "So long"),
    Turn("user", "?"),
]


def encoded(*conversations: Conversation, max_length: int = 500, tokenizer: Any = TOKENIZER) -> Completions:
    return encode_conversations(conversations, tokenizer, max_length, "file.jsonl")


def test_a_conversation_is_written_by_the_template_and_only_answers_are_learned() -> None:
    tokens, labels = encoded(CHAT)[0]
    ask = "### Instruction:\n{}\n\n### Response:\n"
    end = "<|endoftext|>"
    assert TOKENIZER.decode(tokens) == f"Be kind\n\n{ask.format('Hi')}Yo{end}{ask.format('Bye')}So long{end}"
    assert torch.equal(labels[labels != -100], tokens[labels != -100])
    assert TOKENIZER.decode(labels[labels != -100]) == f"Yo{end}So long{end}"


def test_batches_are_padded_on_the_right_to_their_longest() -> None:
    data = encoded(CHAT, SHORT)
    inputs, (labels, _) = data.batch(torch.tensor([1, 0]))
    width, length = len(data[0][0]), len(data[1][0])
    assert inputs["input_ids"].shape == inputs["attention_mask"].shape == labels.shape == (2, width)
    assert inputs["attention_mask"].sum(dim=1).tolist() == [length, width]
    assert torch.equal(inputs["input_ids"][0, :length], data[1][0])
    assert torch.equal(labels[0, :length], data[1][1])
    assert (labels[0, length:] == -100).all()
    assert {tensor.dtype for tensor in (*inputs.values(), labels)} == {torch.int64}


def test_it_makes_its_own_batches_and_parts_and_tells_its_lengths() -> None:
    data = encoded(CHAT, SHORT)
    assert isinstance(data, Batched) and isinstance(data, Sliced)
    part = rows_of(data, torch.tensor([1]))
    assert isinstance(part, Completions) and len(part) == 1 and torch.equal(part[0][0], data[1][0])
    lengths = lengths_of(data)
    assert lengths is not None and lengths.tolist() == [len(data[0][0]), len(data[1][0])]
    moved = data.to(torch.device("meta")).batch(torch.tensor([0, 1]))
    assert moved[0]["input_ids"].device.type == moved[1].labels.device.type == "meta"


def test_a_batch_tells_how_many_tokens_are_to_be_learned_which_nobody_predicts_the_first_of() -> None:
    data = encoded(CHAT, SHORT, [Turn("assistant", "Yo")])  # the last begins with its answer
    counts = [int((data[row][1][1:] != -100).sum()) for row in range(3)]
    assert counts[2] == len(data[2][1]) - 1
    moved = rows_of(data, torch.tensor([2, 1, 0]))
    assert isinstance(moved, Completions)
    assert moved.to(torch.device("meta")).batch(torch.tensor([0, 2, 2]))[1].learned == counts[2] + 2 * counts[0]


def test_what_is_too_long_is_cut_and_without_an_answer_left_out_and_counted() -> None:
    asked = len(encoded(SHORT)[0][0]) - 3  # "Y", "o" and the end
    with pytest.warns(UserWarning) as caught:
        data = encoded(SHORT, [Turn("user", "Hi " * 90), SHORT[1]], SHORT, max_length=asked + 1)
    assert [str(warning.message) for warning in caught] == [
        f"file.jsonl: of 3 conversations 2 are cut after max_length={asked + 1} tokens, and 1 are left out, as they "
        "have no answer up to there"
    ]
    assert len(data) == 2
    assert data.lengths.tolist() == [asked + 1] * 2
    assert TOKENIZER.decode(data[0][1][-1:]) == "Y"


@pytest.mark.parametrize("lost", [[], [Turn("user", "Hi")], [SHORT[0], Turn("assistant", " \n")]])
def test_an_empty_answer_is_left_out_and_counted(lost: Conversation) -> None:
    with pytest.warns(UserWarning, match=r"^file.jsonl: of 2 conversations 0 are cut .*, and 1 are left out"):
        assert len(encoded(lost, SHORT)) == 1
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match=r"^file.jsonl: no conversation has an answer within its first max_length=500"),
    ):
        encoded(lost)


def test_a_tokenizer_s_opening_is_put_before_a_text_and_is_not_learned() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = fit_tokenizer(TEXTS, 300)
    assert opening(tokenizer) == []
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    number = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", number)])
    assert opening(tokenizer) == [number]
    tokens, labels = encoded(SHORT, tokenizer=tokenizer)[0]
    assert torch.equal(tokens[1:], encoded(SHORT)[0][0]) and tokens[0] == number and labels[0] == -100
    assert number not in encode(tokenizer, ["Hi"])[0]


def test_fitting_a_tokenizer_is_repeatable_and_any_text_comes_back() -> None:
    again = fit_tokenizer(TEXTS, 300)
    assert again.get_vocab() == TOKENIZER.get_vocab() and len(again) <= 300
    for text in (" Naïve\n\n日本 🎉", "red 3"):
        assert again.decode(encode(again, [text])[0]) == text
