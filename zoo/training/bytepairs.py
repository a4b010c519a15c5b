"""Byte-pair encoding: text as the pieces that are frequent in it, none unknown.

Source: Sennrich et al. 2016, arXiv 1508.07909 v5, on bytes as GPT-2 has it; the library
is `tokenizers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from zoo.errors import ZooError

Self = TypeVar("Self", bound="Pieces")

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())  # a character for each byte


def on_bytes(model: models.Model, *, space_first: bool = False) -> Tokenizer:
    """A tokenizer whose words are as GPT-2 cuts them, written in bytes.

    Args:
        model: cuts words into pieces.
        space_first: whether a text gets a space before its first word, which makes it
            the same piece as elsewhere.
    """
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space_first)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def learn(
    texts: Iterable[str],
    size: int,
    *,
    special: Sequence[str] = (),
    space_first: bool = False,
) -> Tokenizer:
    """Join the most frequent pair of neighbours until there are `size` pieces.

    The first are `special`, then the 256 bytes. No piece reaches over the end of a
    word. Where the texts have too few pairs, there are fewer pieces.
    """
    tokenizer = on_bytes(models.BPE(), space_first=space_first)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=ALPHABET,
        special_tokens=list(special),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


class Pieces:
    """Text <-> ids of pieces."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    @classmethod
    def from_json(cls: type[Self], text: str) -> Self:
        """Read what `to_json` wrote."""
        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the library raises nothing narrower
            raise ZooError(f"the vocabulary is damaged: {error}") from error
        return cls(tokenizer)

    def to_json(self) -> str:
        return str(self.tokenizer.to_str())

    def __len__(self) -> int:
        return int(self.tokenizer.get_vocab_size())
