"""How a sweep is run, and when it is over."""

from __future__ import annotations

import time
from dataclasses import dataclass

from keras_gru.tuning import records
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.records import COMPLETED


@dataclass(frozen=True)
class Plan:
    """How a sweep is run; nothing here changes what its trials are.

    Attributes:
        workers: how many run at a time.
        budget: seconds for all of it; None: no limit.
        trial_timeout: seconds for a trial; None: no limit.
        failures: so many failed trials in a row end the sweep.
        environment: of the workers.
    """

    workers: int
    budget: float | None
    trial_timeout: float | None
    failures: int
    environment: dict[str, str]


class Over(Exception):
    """The sweep is over; the reason, or "" where it is simply done."""


def check_limits(ledger: Ledger, plan: Plan, begun: float, after: int) -> None:
    """Raise `Over` where too many trials failed in a row, or the time is over.

    Args:
        ledger: the trials.
        plan: its limits.
        begun: when the sweep did, on the monotonic clock.
        after: what ended up to this place in the order, before a resume, is forgiven.
    """
    row = records.failures_in_a_row(ledger.trials, after)
    if len(row) >= plan.failures:
        raise Over(
            f"{len(row)} trials in a row failed, the last one with: {row[-1].message}"
        )
    if plan.budget is not None and time.monotonic() - begun > plan.budget:
        if any(r.status == COMPLETED for r in ledger.trials):
            raise Over("")
        raise Over(f"no trial was completed within the budget of {plan.budget:g} s")


def nothing_completed(ledger: Ledger, after: int = 0) -> str:
    """Why a sweep that has come to its end has failed; "" where it has not."""
    if any(r.status == COMPLETED for r in ledger.trials):
        return ""
    row = records.failures_in_a_row(ledger.trials, after)
    said = f"; the last one failed with: {row[-1].message}" if row else ""
    return f"no trial was completed{said}"
