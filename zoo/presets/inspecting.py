"""Draw the gates and the gradient flow of a trained model while it reads something."""

from __future__ import annotations

from pathlib import Path

from zoo import backend as backends
from zoo.errors import ZooError, one_line
from zoo.files import replacing
from zoo.presets.saved import open_saved
from zoo.programs import module


def inspect(
    program: str,
    source: str,
    given: str,
    layer: str | None,
    backend: str,
    out: Path | None = None,
) -> list[Path]:
    """Write ``LAYER-gates.png`` and ``LAYER-gradient_flow.png`` for each GRU.

    Args:
        program: its name.
        source: a run folder, or a preset.
        given: what the model reads: a text, or the path of a file.
        layer: the name of one GRU; None: each.
        backend: that Keras runs on.
        out: the folder; by default ``runs/inspect/PROGRAM``.

    Returns:
        What was written.

    Raises:
        ZooError: the model cannot read it, or has no such layer.
    """
    found = open_saved(source, program)
    backends.use(backend)
    from keras_gru import analysis
    from keras_gru.analysis.found import recurrent_layers

    trained = module(program, "use").PRETRAINED.from_saved(found)
    inputs = trained.model_inputs(given)
    folder = out or Path("runs/inspect") / program
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in [layer] if layer else recurrent_layers(trained.model):
        try:
            figures = {
                "gates": analysis.gates(trained.model, inputs, layer=name).plot(),
                "gradient_flow": analysis.gradient_flow(
                    trained.model, inputs, layer=name
                ).plot(),
            }
        except ValueError as error:
            raise ZooError(one_line(error)) from error
        for kind, figure in figures.items():
            path = folder / f"{name}-{kind}.png"
            with replacing(path) as partial:
                figure.savefig(partial, format="png", dpi=110, bbox_inches="tight")
            written.append(path)
    return written
