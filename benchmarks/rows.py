"""What is measured: the list of rows, and how much arithmetic each one is.

A row is one shape in one convention, masked or not, in one mode, on a number of
threads. Rows that differ in the convention only are a `Group`: they are measured
side by side, in the same repeats, so that they can be compared with each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from typing import Any, NamedTuple

CONVENTIONS = {
    "keep_after": {"update_gate": "keep", "reset_after": True},
    "keep_before": {"update_gate": "keep", "reset_after": False},
    "replace_after": {"update_gate": "replace", "reset_after": True},
    "replace_before": {"update_gate": "replace", "reset_after": False},
}

MODES = ("inference", "training", "generation")
"""Forward; forward and backward; one step of a stateful layer."""


class Shape(NamedTuple):
    """The sizes of a row."""

    batch: int
    timesteps: int
    features: int
    units: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


SHAPES = (
    Shape(64, 100, 128, 256),
    Shape(32, 100, 512, 512),
    Shape(1, 200, 128, 256),
    Shape(128, 50, 64, 64),
    Shape(16, 1000, 64, 128),
    Shape(256, 20, 32, 32),
)
GENERATION = Shape(1, 1, 128, 256)
LENGTHS = (100, 1_000, 10_000, 100_000)
"""Time steps at which growth is measured."""

QUICK_SHAPES = (Shape(4, 6, 3, 8), Shape(1, 5, 4, 6))
QUICK_GENERATION = Shape(1, 1, 4, 6)
QUICK_LENGTHS = (10, 40)


@dataclass(frozen=True)
class Group:
    """Rows that are measured side by side.

    Attributes:
        shape: their sizes.
        masked: whether the sequences are right-padded, lengths uniform in 1..time.
        mode: one of `MODES`.
        threads: how many processor cores every contender has.
        conventions: names out of `CONVENTIONS`.
    """

    shape: Shape
    masked: bool
    mode: str
    threads: int
    conventions: tuple[str, ...]

    def __str__(self) -> str:
        masked = "masked" if self.masked else "unmasked"
        return f"{self.shape}/{masked}/{self.mode}/{self.threads}"

    def row_ids(self) -> list[str]:
        """`shape/convention/masked/mode/threads` of each row: what --rows matches."""
        shape, rest = str(self).split("/", 1)
        return [f"{shape}/{convention}/{rest}" for convention in self.conventions]

    def flops(self, used_steps: int) -> float:
        """Arithmetic of one call, products only: 2·steps·(D+H)·3H, thrice to train.

        Args:
            used_steps: batch · time, less what is masked: a padded step counts for
                nothing, whether or not a contender computes it.
        """
        forward = 2.0 * used_steps * (self.shape.features + self.shape.units)
        forward *= 3 * self.shape.units
        return 3 * forward if self.mode == "training" else forward

    def expected_seconds(self) -> float:
        """A guess that shares the time budget out; only its proportions matter.

        Compilation, and then some twenty contenders at 40 GFLOP/s, the half of
        them with 50 µs of overhead a time step, five times.
        """
        training = self.mode == "training"
        one = self.flops(self.shape.batch * self.shape.timesteps) / 40e9
        overhead = 25e-6 * self.shape.timesteps * (3 if training else 1)
        contenders = 4 + 4 * len(self.conventions)
        repeat = contenders * (one / self.threads + overhead)
        return (12.0 if training else 6.0) + 5 * repeat

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Group:
        return cls(
            **fields
            | {
                "shape": Shape(*fields["shape"]),
                "conventions": tuple(fields["conventions"]),
            }
        )


def groups(threads: Sequence[int] = (2, 1), quick: bool = False) -> list[Group]:
    """Every group of a run, in the order in which they are measured.

    The first number of threads has all conventions and the generation step; the
    others have keep-after only.
    """
    return [
        group
        for position, count in enumerate(threads)
        for group in _groups_on(count, position == 0, quick)
    ]


def _groups_on(threads: int, complete: bool, quick: bool) -> Iterator[Group]:
    conventions = tuple(CONVENTIONS) if complete else ("keep_after",)
    for shape in QUICK_SHAPES if quick else SHAPES:
        for masked in (False, True):
            for mode in ("inference", "training"):
                yield Group(shape, masked, mode, threads, conventions)
    if complete:
        shape = QUICK_GENERATION if quick else GENERATION
        yield Group(shape, False, "generation", threads, conventions)


def matches(row_id: str, patterns: Sequence[str]) -> bool:
    """Whether a row is asked for; no pattern asks for all.

    A pattern without wildcards may stand anywhere in the id.
    """
    return not patterns or any(
        fnmatch(row_id, p if set(p) & set("*?[") else f"*{p}*") for p in patterns
    )


def select(all_groups: Iterable[Group], patterns: Sequence[str]) -> list[Group]:
    """The groups, each with those of its rows that the patterns ask for."""
    chosen = []
    for group in all_groups:
        conventions = tuple(
            convention
            for convention, row_id in zip(
                group.conventions, group.row_ids(), strict=True
            )
            if matches(row_id, patterns)
        )
        if conventions:
            chosen.append(replace(group, conventions=conventions))
    return chosen


def keep_form(convention: str) -> str:
    """The convention with the same reset placement that the peers have."""
    return "keep_" + convention.partition("_")[2]


def keep_forms(conventions: Iterable[str]) -> tuple[str, ...]:
    """The conventions that a peer runs to be compared with these."""
    return tuple(dict.fromkeys(map(keep_form, conventions)))
