"""Export a translation model, and translate with it where there is no Keras.

    python examples/onnx_translate.py [SENTENCE]

The export is the command of the zoo; it needs Keras once. `translate` needs NumPy,
onnxruntime, tokenizers and what was exported: the encoder, which reads a sentence once;
the step of the decoder, called for each subword; and a JSON file with the subwords.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers

PRESET = "multi30k-en-de"
BOS, EOS = 1, 2


def translate(path: Path, sentence: str, longest: int = 60) -> str:
    """The most probable subword after the other: greedy search."""
    beside = json.loads(path.with_suffix(".json").read_text("utf-8"))
    subwords = tokenizers.Tokenizer.from_str(beside["subwords"])
    encoder, step = (
        onnxruntime.InferenceSession(path.with_suffix(f".{part}.onnx"))
        for part in ("encoder", "step")
    )
    source = [*subwords.encode(sentence, add_special_tokens=False).ids, EOS]
    names = [one.name for one in encoder.get_outputs()]
    read = encoder.run(names, {"source": np.array([source], "int32")})
    given = dict(zip(names, read, strict=True))
    # The step takes several hypotheses side by side. Here all are the same one.
    hypotheses = step.get_inputs()[0].shape[1]
    states = [name for name in names if name.startswith("state_")]
    for name in states:
        given[name] = np.repeat(given[name][:, None], hypotheses, axis=1)
    token, found = BOS, []
    while len(found) < longest:
        given["tokens"] = np.full((1, hypotheses), token, "int32")
        ids, *after = step.run(["ids", *(f"new_{name}" for name in states)], given)
        given.update(zip(states, after, strict=True))
        token = int(ids[0, 0, 0])
        if token == EOS:
            break
        found.append(token)
    return subwords.decode(found).strip()


if __name__ == "__main__":
    file = Path("runs/export") / f"{PRESET}.onnx"
    if not file.exists():
        root = Path(__file__).parents[1]
        command = ["-m", "zoo", "export", "translation", PRESET, "--format", "onnx"]
        command += ["--out", str(file.resolve())]
        subprocess.run([sys.executable, *command], cwd=root, check=True)
    given = sys.argv[1] if len(sys.argv) > 1 else "Two dogs are playing in the snow."
    print(translate(file, given))
    assert "keras" not in sys.modules
