"""Texts as tokens: characters, byte pairs, or words.

The last two rest on bytes, so that no text is unknown and decoding gives back what was
encoded; the loss can then be told per character whatever the tokens are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from tokenizers import models, pre_tokenizers
from tokenizers.decoders import DecodeStream

from zoo.errors import ZooError
from zoo.language_model.config import Config
from zoo.language_model.data import Corpus
from zoo.training import bytepairs

BYTES = 256


@dataclass(frozen=True)
class Vocabulary:
    """The characters a model knows, in the order of their code points.

    Example:
        >>> vocabulary = Vocabulary.of("hello")
        >>> vocabulary.encode("hole").tolist()
        [1, 3, 2, 0]
        >>> vocabulary.decode([1, 0])
        'he'
    """

    characters: str

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        return cls("".join(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.characters)

    def unknown(self, text: str) -> str:
        """The characters of `text` that are not in the vocabulary, each once."""
        return "".join(sorted(set(text) - set(self.characters)))

    def encode(self, text: str) -> np.ndarray:
        """Characters -> int32 ids (len(text),)."""
        if unknown := self.unknown(text):
            named = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in unknown[:5])
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            raise ZooError(
                f"the text has {named}{more}, which the model never saw: "
                f"its vocabulary has {len(self)} characters"
            )
        codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        known = np.frombuffer(self.characters.encode("utf-32-le"), dtype="<u4")
        return np.searchsorted(known, codes).astype(np.int32)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        return "".join(self.characters[int(index)] for index in ids)

    def characters_after(self, text: str, ids: np.ndarray) -> int:
        """How many characters of `text` end behind its first token.

        A loss is divided by them, because the first token is not predicted.
        """
        return len(ids) - 1

    def streaming(self) -> Callable[[int], str]:
        """A function from the next id to its character."""
        return lambda index: self.characters[index]

    def extras(self) -> dict[str, Any]:
        """What `tokens_of` makes the same tokens of, as JSON."""
        return {"vocabulary": self.characters}


class Pieces(bytepairs.Pieces):
    """A vocabulary of pieces of text.

    Example:
        >>> pieces = Pieces.words("to be or not to be", size=258)
        >>> pieces.tokens("to be")
        ['to', ' be']
        >>> pieces.tokens("to go")
        ['to', ' ', 'g', 'o']
    """

    @classmethod
    def byte_pairs(cls, text: str, size: int) -> Pieces:
        """Byte-pair encoding; see `zoo.training.bytepairs`."""
        _require_bytes(size)
        return cls(bytepairs.learn([text], size))

    @classmethod
    def words(cls, text: str, size: int) -> Pieces:
        """The most frequent words, with the space before them, and the 256 bytes.

        Any other word is spelt in the fewest pieces that there are.
        """
        _require_bytes(size)
        found = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
        counts = Counter(word for word, _ in found if len(word) > 1)
        by_count = sorted(counts, key=lambda word: (-counts[word], word))
        pieces = [*bytepairs.ALPHABET, *by_count[: size - BYTES]]
        # Every piece costs 1, so that the best division has the fewest.
        costs = [(piece, -1.0) for piece in pieces]
        model = models.Unigram(costs, unk_id=None, byte_fallback=False)
        return cls(bytepairs.on_bytes(model))

    def encode(self, text: str) -> np.ndarray:
        """Text -> int32 ids (pieces,)."""
        return np.array(self.tokenizer.encode(text).ids, dtype=np.int32)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        return str(self.tokenizer.decode([int(index) for index in ids]))

    def tokens(self, text: str) -> list[str]:
        """The pieces of a text, as text."""
        return [self.decode([index]) for index in self.encode(text)]

    def characters_after(self, text: str, ids: np.ndarray) -> int:
        """How many characters of `text` end behind its first token."""
        # In a piece one character stands for each byte.
        first = len(str(self.tokenizer.id_to_token(int(ids[0]))))
        return len(text) - len(text.encode()[:first].decode(errors="ignore"))

    def streaming(self) -> Callable[[int], str]:
        """A function from the next id to the text that it completes."""
        stream = DecodeStream()
        return lambda index: stream.step(self.tokenizer, index) or ""

    def extras(self) -> dict[str, Any]:
        return {"tokenizer": self.to_json()}


# What a model reads and writes.
Tokens: TypeAlias = Vocabulary | Pieces


def learn(config: Config, corpus: Corpus) -> Tokens:
    """The tokens of a text: its characters, or pieces learnt from what trains."""
    if config.tokens == "char":
        return Vocabulary.of(corpus.text)
    make = Pieces.byte_pairs if config.tokens == "bpe" else Pieces.words
    return make(corpus.train, config.vocabulary)


def tokens_of(extras: Mapping[str, Any]) -> Tokens:
    """The tokens of a run or preset, out of what `Tokens.extras` gave."""
    characters = extras.get("vocabulary")
    if characters is None:
        return Pieces.from_json(str(extras.get("tokenizer")))
    if not isinstance(characters, str) or "".join(sorted({*characters})) != characters:
        raise ZooError(f"vocabulary={characters!r:.60}; expected sorted characters")
    return Vocabulary(characters)


def _require_bytes(size: int) -> None:
    if size < BYTES:
        raise ZooError(
            f"--vocabulary {size}; expected at least {BYTES}: each byte is a piece"
        )
