"""Go on from a preset with a text of your own, in Keras' own words.

    python examples/fine_tune.py [FILE]

Without a file the text is this project's licence. The command line does the same, with
validation, checkpoints and a run folder:

    python -m zoo train language_model --from-preset shakespeare-char-small --text FILE
"""

import sys
from pathlib import Path

import keras
import numpy as np

from zoo.language_model.data import Source
from zoo.language_model.use import LanguageModel

LENGTH = 128

writer = LanguageModel.from_preset("shakespeare-char-small")
file = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "LICENSE")

# A preset has the characters of its own text; others are left out.
known = set(writer.tokens.characters)
text = "".join(one for one in file.read_text(encoding="utf-8") if one in known)
mine = Path("fine_tune.txt")
mine.write_text(text, encoding="utf-8")

own = Source(text=str(mine))  # its last tenth validates
before = writer.evaluate(on=own)["nats"]

ids = writer.tokens.encode(own.load().train)
rows = (len(ids) - 1) // LENGTH
inputs = ids[: rows * LENGTH].reshape(rows, LENGTH)
targets = ids[1 : rows * LENGTH + 1].reshape(rows, LENGTH)
writer.model.compile(
    keras.optimizers.Adam(1e-3),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
writer.model.fit(inputs, targets, batch_size=8, epochs=5, verbose=0)

after = writer.evaluate(on=own)["nats"]
print(f"nats per character: {before:.4f} before, {after:.4f} after")
print(writer.predict(text[:20], length=80, temperature=0.5))
assert np.isfinite(after)
assert after < before
mine.unlink()
