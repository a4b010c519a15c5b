"""The hypermodel on its way to the workers: ``state/hypermodel.pkl``.

Pickled by value where it stands in the user's script or notebook, so that these need no
``if __name__ == "__main__"``. Reading a pickle runs the code in it: it is signed with a
key of the user's own, and one that is not is read only where the user trusts it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import cloudpickle
import keras_tuner
from keras_tuner import HyperParameters

from keras_gru.files import replacing
from keras_gru.tuning.errors import SweepError, one_line

FILE = "state/hypermodel.pkl"
SIGNATURE = "state/hypermodel.pkl.signature"


def save(folder: Path, hypermodel: Any, fit: Mapping[str, Any]) -> str:
    """Write the hypermodel and the arguments of its `fit`; give its SHA-256."""
    try:
        content = cloudpickle.dumps((hypermodel, dict(fit)))
    except Exception as error:  # whatever an object raises that cannot be pickled
        raise SweepError(
            f"hypermodel and fit cannot be sent to the workers: "
            f"{type(error).__name__}: {one_line(error)}; make in build() and fit() "
            f"what cannot be pickled"
        ) from error
    (folder / FILE).parent.mkdir(parents=True, exist_ok=True)
    for name, written in ((FILE, content), (SIGNATURE, _signature(content))):
        with replacing(folder / name) as partial:
            partial.write_bytes(written)
    return hashlib.sha256(content).hexdigest()


def load(
    folder: Path, *, digest: str = "", trust: bool = False
) -> tuple[Any, dict[str, Any]]:
    """Read the hypermodel, as a `keras_tuner.HyperModel`, and the arguments.

    Its signature must be this user's, unless the caller knows its digest or trusts it.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
        known = trust or hashlib.sha256(content).hexdigest() == digest
        if not known and not digest:
            signature = (folder / SIGNATURE).read_bytes()
            known = hmac.compare_digest(_signature(content), signature)
    except OSError as error:
        raise SweepError(f"{path} cannot be read: {error}") from error
    if not known:
        raise SweepError(
            f"{path} was not written by you on this machine, and reading it runs the "
            f"code in it: pass --trust (trust=True) if you trust where it comes from"
        )
    try:
        hypermodel, fit = cloudpickle.loads(content)
        if not hasattr(hypermodel, "build"):
            hypermodel = _FromFunction(hypermodel)
        return hypermodel, fit
    except Exception as error:
        raise SweepError(
            f"{path} cannot be read: {type(error).__name__}: {one_line(error)}"
        ) from error


class _FromFunction(keras_tuner.HyperModel):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def build(self, hp: HyperParameters) -> Any:
        return self.function(hp)


def _signature(content: bytes) -> bytes:
    """Of the content, with the user's key."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    path = Path(home) / "keras_gru" / "sweep.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), open(path, "xb", opener=_private) as file:
            file.write(secrets.token_bytes(32))
        key = path.read_bytes()
    except OSError:  # a home that cannot be written: nobody's signature
        key = secrets.token_bytes(32)
    return hmac.new(key, content, "sha256").hexdigest().encode()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
