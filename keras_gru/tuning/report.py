"""What a sweep leaves to read: ``trials.csv``, ``best.json``, ``report.html``."""

from __future__ import annotations

import base64
import csv
import html
import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keras_gru.files import write_json, write_text
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.records import RUNNING, Record

COLUMNS = ("trial_id", "status", "metric", "epochs", "seconds", "seed", "parameters")
INTERRUPTED = "INTERRUPTED"  # what a running trial is called when the sweep has ended

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


def write_csv(ledger: Ledger, *, over: bool) -> None:
    """Write one row a trial, failed and unfinished ones too; `over`: none runs now."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *ledger.names])
    writer.writerows(_row(record, ledger.names, over=over) for record in ledger.trials)
    write_text(ledger.folder / "trials.csv", text.getvalue())


def write_best(ledger: Ledger, best: Record, model: str | None) -> None:
    """Write what is needed to have the best trial again."""
    content = {
        "trial_id": best.trial_id,
        "objective": ledger.settings.objective,
        "direction": ledger.settings.direction,
        **asdict(best),
        "seed": best.seed,
        "values": best.hyperparameters,
        "model": model,
        "command": in_full(ledger.folder),
    }
    write_json(ledger.folder / "best.json", content)


def write_html(
    ledger: Ledger, pictures: Mapping[str, Path], over: bool, reason: str = ""
) -> None:
    """Write the report: one file with everything in it, that needs no network."""
    settings, best = ledger.settings, ledger.best
    title = _(f"Sweep of {settings.about.get('what', ledger.folder.name)}")
    parts = [f"<h1>{title}</h1><p>{_(_summary(ledger))}</p>"]
    if reason:
        parts.append(f"<p><strong>Ended early:</strong> {_(reason)}</p>")
    parts.append(f"<p>The best in full: <code>{_(in_full(ledger.folder))}</code></p>")
    for name, picture in pictures.items():
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        image = f'<img alt="{_(name)}" src="data:image/png;base64,{data}">'
        parts.append(f"<h2>{_(name)}</h2>{image}")
    heads = "".join(f"<th>{_(name)}</th>" for name in (*COLUMNS, *ledger.names, ""))
    rows = []
    for record in ledger.trials:
        kind = "best" if record is best else record.status
        cells = [*_row(record, ledger.names, over=over), record.message]
        row = "".join(f"<td>{_(cell)}</td>" for cell in cells)
        rows.append(f'<tr class="{kind}">{row}</tr>')
    table = f"<table><tr>{heads}</tr>{''.join(rows)}</table>"
    parts.append(f'<h2>Trials</h2><div class="wide">{table}</div>')
    write_text(
        ledger.folder / "report.html",
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n",
    )


def in_full(folder: Path) -> str:
    """The command that trains the best model again, for as long as one likes."""
    command = f"python -m keras_gru.tuning.again {shlex.quote(str(folder))}"
    return f"{command} --epochs EPOCHS --out FOLDER"


def _row(record: Record, names: Sequence[str], *, over: bool) -> list[Any]:
    """What a trial has in each of `COLUMNS`, and the values of the hyperparameters."""
    parameters = record.metrics.get("parameters")
    found = [
        record.trial_id,
        INTERRUPTED if over and record.status == RUNNING else record.status,
        *(record.metric, record.epochs, record.seconds, record.seed),
        None if parameters is None else int(parameters),
        *(record.values.get(name) for name in names),
    ]
    return ["" if cell is None else cell for cell in found]


def _summary(ledger: Ledger) -> str:
    settings = ledger.settings
    how = f"{settings.objective} ({settings.direction}) by {settings.tuner}"
    about = {n: v for n, v in settings.about.items() if n != "what" and v is not None}
    words = [f"{how}, seed {settings.seed}", f"{settings.trials} trials"]
    words += [ledger.standing(), *(f"{name} {value}" for name, value in about.items())]
    return "; ".join(words)


def _(value: object) -> str:
    """For a reader: numbers with six digits, HTML's own characters quoted."""
    return html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))
