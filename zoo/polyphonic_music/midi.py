"""A piano roll as a standard MIDI file."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from zoo.files import replacing
from zoo.polyphonic_music.config import LOWEST

TICKS = 480  # of a step
LOUDNESS = 80  # of 127
ON, OFF = 0x90, 0x80  # on the first channel


def write(roll: np.ndarray, seconds: float, path: Path) -> None:
    """Write a piano roll (time, 88) as a MIDI file, `seconds` a step, a piano.

    A key that sounds in steps next to each other is held: a piano roll does not tell
    whether it was struck again.
    """
    content = encoded(roll, seconds)
    with replacing(path) as partial:
        partial.write_bytes(content)


def encoded(roll: np.ndarray, seconds: float) -> bytes:
    """The bytes of the file: format 0, one track.

    .. code-block:: text

        MThd  6 bytes: format 0, 1 track, TICKS a quarter note, which is a step
        MTrk  tempo in microseconds a quarter note, then keys down and up, each behind
              the ticks since the event before

    Source: Standard MIDI Files 1.0, The MIDI Association (RP-001).
    """
    tempo = round(seconds * 1e6).to_bytes(3, "big")
    track = b"\x00\xff\x51\x03" + tempo
    silent = np.zeros_like(roll[:1])
    change = np.diff(
        np.concatenate([silent, roll, silent]).astype(np.int8), axis=0
    )  # (time + 1, 88)
    waited = 0
    for step in change:
        for status, sign in ((OFF, -1), (ON, 1)):  # up before down
            for key in np.flatnonzero(step == sign):
                event = bytes([status, LOWEST + int(key), LOUDNESS])
                track += _quantity(waited) + event
                waited = 0
        waited += TICKS
    track += _quantity(max(waited - TICKS, 0)) + b"\xff\x2f\x00"
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + track


def _quantity(value: int) -> bytes:
    """A number of variable length: seven bits a byte, the last byte below 128."""
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(0x80 | value & 0x7F)
    return bytes(reversed(found))
