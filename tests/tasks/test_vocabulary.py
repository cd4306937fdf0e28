import pytest

from data_select_gym.tasks.text.vocabulary import Vocabulary

TEXTS = ["A fine film, fine!", "a dull film .", "Odd"]


def test_words_of_two_texts_are_numbered_and_any_other_is_unknown() -> None:
    vocabulary = Vocabulary.fit(TEXTS)
    assert vocabulary.words == {"a": 2, "film": 3}  # a word twice in one text is in one text
    assert len(vocabulary) == 4
    assert vocabulary.encode(["A film?", "fine a", "film"]) == [[2, 3, 1], [1, 2], [3]]


def test_any_text_that_is_not_blank_has_a_token() -> None:
    vocabulary = Vocabulary.fit(TEXTS)
    assert vocabulary.encode(["?!", "_", "é", "漢"]) == [[1, 1], [1], [1], [1]]


def test_letters_that_stand_alone_and_signs_are_words() -> None:
    vocabulary = Vocabulary.fit(["is n't good ?", "ca n't ?"])
    assert set(vocabulary.words) == {"n", "'", "t", "?"}


def test_texts_without_a_common_word_are_refused() -> None:
    with pytest.raises(ValueError, match="no word is in two of the training texts"):
        Vocabulary.fit(["fine", "dull"])
