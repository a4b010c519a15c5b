"""Tables of text: as Markdown, and in the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Grid:
    """A titled table; the first columns are text, all others numbers.

    Attributes:
        title: above it.
        head: names of the columns.
        texts: how many columns from the left are text.
        lines: the rows.
    """

    title: str
    head: list[str]
    texts: int
    lines: list[list[str]] = field(default_factory=list)

    def markdown(self) -> str:
        marks = ["---" if i < self.texts else "---:" for i in range(len(self.head))]
        rows = [self.head, marks, *self.lines]
        body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        return f"## {self.title}\n\n{body}\n"

    def show(self) -> None:
        """Prints it, as wide as it is."""
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(title=self.title, box=box.SIMPLE_HEAD, title_justify="left")
        for position, name in enumerate(self.head):
            if position < self.texts:
                table.add_column(name, justify="left", no_wrap=True)
            else:
                table.add_column(name, justify="right", no_wrap=True)
        for line in self.lines:
            table.add_row(*line)
        console = Console()
        if not console.is_terminal:
            wide = Console(width=1_000)
            console = Console(width=max(wide.measure(table).maximum, 80))
        console.print(table)
