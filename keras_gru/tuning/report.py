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
from keras_gru.tuning.space import Dimension
from keras_gru.tuning.tables import in_full, status

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem;
       padding: 0 1rem; color: #222; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; }
th, td { border-bottom: 1px solid #ddd; padding: 0.25rem 0.6rem; text-align: right;
         white-space: nowrap; }
th { background: #f4f4f4; } td.text { text-align: left; white-space: normal; }
tr.best { background: #e8f4e8; font-weight: 600; } tr.FAILED { color: #a33; }
code { background: #f4f4f4; padding: 0.1rem 0.3rem; }
"""


def write(
    path: Path,
    found: Sequence[Record],
    dimensions: Sequence[Dimension],
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
        dimensions: the hyperparameters.
        settings: of the sweep.
        pictures: title -> PNG; they are put into the file.
        over: no trial runs any more.
        reason: why it ended early.
    """
    top = best(found, settings.direction)
    title = f"Sweep of {settings.about.get('what', path.parent.name)}"
    parts = [
        f"<h1>{_(title)}</h1>",
        f"<p>{_(_summary(found, settings, over=over))}</p>",
        f"<p><strong>Ended early:</strong> {_(reason)}</p>" if reason else "",
        _best(top, settings, path.parent) if top else "",
    ]
    for name, picture in pictures.items():
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        parts.append(
            f'<h2>{_(name)}</h2><img alt="{_(name)}" '
            f'src="data:image/png;base64,{data}">'
        )
    parts.append("<h2>Trials</h2>" + _table(found, dimensions, settings, top, over))
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    write_text(
        path,
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_(title)}</title><style>{STYLE}</style></head>\n"
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


def _best(top: Record, settings: Settings, folder: Path) -> str:
    rows = "".join(
        f"<tr><th>{_(name)}</th><td>{_(_shown(value))}</td></tr>"
        for name, value in top.hyperparameters.items()
    )
    return (
        f"<h2>Best: trial {_(top.trial_id)}, {_(settings.objective)} "
        f"{_(_shown(top.metric))}</h2><table>{rows}</table>"
        f"<p>Train it in full: <code>{_(in_full(folder))}</code></p>"
    )


def _table(
    found: Sequence[Record],
    dimensions: Sequence[Dimension],
    settings: Settings,
    top: Record | None,
    over: bool,
) -> str:
    names = [dimension.name for dimension in dimensions]
    costs = ["epochs", "seconds", "parameters"]
    heads = ["trial", "status", settings.objective, *costs, *names, ""]
    head = "".join(f"<th>{_(name)}</th>" for name in heads)
    rows = []
    for record in sorted(found, key=lambda record: record.number):
        kind = "best" if record is top else record.status
        cells = [
            record.trial_id,
            status(record, over=over),
            record.metric,
            record.epochs,
            record.seconds,
            record.metrics.get("parameters"),
            *(record.values.get(name) for name in names),
        ]
        columns = "".join(f"<td>{_(_shown(cell))}</td>" for cell in cells)
        message = f'<td class="text">{_(record.message)}</td>'
        rows.append(f'<tr class="{kind}">{columns}{message}</tr>')
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.6g}"
    return f"{value:.0f}" if isinstance(value, float) else str(value)


def _(text: object) -> str:
    return html.escape(str(text))
