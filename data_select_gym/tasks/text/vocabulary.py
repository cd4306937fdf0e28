"""A vocabulary of words, fitted on texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PADDING, UNKNOWN = 0, 1
FIRST_WORD = 2
# A run of letters and digits, or any other single character; in lower case. Every text that is not blank has one.
WORD = r"(?u)\w+|[^\w\s]"
MOST_WORDS = 50_000


@dataclass(frozen=True)
class Vocabulary:
    """Numbers words: 0 is for padding, 1 for any unknown word.

    Attributes:
        words: from a word in lower case to its number, from 2 in alphabetical order.
    """

    words: dict[str, int]

    @classmethod
    def fit(cls, texts: Iterable[str]) -> Vocabulary:
        """The words that are in at least two texts; if there are more than 50,000, the most frequent ones.

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
        """Number of words, including padding and the unknown word."""
        return FIRST_WORD + len(self.words)

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        """The numbers of all words of each text, in order."""
        from sklearn.feature_extraction.text import CountVectorizer

        words_of = CountVectorizer(token_pattern=WORD).build_analyzer()
        return [[self.words.get(word, UNKNOWN) for word in words_of(text)] for text in texts]
