"""The hypermodel on its way to the workers: ``state/hypermodel.pkl``.

Pickled by value where it stands in the user's script or notebook, so that these need no
``if __name__ == "__main__"``. Reading a pickle runs whatever code is in it. So it is
signed with a key of the user's own, and one that somebody else has written, or that
came from another machine, is read only where the user says that it is trusted.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import keras_tuner

from keras_gru.files import replacing
from keras_gru.tuning.errors import SweepError, one_line

FILE = "state/hypermodel.pkl"
SIGNATURE = "state/hypermodel.pkl.signature"


def save(folder: Path, hypermodel: Any, fit: Mapping[str, Any]) -> str:
    """Write the hypermodel and the arguments of its `fit`.

    Returns:
        The SHA-256 of the pickle, for `load` in the workers.
    """
    try:
        content = cloudpickle.dumps((hypermodel, dict(fit)))
    except Exception as error:  # whatever an object raises that cannot be pickled
        raise SweepError(
            f"hypermodel and fit cannot be sent to the workers: "
            f"{type(error).__name__}: {one_line(error)}; make in build() and fit() "
            f"what cannot be pickled"
        ) from error
    (folder / FILE).parent.mkdir(parents=True, exist_ok=True)
    for name, written in ((FILE, content), (SIGNATURE, _signature(content, new=True))):
        with replacing(folder / name) as partial:
            partial.write_bytes(written)
    return hashlib.sha256(content).hexdigest()


def load(
    folder: Path, *, digest: str = "", trust: bool = False
) -> tuple[Any, dict[str, Any]]:
    """Read the hypermodel, as a `keras_tuner.HyperModel`, and the arguments.

    Args:
        folder: of the sweep.
        digest: SHA-256 of the pickle where the caller knows it; else its signature
            must be this user's.
        trust: read it whoever has written it.
    """
    path = folder / FILE
    try:
        content = path.read_bytes()
        signature = (folder / SIGNATURE).read_bytes() if not (digest or trust) else b""
    except OSError as error:
        raise SweepError(f"{path} cannot be read: {error}") from error
    if digest:
        known = hashlib.sha256(content).hexdigest() == digest
    else:
        known = trust or hmac.compare_digest(_signature(content), signature)
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

    def build(self, hp: keras_tuner.HyperParameters) -> Any:
        return self.function(hp)


def _signature(content: bytes, *, new: bool = False) -> bytes:
    """Of the content, with the user's key; of nothing where there is no key."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    path = Path(home) / "keras_gru" / "sweep.key"
    try:
        if new and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(32))
        key = path.read_bytes()
    except FileExistsError:  # another sweep made it at the same moment
        key = path.read_bytes()
    except OSError:  # a home that cannot be written: nobody's signature
        return secrets.token_hex(32).encode()
    return hmac.new(key, content, "sha256").hexdigest().encode()
