"""`join`: a worker for a sweep on another machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.names import LOCAL
from keras_gru.tuning.sweep import host_and_port, require

if TYPE_CHECKING:
    import keras_tuner


def join(
    hypermodel: keras_tuner.HyperModel | Callable[..., Any],
    address: str,
    *,
    name: str,
    objective: str | keras_tuner.Objective,
    fit: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
) -> int:
    """Run trials of a sweep that another process leads, until there are none left.

    The sweep must have been given an `address` that this machine reaches. The protocol
    is keras-tuner's: gRPC, neither encrypted nor authenticated. Use it in a network
    that you trust, or through a tunnel: ``ssh -L 7000:localhost:7000 HOST``.

    Args:
        hypermodel: the same as the sweep's; another space is refused.
        address: HOST:PORT of the sweep.
        name: of this worker; no two may have the same.
        objective: of the sweep.
        fit: as given to `run`.
        folder: where trials leave their files; by default they are thrown away.

    Returns:
        How many trials it ran.

    Raises:
        SweepError: an argument is wrong, the space is another one, or the sweep is
            gone.
    """
    require()
    import keras_tuner

    from keras_gru.tuning.connection import Connection
    from keras_gru.tuning.payload import as_hypermodel
    from keras_gru.tuning.sweep import objective_of
    from keras_gru.tuning.worker import work

    host, port = host_and_port(address)
    if not port:
        raise SweepError(f"address={address!r}: expected HOST:PORT")
    if not name or name.startswith(LOCAL):
        raise SweepError(
            f"name={name!r}: expected a name of its own, not beginning with {LOCAL!r}"
        )
    connection = Connection(f"{host}:{port}", name)
    with tempfile.TemporaryDirectory() as temporary:
        return work(
            as_hypermodel(hypermodel),
            keras_tuner.Objective(*objective_of(objective)),
            connection,
            Path(folder or temporary),
            fit or {},
        )
