"""Subwords: byte-pair encoding shared by both languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from zoo.errors import ZooError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, BOS, EOS, HIDDEN = range(4)
# No part of a translation.
NEVER = (PAD, BOS, HIDDEN)
SPECIAL = ("<pad>", "<bos>", "<eos>", "<hidden>")


class Subwords:
    """Text <-> ids, by byte-pair encoding over bytes: no character is unknown.

    Ids 0 to 3 are padding, the begin and the end of a sentence, and what stands in
    training for a hidden subword.

    Source: Sennrich et al. 2016, arXiv 1508.07909 v5; the library is `tokenizers`.

    Example:
        >>> subwords = Subwords.learn(["so so", "la la"], 300)
        >>> subwords.decode(subwords.encode(["la so"])[0])
        'la so'
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def learn(cls, lines: Iterable[str], size: int) -> Subwords:
        """Learn at most `size` subwords from lines of text of both languages."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        # A space before the first word makes it the same subword as elsewhere.
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            special_tokens=list(SPECIAL),
            show_progress=False,
        )
        tokenizer.train_from_iterator(lines, trainer)
        # Not special when text is encoded: who writes "<eos>" means these five letters.
        return cls.from_json(tokenizer.to_str())

    @classmethod
    def from_json(cls, text: str) -> Subwords:
        """Read what `to_json` wrote.

        Raises:
            ZooError: it is no vocabulary of this program.
        """
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # the library raises nothing narrower
            raise ZooError(f"the vocabulary is damaged: {error}") from error
        if [tokenizer.id_to_token(index) for index in range(4)] != list(SPECIAL):
            raise ZooError("the vocabulary is of another program: ids 0 to 3 differ")
        tokenizer.encode_special_tokens = True
        return cls(tokenizer)

    def to_json(self) -> str:
        return self._tokenizer.to_str() + "\n"

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Ids of each line, without begin and end."""
        encoded = self._tokenizer.encode_batch(list(lines), add_special_tokens=False)
        return [line.ids for line in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """One line of text: a subword may be any byte, and what would break the line
        becomes a space."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=True)
        return " ".join(text.removeprefix(" ").splitlines())

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Each id as text for a picture.

        A word's first subword begins with "▁"; a part of a character, and what cannot
        be printed, is "·".
        """
        return [
            SPECIAL[index]
            if index < len(SPECIAL)
            else _visible(self._tokenizer.decode([index]))
            for index in ids
        ]


def _visible(text: str) -> str:
    printable = "".join(c if c.isprintable() and c != "\ufffd" else "·" for c in text)
    return printable.replace(" ", "▁")
