"""README's table of the kernels, from what each declares of itself.

`python -m tests.kernel_table` writes it anew; a test keeps it true.
"""

from __future__ import annotations

from pathlib import Path

from keras_gru import kernels

README = Path(__file__).parents[1] / "README.md"
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "torch"}
DEVICES = {None: "", ("cpu",): ", CPU", ("gpu",): ", GPU"}
HEAD = (
    "| kernel | | where | dtypes | activations | does not run |\n"
    "|---|---|---|---|---|---|\n"
)
COMPILERS = {"tensorflow": "XLA", "torch": "`torch.compile`"}
SWITCHES = {
    "reset_before": "the reset before the product",
    "without_bias": "`use_bias=False`",
    "resets": "`resets`",
    "recurrent_dropout": "`recurrent_dropout`",
    "dropout_by_gate": "`implementation=1` with dropout",
    "learned_resets": "`resets` to a learnt state",
    "zoneout": "`zoneout`",
    "layer_normalization": "`layer_normalization`",
    "unrolled": "`unroll`",
    "exported": "exports",
}


def render():
    """The whole table, as it stands in README."""
    return HEAD + "\n".join(map(_row, kernels.KERNELS)) + "\n"


def _row(kernel):
    able = kernel.ABILITIES
    backends = [BACKENDS[name] for name in able.backends]
    where = backends[0] if len(backends) == 1 else "all three"
    lacking = [text for name, text in SWITCHES.items() if not getattr(able, name)]
    uncompiled = [name for name in able.backends if name not in able.compiled]
    cells = (
        f"`{kernels.name_of(kernel)}`",
        kernel.__doc__.partition("\n")[0].rstrip("."),
        where + DEVICES[able.devices],
        _dtypes(able),
        _activations(able),
        ", ".join([*lacking, *(COMPILERS[b] for b in uncompiled if b in COMPILERS)]),
    )
    return f"| {' | '.join(cells)} |"


def _dtypes(able):
    text = "all" if able.dtypes is None else ", ".join(able.dtypes)
    if able.dtypes_on_cpu is not None:
        text += f"; on a CPU {', '.join(able.dtypes_on_cpu)}"
    return text


def _activations(able):
    if able.activations is None:
        return "all"
    if len(able.activations) > 1:
        return f"{len(able.activations)} of Keras"
    both = (*able.activations, *able.recurrent_activations)
    return ", ".join(function.__name__ for function in both)


def main():
    before, _, rest = README.read_text(encoding="utf-8").partition(HEAD)
    _, _, after = rest.partition("\n\n")
    README.write_text(f"{before}{render()}\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
