"""What is measured on a GPU is built and right; here on a processor."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import pytest

from benchmarks.gpu import rows

BACKEND = keras.backend.backend()
SHAPE = (3, 7, 5, 16)

if BACKEND == "tensorflow":
    pytest.skip("it measures torch and JAX", allow_module_level=True)
if BACKEND == "jax":
    pytest.importorskip("flax", reason="the extra [bench] is not installed")

KINDS = list(dict.fromkeys(row._replace(shape=SHAPE) for row in rows.rows(BACKEND)))


@pytest.fixture(autouse=True)
def _tf32() -> Iterator[None]:
    """torch's settings of products, which a row changes, put back."""
    if BACKEND != "torch":
        yield
        return
    import torch

    of = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [settings.allow_tf32 for settings in of]
    yield
    for settings, allowed in zip(of, before, strict=True):
        settings.allow_tf32 = allowed


@pytest.mark.parametrize("row", KINDS, ids=lambda row: "-".join(map(str, row[2:])))
def test_every_contender_runs_and_is_right(
    row: rows.Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    if BACKEND == "torch":
        from benchmarks.gpu import on_torch

        monkeypatch.setattr(on_torch, "DEVICE", "cpu")
        built = on_torch.build_in_torch(row)
    else:
        from benchmarks.gpu import on_jax

        built = on_jax.build_in_jax(row)
    built.run()
    assert not rows.wrong(row, rows.deviation(row, built))
    assert rows.wrong(row, float("nan"))
    assert bool(built.kernel) is (row.contender == "keras_gru")


def test_every_row_is_measured_once() -> None:
    every = list(rows.rows(BACKEND))
    assert len(set(every)) == len(every)
