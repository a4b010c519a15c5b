"""The optimizer of every program: AdamW under a warm-up and a cosine."""

from __future__ import annotations

import keras

from zoo.config import Training


def adamw(
    config: Training, total_steps: int, averaging: float | None = None
) -> keras.optimizers.Optimizer:
    """AdamW under a linear warm-up and a cosine, with the gradient's norm clipped.

    Args:
        config: rates; biases and embeddings have no weight decay.
        total_steps: of the training; `config.warmup` of them are the warm-up.
        averaging: decay of the running average of the weights, which is what the
            loop then validates and keeps; None: they are not averaged.
    """
    warmup_steps = max(1, round(config.warmup * total_steps))
    averaged = {} if averaging is None else {"use_ema": True, "ema_momentum": averaging}
    optimizer = keras.optimizers.AdamW(
        learning_rate=keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            warmup_target=config.learning_rate,
            warmup_steps=warmup_steps,
            decay_steps=max(1, total_steps - warmup_steps),
            alpha=config.final_learning_rate,
        ),
        weight_decay=config.weight_decay,
        beta_2=config.beta_2,
        global_clipnorm=config.clip_norm,
        **averaged,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "embeddings"])
    return optimizer


def decay_over(share: float, total_steps: int) -> float:
    """The decay of a running average over about that share of the steps, 2 at least."""
    return 1.0 - 1.0 / max(2.0, share * total_steps)
