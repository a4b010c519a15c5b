"""ConversionError: why a conversion would change what the GRU computes."""

from __future__ import annotations


class ConversionError(ValueError):
    """The weights have no exact equal in the other form.

    Attributes:
        rule: the sentence that forbids it.
        term: what has no equal: a block of the weights, or an argument of the layer.
        largest: the largest absolute value in that block; None for an argument.

    Example:

    >>> import keras_gru
    >>> layer = keras_gru.GRU(2, reset_after=False)
    >>> layer.build((None, None, 3))
    >>> try:
    ...     keras_gru.convert.export_weights(layer, "torch")
    ... except keras_gru.convert.ConversionError as error:
    ...     print(error.term)
    the candidate's recurrent kernel U_n off its diagonal
    """

    def __init__(
        self,
        target: str,
        rule: str,
        term: str,
        largest: float | None = None,
        advice: str = "",
    ) -> None:
        self.rule, self.term, self.largest = rule, term, largest
        size = "" if largest is None else f" Largest value: {largest:.6g}."
        super().__init__(
            f"{target}: there is no exact equal. Rule: {rule}. "
            f"Term: {term}.{size}" + (f" {advice}" if advice else "")
        )
