"""What the search spaces of the programs have in common.

In the terms of google-research/tuning_playbook: scientific hyperparameters are what a
study asks about; nuisance hyperparameters must be tuned for each of them, or the
comparison is unfair; fixed ones stay, and a conclusion holds for their values only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras_tuner

# The four conventions that differ, each by one of its names in keras_gru.VARIANTS.
VARIANTS = ("keras", "cho2014", "chung2014", "replace_after")
# A rate above 0 costs time: the faster kernels do not have it.
RECURRENT_DROPOUTS = (0.0, 0.2)


def variant(hp: keras_tuner.HyperParameters, default: str) -> Any:
    """The gate convention."""
    return hp.Choice("variant", list(VARIANTS), default=default)


def recurrent_dropout(hp: keras_tuner.HyperParameters, default: float) -> Any:
    """The rate on the state that a GRU layer reads."""
    return hp.Choice("recurrent_dropout", list(RECURRENT_DROPOUTS), default=default)


def halved_or_doubled(hp: keras_tuner.HyperParameters, name: str, default: int) -> Any:
    """A number, its half or its double."""
    return hp.Choice(name, [default // 2, default, default * 2], default=default)
