"""The tables of ``python -m zoo list``. They import no Keras."""

from __future__ import annotations

from rich.table import Table

from zoo import presets as stored
from zoo.programs import PROGRAMS


def programs() -> Table:
    """Programs with their sizes and datasets."""
    table = Table("program", "size", "parameters", "dataset", "", show_lines=True)
    for name, about in sorted(PROGRAMS.items()):
        table.add_row(
            f"{name}\n[dim]{about.summary}[/dim]",
            "\n".join(about.parameters),
            "\n".join(f"{count:,}" for count in about.parameters.values()),
            "\n".join(about.datasets),
            "\n".join(about.datasets.values()),
        )
    return table


def presets() -> Table:
    """Presets with their figure, parameters and licence."""
    table = Table("preset", "program", "figure", "on", "parameters", "MB", "licence")
    for name in stored.names():
        about = stored.about(name)
        metric, value = about.metric
        table.add_row(
            name,
            about.program,
            f"{metric} {value:.4f}",
            about.split,
            f"{about.parameters:,}",
            f"{about.megabytes:.1f}",
            about.licence,
        )
    return table
