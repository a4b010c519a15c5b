"""All kinds of attack by name; the order is part of what a seed means."""

from __future__ import annotations

from tests.attack import archives, inputs, kernel, saved, sweeps, tables
from tests.attack.outcomes import Case

KINDS: dict[str, Case] = {
    "native": kernel.native,
    "threads": kernel.threads,
    "forks": kernel.forks,
    "damaged_run": saved.damaged_run,
    "damaged_preset": saved.damaged_preset,
    "senseless_preset": saved.senseless_preset,
    "hostile_weights": saved.hostile_weights,
    "prompts": inputs.prompts,
    "recordings": inputs.recordings,
    "torn_sweep": sweeps.torn_sweep,
    "full_disk": sweeps.full_disk,
    "two_writers": saved.two_writers,
    "hostile_trials": sweeps.hostile_trials,
    "sounds": inputs.sounds,
    "sentences": inputs.sentences,
    "names": inputs.names,
    "memory": kernel.memory,
    "recordings_archive": archives.recordings_archive,
    "checkpoints": archives.checkpoints,
    "hostile_models": archives.hostile_models,
    "tables": tables.tables,
    "rolls": archives.rolls,
}
