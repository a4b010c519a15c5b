"""``report.html``: one file with everything in it, that needs no network."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_gru.files import write_text
from keras_gru.tuning.records import COMPLETED, FAILED, Record, best
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.table import COLUMNS, in_full, row

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem;
       padding: 0 1rem; color: #222; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; }
th, td { border-bottom: 1px solid #ddd; padding: 0.25rem 0.6rem; text-align: right;
         white-space: nowrap; }
th { background: #f4f4f4; } td:last-child { text-align: left; white-space: normal; }
tr.best { background: #e8f4e8; font-weight: 600; } tr.FAILED { color: #a33; }
code { background: #f4f4f4; padding: 0.1rem 0.3rem; }
"""


def write(
    path: Path,
    found: Sequence[Record],
    names: Sequence[str],
    settings: Settings,
    pictures: Mapping[str, Path],
    *,
    over: bool,
    reason: str = "",
) -> None:
    """Write the report.

    Args:
        path: of the report.
        found: the trials.
        names: of the hyperparameters.
        settings: of the sweep.
        pictures: title -> PNG; they are put into the file.
        over: no trial runs any more.
        reason: why it ended early.
    """
    top = best(found, settings.direction)
    title = _(f"Sweep of {settings.about.get('what', path.parent.name)}")
    parts = [f"<h1>{title}</h1>", f"<p>{_(_summary(found, settings, over=over))}</p>"]
    if reason:
        parts.append(f"<p><strong>Ended early:</strong> {_(reason)}</p>")
    if top is not None:
        parts += [
            f"<h2>Best: trial {top.trial_id}, {_(settings.objective)} {_(top.metric)}",
            "</h2>" + _table([[*both] for both in top.hyperparameters.items()]),
            f"<p>Train it in full: <code>{_(in_full(path.parent))}</code></p>",
        ]
    for name, picture in pictures.items():
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        image = f'<img alt="{_(name)}" src="data:image/png;base64,{data}">'
        parts.append(f"<h2>{_(name)}</h2>{image}")
    rows = [[*row(r, names, over=over), r.message] for r in found]
    kinds = ["best" if record is top else record.status for record in found]
    heads = [*COLUMNS, *names, "message"]
    heads[2] = settings.objective
    parts.append(f"<h2>Trials</h2>{_table(rows, heads, kinds)}")
    write_text(
        path,
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n",
    )


def _summary(found: Sequence[Record], settings: Settings, *, over: bool) -> str:
    done = sum(record.status == COMPLETED for record in found)
    failed = sum(record.status == FAILED for record in found)
    rest = len(found) - done - failed
    aim = "maximised" if settings.direction == "max" else "minimised"
    words = [
        f"{settings.objective} is {aim} by {settings.tuner}, seed {settings.seed}",
        f"{done} of {settings.trials} trials completed, {failed} failed",
    ]
    if rest:
        words.append(f"{rest} {'interrupted' if over else 'running'}")
    about = {n: v for n, v in settings.about.items() if n != "what" and v is not None}
    words += [f"{name} {value}" for name, value in about.items()]
    return "; ".join(words) + "."


def _table(
    rows: Sequence[Sequence[Any]],
    heads: Sequence[str] = (),
    kinds: Sequence[str] = (),
) -> str:
    """A table; `kinds` are the classes of its rows."""
    lines = [
        f'<tr class="{kind}">' + "".join(f"<td>{_(cell)}</td>" for cell in cells)
        for cells, kind in zip(rows, kinds or [""] * len(rows), strict=True)
    ]
    head = "".join(f"<th>{_(name)}</th>" for name in heads)
    return f'<div class="wide"><table><tr>{head}{"".join(lines)}</table></div>'


def _(value: object) -> str:
    """For a reader: numbers with six digits, HTML's own characters quoted."""
    return html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))
