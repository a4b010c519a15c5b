"""Make a preset from a finished run, measured again with the weights as stored."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo import backend as backends
from zoo import presets
from zoo.errors import ZooError
from zoo.files import making, read_hashed, write_text
from zoo.presets import CARD, HASHES, WEIGHTS, without_folders
from zoo.presets.saved import open_saved
from zoo.programs import PROGRAMS, module
from zoo.training.runs import RunFolder


def make(
    run: Path,
    name: str,
    backend: str,
    *,
    into: Path | None = None,
    note: str = "",
) -> Path:
    """Write a preset's folder, whole or not at all.

    The weights are stored in float16. They are rounded before the figures are
    measured, and come back as float32.

    Args:
        run: the folder of a finished training.
        name: the preset's.
        backend: that the figures are measured on.
        into: where the preset's folder goes; by default, among the checkout's.
        note: a paragraph for the card.
    """
    saved = open_saved(run)
    result, starts = _result(run)
    target = (into or presets.FOLDER) / name
    if not name or Path(name).name != name or name.startswith("."):
        raise ZooError(f"preset name {name!r}; expected the plain name of a folder")
    if target.exists():
        raise ZooError(f"{target} exists; choose another name, or remove it first")
    backends.use(backend)
    pretrained = module(saved.program, "use").PRETRAINED
    with making(target) as draft:
        one = pretrained.from_saved(saved)
        one.save_to_preset(draft)
        # Measured with the weights as stored; the run knows where the data lie.
        figures = pretrained.from_saved(
            replace(saved, weights=draft / WEIGHTS)
        ).evaluate()
        facts = {
            "headline": PROGRAMS[saved.program].headline,
            "figures": without_folders(figures),
        }
        one.seal(draft, facts)
        content = {**one.described(), **facts}
        write_text(draft / CARD, card(name, draft, content, result, starts, note))
    return target


def card(
    name: str,
    folder: Path,
    content: dict[str, Any],
    result: dict[str, Any],
    starts: list[dict[str, str]],
    note: str,
) -> str:
    """The card of a preset, in Markdown."""
    settings, figures = content["settings"], content["figures"]
    versions, _, commit = starts[-1]["code"].rpartition(", commit ")
    measured = {
        key: value
        for key, value in figures.items()
        if isinstance(value, float) and key != "seconds"
    }
    rows = {
        "program": content["program"],
        "size": settings["size"],
        "variant": content["config"]["variant"],
        "parameters": f"{result['parameters']:,}",
        "data": f"{content['data']['name']}, sha256 `{content['data']['sha256']}`",
        "licence of the data": content["licence"],
        "measured on": f"{figures['dataset']}, {figures['split']}",
        **{key: f"{value:.4f}" for key, value in measured.items()},
        "command": f"`{_without_out(starts[0]['command'])}`",
        "seed": settings["seed"],
        "steps": f"{result['steps']:,}, the best at {result['best_step']:,}",
        "training": f"{result['seconds']:.0f} s",
        "machine": starts[-1]["machine"],
        "software": versions,
        "commit": commit,
        "weights": f"stored in {content['storage']}, used in float32",
    }
    lines = [f"# {name}", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in rows.items()]
    lines += ["", *([note, ""] if note else []), "| file | sha256 |", "|---|---|"]
    hashes = json.loads((folder / HASHES).read_text(encoding="utf-8"))
    lines += [f"| `{file}` | `{sha256}` |" for file, sha256 in hashes.items()]
    use = f"python -m zoo evaluate {content['program']} {name}"
    lines += ["", f"Measure it: `{use}`; from Python: `zoo.load({name!r})`.", ""]
    return "\n".join(lines)


def _without_out(command: str) -> str:
    """A command less ``--out FOLDER``, which has no effect on the result."""
    words = shlex.split(command)
    if "--out" in words:
        place = words.index("--out")
        del words[place : place + 2]
    return shlex.join(word for word in words if not word.startswith("--out="))


def _result(run: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The result of a finished run, and the starts that led to it."""
    folder = RunFolder(run)
    if not folder.result.is_file():
        raise ZooError(
            f"{run} is not finished: it has no {folder.result.name}; "
            f"go on with --resume"
        )
    return (
        read_hashed(folder.result),
        folder.read_starts(),
    )
