"""Export a language model, and write text with it where there is no Keras.

    python examples/onnx_generate.py [PROMPT]

The export is the command of the zoo; it needs Keras once. `generate` needs onnxruntime,
NumPy, the file and its vocabulary, the JSON file beside it.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

PRESET = "shakespeare-char-small"
TEMPERATURE = 0.7


def generate(path: Path, prompt: str, length: int, seed: int = 0) -> str:
    """Goes on with a text, one character a call."""
    vocabulary = json.loads(path.with_suffix(".json").read_text("utf-8"))["vocabulary"]
    session = onnxruntime.InferenceSession(path)
    states = {
        one.name: np.zeros((1, one.shape[1]), "float32")
        for one in session.get_inputs()
        if one.name.endswith(".state")
    }
    names = [name.replace(".state", ".new_state") for name in states]
    random = np.random.default_rng(seed)
    ids, text = [vocabulary.index(one) for one in prompt], prompt
    for _ in range(length):
        given = {"characters": np.array([ids], "int32"), **states}
        logits, *after = session.run(["logits", *names], given)
        states = dict(zip(states, after, strict=True))
        scores = logits[0, -1] / TEMPERATURE
        chances = np.exp(scores - scores.max())
        ids = [int(random.choice(len(chances), p=chances / chances.sum()))]
        text += vocabulary[ids[0]]
    return text


if __name__ == "__main__":
    file = Path("runs/export") / f"{PRESET}.onnx"
    if not file.exists():
        root = Path(__file__).parents[1]
        command = ["-m", "zoo", "export", "language_model", PRESET, "--format", "onnx"]
        command += ["--out", str(file.resolve())]
        subprocess.run([sys.executable, *command], cwd=root, check=True)
    written = generate(file, sys.argv[1] if len(sys.argv) > 1 else "ROMEO:\n", 300)
    print(written)
    assert "keras" not in sys.modules
