"""The figures of `Gates.plot` and `GradientFlow.plot`; needs matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_gru.arguments import one_of

STEP = "step t, in the order of processing"


def gradient_flow(flow: Any, row: int) -> Any:
    """Of a `GradientFlow`: cumulative norms, norms of the steps, a row's paths."""
    one_of("row", row, range(len(flow.used)))
    figure = _figure(flow.title, row, (8.0, 8.5))
    product, steps, paths = figure.subplots(3, 1, sharex=True)
    time = np.arange(1, flow.used.shape[1] + 1)
    # The least that a logarithm can show of what vanished entirely.
    norms = np.maximum(flow.cumulative_norms, 1e-300)
    for axes, values in ((product, norms), (steps, flow.step_norms)):
        if len(values) > 1:
            axes.plot(time, values.T, color="C0", alpha=0.2, linewidth=0.8)
        axes.plot(time, values[row], color="C0", label=f"row {row}")
        axes.axhline(1.0, color="grey", linewidth=0.8, linestyle="--")
    product.set_yscale("log")
    product.set_ylim(bottom=max(norms.min(), 1e-30) / 2)
    product.set_title("What of a gradient at the last step T reaches step t")
    product.set_ylabel("‖∂h_T / ∂h_t‖₂")
    steps.set_title("What one step lets pass at most")
    steps.set_ylabel("‖∂h_t / ∂h_{t−1}‖₂")
    for name, shares in flow.paths.items():
        paths.plot(time, shares[row], label=name)
    paths.set_title(f"The norm of a step by paths, row {row}")
    paths.set_ylabel("share, sums to the norm")
    paths.set_xlabel(STEP)
    for axes in (product, steps, paths):
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def gates(found: Any, row: int) -> Any:
    """Of `Gates`: heat maps of a row, units sorted by their memory; that of all."""
    one_of("row", row, range(len(found.used)))
    figure = _figure(found.title, row, (10.0, 9.0))
    panels = figure.subplots(3, 2)
    memory = found.memory
    order = np.argsort(memory)[::-1]
    one = "keeps" if "gate: keep" in found.title else "drops"
    for axes, (name, values, colours, low) in zip(
        panels.flat,
        (
            ("fraction kept of the old state", found.kept, "viridis", 0.0),
            (f"update gate z (1 {one} the old state)", found.z, "viridis", 0.0),
            ("reset gate r (0 hides the old state)", found.r, "viridis", 0.0),
            ("candidate n", found.candidate, "RdBu_r", -1.0),
            ("state h", found.state, "RdBu_r", -1.0),
        ),
        strict=False,
    ):
        shown = np.where(found.used[row, :, None], values[row], np.nan)[:, order]
        image = axes.imshow(
            shown.T,
            aspect="auto",
            interpolation="nearest",
            cmap=colours,
            vmin=low,
            vmax=1.0,
            extent=(0.5, len(shown) + 0.5, len(order) + 0.5, 0.5),
        )
        axes.set_title(name)
        axes.set_xlabel(STEP)
        axes.set_ylabel("unit, longest memory first")
        figure.colorbar(image, ax=axes)
    last = panels.flat[-1]
    last.plot(np.arange(1, len(order) + 1), np.minimum(memory[order], 1e6))
    last.set_yscale("log")
    last.set_title("Effective memory, −1 / mean(log kept)")
    last.set_xlabel("unit, longest memory first")
    last.set_ylabel("steps")
    return figure


def _figure(title: str, row: int, size: tuple[float, float]) -> Any:
    # Not pyplot: it would pick a window system where there may be none.
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{title}, row {row} of the batch")
    return figure
