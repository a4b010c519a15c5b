"""How good translations are: BLEU and chrF by sacrebleu, cased, detokenised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def bleu_and_chrf(
    translations: Sequence[str], references: Sequence[str]
) -> dict[str, Any]:
    """Corpus BLEU and chrF2 against one reference a sentence.

    Returns:
        bleu and chrf, from 0 to 100, and signature: sacrebleu's of both, which say
        how they were taken.

    Source: Post 2018, arXiv 1804.08771 v2; Popović 2015 (chrF).
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    bleu, chrf = BLEU(), CHRF()
    return {
        "bleu": bleu.corpus_score(translations, [list(references)]).score,
        "chrf": chrf.corpus_score(translations, [list(references)]).score,
        "signature": f"BLEU|{bleu.get_signature()} chrF2|{chrf.get_signature()}",
    }


def accuracy(translations: Sequence[str], references: Sequence[str]) -> float:
    """The part of sentences that are the reference, letter by letter."""
    pairs = list(zip(translations, references, strict=True))
    return sum(found == expected for found, expected in pairs) / len(pairs)
