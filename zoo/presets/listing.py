"""The tables of ``python -m zoo list``. They import no Keras."""

from __future__ import annotations

from rich.table import Table

from zoo import presets as stored
from zoo.errors import ZooError
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
    """Presets with their figure, parameters and licence; nothing is checked."""
    table = Table("preset", "program", "figure", "on", "parameters", "MB", "licence")
    for name in stored.names():
        folder = stored.FOLDER / name
        about = stored.read_json(folder / stored.CONFIG)
        size = sum(path.stat().st_size for path in folder.iterdir())
        try:
            figures, headline = about["figures"], about["headline"]
            table.add_row(
                name,
                about["program"],
                f"{headline} {figures[headline]:.4f}",
                f"{figures['dataset']}, {figures['split']}",
                f"{about['parameters']:,}",
                f"{size / 1e6:.1f}",
                about["licence"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ZooError(
                f"{folder / stored.CONFIG} is damaged: {type(error).__name__}: {error}"
            ) from error
    return table
