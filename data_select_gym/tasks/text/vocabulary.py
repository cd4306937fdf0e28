"""A vocabulary of words, fitted on texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PADDING, UNKNOWN = 0, 1
FIRST_WORD = 2
# A run of letters and digits, or any other character by itself; in small letters. So a text that is not blank has one.
WORD = r"(?u)\w+|[^\w\s]"
MOST_WORDS = 50_000


@dataclass(frozen=True)
class Vocabulary:
    """Numbers of words: 0 is for padding, 1 for any unknown word.

    Attributes:
        words: from a word in small letters to its number, from 2 in the order of the alphabet.
    """

    words: dict[str, int]

    @classmethod
    def fit(cls, texts: Iterable[str]) -> Vocabulary:
        """The words that are in two texts or more; of more than 50,000, those that occur most.

        Raises:
            ValueError: there is no such word.
        """
        from sklearn.feature_extraction.text import CountVectorizer

        counter = CountVectorizer(token_pattern=WORD, min_df=2, max_features=MOST_WORDS)
        try:
            counter.fit(texts)
        except ValueError as error:
            raise ValueError("no word is in two of the training texts, so there is no vocabulary") from error
        return cls({str(word): FIRST_WORD + int(number) for word, number in counter.vocabulary_.items()})

    def __len__(self) -> int:
        """Number of words, with padding and the unknown one."""
        return FIRST_WORD + len(self.words)

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """The numbers of the words of each text, all of them, in their order."""
        from sklearn.feature_extraction.text import CountVectorizer

        words_of = CountVectorizer(token_pattern=WORD).build_analyzer()
        return [[self.words.get(word, UNKNOWN) for word in words_of(text)] for text in texts]
