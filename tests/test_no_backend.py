"""Where no backend is installed, `import keras_gru` fails as `import keras` does."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = "import sys; sys.modules.update(tensorflow=None, jax=None, torch=None)"


def _import(package: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{WITHOUT}; import {package}"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_error_is_that_of_keras():
    keras, ours = _import("keras"), _import("keras_gru")
    assert keras.returncode == ours.returncode == 1
    # All but the line that imports: each call inside Keras, and the error.
    inside_keras = keras.stderr.partition('File "<string>", line 1, in <module>\n')[2]
    assert "ModuleNotFoundError" in inside_keras
    assert ours.stderr.endswith(inside_keras)
    assert ours.stdout == ""
