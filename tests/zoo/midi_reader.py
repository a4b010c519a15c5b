"""Reads the MIDI files that the zoo writes, by the standard; imports nothing of it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np


def read_midi(path: Path) -> tuple[np.ndarray, float]:
    """The piano roll (time, 88), a step being a quarter note, and seconds of a step."""
    content = path.read_bytes()
    kind, size, form, tracks, division = struct.unpack(">4sIHHH", content[:14])
    assert (kind, size, form, tracks) == (b"MThd", 6, 0, 1)
    kind, size = struct.unpack(">4sI", content[14:22])
    assert kind == b"MTrk"
    track = content[22:]
    assert len(track) == size
    at, ticks, seconds, down = 0, 0, 0.5, {}
    held: list[tuple[int, int, int]] = []  # key, first tick, tick behind the last
    while True:
        delta = 0
        while True:
            byte, at = track[at], at + 1
            delta = delta << 7 | byte & 127
            if byte < 128:
                break
        ticks += delta
        if track[at] == 0xFF:
            kind, size = track[at + 1], track[at + 2]
            value, at = track[at + 3 : at + 3 + size], at + 3 + size
            if kind == 0x51:
                seconds = int.from_bytes(value, "big") / 1e6
            if kind == 0x2F:
                break
            continue
        status, number, loudness = track[at : at + 3]
        at += 3
        assert loudness > 0
        if status == 0x90:
            assert number not in down
            down[number] = ticks
        else:
            assert status == 0x80
            held.append((number - 21, down.pop(number), ticks))
    assert at == len(track)
    assert not down
    last = max((end for _, _, end in held), default=0)
    roll = np.zeros((last // division, 88), np.uint8)
    for key, begin, end in held:
        assert begin % division == end % division == 0
        roll[begin // division : end // division, key] = 1
    return roll, seconds
