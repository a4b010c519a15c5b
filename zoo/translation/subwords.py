"""Subwords: byte-pair encoding shared by both languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer

from zoo.errors import ZooError
from zoo.training import bytepairs

PAD, BOS, EOS, HIDDEN = range(4)
# No part of a translation.
NEVER = (PAD, BOS, HIDDEN)
SPECIAL = ("<pad>", "<bos>", "<eos>", "<hidden>")


class Subwords(bytepairs.Pieces):
    """Text <-> ids, by byte-pair encoding over bytes: no character is unknown.

    Ids 0 to 3 are padding, the begin and the end of a sentence, and what stands in
    training for a hidden subword. See `zoo.training.bytepairs`.

    Example:
        >>> subwords = Subwords.learn(["so so", "la la"], 300)
        >>> subwords.decode(subwords.encode(["la so"])[0])
        'la so'
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer)
        if [tokenizer.id_to_token(index) for index in range(4)] != list(SPECIAL):
            raise ZooError("the vocabulary is of another program: ids 0 to 3 differ")
        # Not special when text is encoded: who writes "<eos>" means these five letters.
        tokenizer.encode_special_tokens = True

    @classmethod
    def learn(cls, lines: Iterable[str], size: int) -> Subwords:
        """Learn at most `size` subwords from lines of text of both languages."""
        return cls(bytepairs.learn(lines, size, special=SPECIAL, space_first=True))

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Ids of each line, without begin and end."""
        encoded = self.tokenizer.encode_batch(list(lines), add_special_tokens=False)
        return [line.ids for line in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, in one line: line ends in it become spaces."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return " ".join(text.removeprefix(" ").splitlines())

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Each id as text for a picture.

        A word's first subword begins with "▁"; a part of a character, and what cannot
        be printed, is "·".
        """
        return [
            SPECIAL[index]
            if index < len(SPECIAL)
            else _visible(self.tokenizer.decode([index]))
            for index in ids
        ]


def _visible(text: str) -> str:
    printable = "".join(c if c.isprintable() and c != "\ufffd" else "·" for c in text)
    return printable.replace(" ", "▁")
