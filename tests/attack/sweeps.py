"""Sweeps: torn state, full disks, hostile trials."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from pathlib import Path
from unittest import mock

import numpy as np
import psutil
import pytest

from keras_gru.tuning import settings
from keras_gru.tuning.errors import SweepError
from tests.attack import saved
from tests.attack.outcomes import REFUSED, REPAIRED, SAME, Different
from tests.tuning import models
from tests.tuning.scripted import Sweep


def torn_sweep(rng: np.random.Generator, folder: Path) -> str:
    """A state file of a sweep, damaged."""
    sweep = models.settings("hyperband", trials=8)
    settings.begin(folder / "sweep", sweep)
    book = models.ledger(folder / "sweep", sweep)
    whole = [record.values for record in models.finish(book)]
    names = ("*/trial.json", "space.json", "sweep.json")
    files = [path for name in names for path in (folder / "sweep").rglob(name)]
    saved.damage(rng, files[rng.integers(len(files))])
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            settings.go_on(folder / "sweep", sweep)
            again = models.ledger(folder / "sweep", sweep)
            redone = models.finish(again)
    except SweepError:
        return REFUSED
    if len(redone) > 1:
        raise Different(f"{len(redone)} trials were run again")
    if [record.values for record in again.trials] != whole:
        raise Different("other trials")
    return REPAIRED if errors.getvalue() or redone else SAME


def full_disk(rng: np.random.Generator, folder: Path) -> str:
    """A disk that is full at a random write of a sweep, and has room again later."""
    sweep = models.settings("random", trials=6)
    whole = [r.values for r in models.finish(models.ledger(folder / "whole", sweep))]
    left = int(rng.integers(1, 14))
    real = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    outcome = SAME
    with mock.patch("os.fsync", fsync):
        try:
            models.finish(models.ledger(folder / "sweep", sweep))
        except OSError as error:
            if error.errno != errno.ENOSPC or not error.filename:
                raise
            outcome = REPAIRED  # told with the file's name; then resumed
    again = models.ledger(folder / "sweep", sweep)
    models.finish(again)
    if [record.values for record in again.trials] != whole:
        raise Different("other trials")
    return outcome


def hostile_trials(rng: np.random.Generator, folder: Path) -> str:
    """Trials that kill themselves, leave processes, print, hang, tell nothing."""
    does = ["nothing", "kill", "segfault", "exit0", "exit3", "no result", "print"]
    does += ["children", "thread", "deaf", "children and hangs"]
    script = {
        f"{trial:04d}": [str(one) for one in rng.choice(does, 3)] for trial in range(3)
    }
    with pytest.MonkeyPatch.context() as patch:
        sweep = Sweep(folder, patch)
        reason = sweep.run(script, trials=3, workers=2, trial_timeout=0.5)
    left = [p for p in sweep.pids("children") + sweep.pids() if psutil.pid_exists(p)]
    if left:
        raise Different(f"processes {left} were left behind by {script}")
    if not reason and not all(record.order for record in sweep.trials):
        raise Different(f"a trial did not end: {script}")
    return REFUSED if reason else SAME
