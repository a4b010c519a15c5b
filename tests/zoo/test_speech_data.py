"""Recordings, the archive, strings, augmentation, batches."""

from __future__ import annotations

import io
import os
import shutil
import wave
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.zoo.tiny_speech import TASKS
from zoo.datasets import cache_folder
from zoo.errors import ZooError
from zoo.speech import augment, batches, data, fsdd, synthetic
from zoo.speech.config import SAMPLE_RATE, SIZES, Config
from zoo.speech.data import Split
from zoo.speech.recordings import Recording, digest

pytestmark = pytest.mark.once

# Read before a fixture hides it from the tests.
DATA = os.environ.get("KERAS_GRU_DATA")

TINY = {task: replace(SIZES["tiny"], task=task) for task in TASKS}


@pytest.fixture(scope="module")
def few() -> list[Recording]:
    """The synthetic dataset with fewer takes: 480 recordings, 60 of them train."""
    return synthetic.recordings(takes=8)


# The synthetic digits.


def test_synthetic_digits_are_the_same_each_time_and_differ(few) -> None:
    again = synthetic.recordings(takes=1)
    assert len(few) == 10 * 6 * 8
    takes = {(one.digit, one.speaker, one.take): one.samples for one in few}
    for one in again:
        found = takes[one.digit, one.speaker, one.take]
        np.testing.assert_array_equal(found, one.samples)
        assert np.abs(found).max() <= 1.0
        assert found.dtype == np.float32
        assert 0.1 < len(found) / SAMPLE_RATE < 1.5
    assert len({samples.tobytes() for samples in takes.values()}) == len(few)


def test_a_voice_is_periodic_in_its_pitch() -> None:
    """The vowel of "two" by the bass repeats itself after 1/85 s or so."""
    bass = next(voice for voice in synthetic.VOICES if voice.name == "bass")
    samples = synthetic.speak(2, bass, [1, 2, 3])
    middle = samples[len(samples) // 2 :][:800].astype(np.float64)
    similar = [
        float(np.corrcoef(middle[:-lag], middle[lag:])[0, 1]) for lag in range(40, 200)
    ]
    pitch = SAMPLE_RATE / (40 + int(np.argmax(similar)))
    assert max(similar) > 0.7
    assert 65 < pitch < 110


# Splits.


def test_the_official_split(few) -> None:
    split = Split.of(few)
    assert {one.take for one in split.test} == {0, 1, 2, 3, 4}
    assert {one.take for one in split.validation} == {5, 6}
    assert {one.take for one in split.train} == {7}
    assert len(split.test) == 300


def test_a_held_out_speaker_is_heard_in_the_test_only(few) -> None:
    split = Split.of(few, hold_out="tenor")
    assert {one.speaker for one in split.test} == {"tenor"}
    assert len(split.test) == 80
    others = {one.speaker for one in split.train + split.validation}
    assert others == set(data.speakers_of(few)) - {"tenor"}
    assert not {5, 6} & {one.take for one in split.train}


def test_nobody_of_that_name(few) -> None:
    with pytest.raises(ZooError, match=r"--hold-out nobody: unknown speaker; .*alto"):
        Split.of(few, hold_out="nobody")


# The archive.


def _wav(samples: int, rate: int = SAMPLE_RATE) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\1\2" * samples)
    return content.getvalue()


@pytest.fixture
def small_archive(tmp_path: Path):
    """Make archives of a dataset that has two speakers and one take."""

    def make(changes: dict[str, bytes | None] | None = None) -> Path:
        members = {
            f"fsdd/recordings/{digit}_{speaker}_0.wav": _wav(100 + digit)
            for digit in range(10)
            for speaker in ("ann", "bob")
        }
        members = {**members, **(changes or {})}
        path = tmp_path / "fsdd.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                if content is not None:
                    archive.writestr(name, content)
        return path

    return make


def test_recordings_come_straight_from_the_archive(
    small_archive, tmp_path: Path
) -> None:
    path = small_archive()
    before = set(tmp_path.rglob("*"))
    found = fsdd.read(path)
    assert set(tmp_path.rglob("*")) == before
    assert [(one.digit, one.speaker) for one in found[:3]] == [
        (0, "ann"),
        (0, "bob"),
        (1, "ann"),
    ]
    assert len(found) == 20
    assert found[2].samples.shape == (101,)
    assert found[2].samples.dtype == np.float32


def test_names_that_lead_elsewhere_are_never_looked_at(
    small_archive, tmp_path: Path
) -> None:
    evil = {
        "../../recordings/0_ann_0.wav": b"evil",
        "/recordings/0_ann_0.wav": b"evil",
        "fsdd/recordings/../0_ann_0.wav": b"evil",
        "fsdd\\..\\recordings/0_ann_0.wav": b"evil",
        "fsdd/README.md": b"text",
    }
    assert len(fsdd.read(small_archive(evil))) == 20
    assert [path.name for path in tmp_path.rglob("*")] == ["fsdd.zip"]


NAME = "fsdd/recordings/3_bob_0.wav"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({NAME: None}, "has 19 recordings, other than the 3,000 of the Free"),
        ({NAME: b"no audio"}, "is damaged: LibsndfileError: "),
        ({NAME: _wav(50)}, "has 20 recordings, other than the 3,000 of the Free"),
        ({NAME: _wav(600_000)}, "has 1,200,044 bytes, expected a recording of at most"),
    ],
)
def test_archives_with_other_content(
    small_archive, changes: dict[str, bytes | None], words: str
) -> None:
    with pytest.raises(ZooError, match=words):
        fsdd.load(small_archive(changes))


@pytest.mark.parametrize("damage", ["torn", "empty", "flipped", "scrambled", "absent"])
def test_damaged_archives(small_archive, damage: str) -> None:
    path = small_archive()
    content = bytearray(path.read_bytes())
    if damage == "torn":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "flipped":
        content[70] ^= 0xFF  # within the first member's data
        path.write_bytes(content)
    elif damage == "scrambled":
        begin = 30 + len("fsdd/recordings/0_ann_0.wav")  # of the first member's data
        content[begin : begin + 9] = b"\xff" * 9  # no block of deflate's
        path.write_bytes(content)
    else:
        path.unlink()
    with pytest.raises(ZooError, match=r"fsdd\.zip is damaged: ") as error:
        fsdd.read(path)
    assert "\n" not in str(error.value)


@pytest.fixture
def nowhere(
    tmp_path: Path, serve: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The folder that a publisher serves; no data folder, an empty cache."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("KERAS_GRU_DATA", raising=False)
    served = tmp_path / "public"
    served.mkdir()
    public = replace(fsdd.ARCHIVE, url=f"{serve(served)}/fsdd.zip")
    monkeypatch.setattr(fsdd, "ARCHIVE", public)
    return served


def test_an_archive_that_is_nowhere(nowhere: Path) -> None:
    with pytest.raises(ZooError, match="cannot download free-spoken-digit-dataset"):
        data.load("fsdd")
    assert not list(cache_folder().iterdir())


def test_an_archive_is_downloaded_and_its_content_checked(
    nowhere: Path, small_archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(small_archive(), nowhere / "fsdd.zip")
    with pytest.raises(ZooError, match=r"other than the 3,000 of .* sha256 of"):
        data.load("fsdd")
    assert not list(cache_folder().iterdir())  # nothing of it is kept
    expected = fsdd.read(nowhere / "fsdd.zip")
    monkeypatch.setattr(fsdd, "DIGEST", digest(expected))
    assert digest(data.load("fsdd")) == digest(expected)
    (nowhere / "fsdd.zip").unlink()  # from now on it is in the cache
    assert len(data.load("fsdd")) == 20


@pytest.fixture
def public_archive() -> Path:
    path = Path(DATA or "") / fsdd.ARCHIVE.name
    if not DATA or not path.is_file():
        pytest.skip(f"{fsdd.ARCHIVE.name} is not in KERAS_GRU_DATA ({DATA})")
    return path


def test_the_public_archive(public_archive: Path) -> None:
    found = fsdd.load(public_archive)
    assert len(found) == 3_000
    assert set(Counter(one.digit for one in found).values()) == {300}
    assert set(Counter(one.speaker for one in found).values()) == {500}
    split = Split.of(found)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [
        2_580,
        120,
        300,
    ]


def test_a_torn_public_archive(public_archive: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.zip"
    shutil.copy(public_archive, torn)
    torn.chmod(0o600)
    with torn.open("r+b") as file:
        file.truncate(1_000_000)
    with pytest.raises(ZooError, match=r"torn\.zip is damaged: BadZipFile"):
        fsdd.read(torn)


# Augmentation and strings.


def test_speed_and_gain_do_what_they_say() -> None:
    tone = np.sin(np.arange(4000) * 0.3).astype(np.float32)
    same = augment.perturbed(
        tone, replace(TINY["digits"], speed=0.0, gain=0.0), np.random.default_rng(0)
    )
    np.testing.assert_allclose(same, tone[:-1], atol=1e-6)
    config = replace(TINY["digits"], speed=0.2, gain=6.0)
    lengths, peaks = [], []
    for seed in range(50):
        played = augment.perturbed(tone, config, np.random.default_rng(seed))
        lengths.append(len(played) / len(tone))
        peaks.append(20 * np.log10(np.abs(played).max()))
    assert 0.83 < min(lengths) < 0.9 < 1.1 < max(lengths) < 1.26
    assert -6.1 < min(peaks) < -3 < 3 < max(peaks) < 6.1


def test_noise_is_as_loud_as_asked() -> None:
    tone = np.sin(np.arange(80_000) * 0.3).astype(np.float32)
    noise = augment.noisy(tone, 20.0, np.random.default_rng(0)) - tone
    assert 10 * np.log10(np.mean(tone**2) / np.mean(noise**2)) == pytest.approx(
        20.0, abs=0.2
    )


def test_spec_augment_masks_bands_and_spans_and_nothing_else() -> None:
    config = TINY["strings"]
    frames = np.random.default_rng(0).normal(size=(200, 40)).astype(np.float32) + 9
    masked = augment.spec_augment(frames, config, np.random.default_rng(1))
    again = augment.spec_augment(frames, config, np.random.default_rng(1))
    np.testing.assert_array_equal(masked, again)
    hidden = masked == 0
    np.testing.assert_array_equal(masked[~hidden], frames[~hidden])
    bands, spans = hidden.all(axis=0), hidden.all(axis=1)
    assert 0 < bands.sum() <= config.frequency_masks * config.frequency_width
    assert 0 < spans.sum() <= config.time_masks * config.time_width
    np.testing.assert_array_equal(hidden, bands[None] | spans[:, None])
    assert (frames != 0).all()  # the argument stays as it was


def test_short_recordings_are_not_masked_away() -> None:
    frames = np.ones((9, 40), np.float32)
    config = replace(TINY["digits"], frequency_masks=0, time_masks=5)
    masked = augment.spec_augment(frames, config, np.random.default_rng(0))
    np.testing.assert_array_equal(masked, frames)


def test_the_test_strings_are_always_the_same_and_as_described(few) -> None:
    split = Split.of(few)
    made = batches.strings(split.test, batches.TEST_SEED, 40)
    again = batches.strings(split.test, batches.TEST_SEED, 20)
    for one, other in zip(made[:20], again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        assert one.digits == other.digits
    assert {len(one.digits) for one in made} == {3, 4, 5, 6, 7}
    assert {digit for one in made for digit in one.digits} == set(range(10))
    alone = [len(set(one.speakers)) == 1 for one in made]
    assert 0.3 < np.mean(alone) < 0.8
    other_list = batches.strings(split.test, batches.VALIDATION_SEED, 20)
    assert [one.digits for one in other_list] != [one.digits for one in again]


def test_a_string_holds_its_recordings_with_pauses_between(few) -> None:
    chosen = [few[0], few[100], few[300]]
    spoken = augment.joined(chosen, np.random.default_rng(4))
    assert spoken.digits == tuple(one.digit for one in chosen)
    parts = sum(len(one.samples) for one in chosen)
    shortest = augment.BEFORE[0] + augment.BEHIND[0] + 2 * augment.BETWEEN[0]
    longest = augment.BEFORE[1] + augment.BEHIND[1] + 2 * augment.BETWEEN[1]
    pauses = (len(spoken.samples) - parts) / SAMPLE_RATE
    assert shortest - 0.001 <= pauses <= longest
    # Each recording stands in it: the noise is 15 dB weaker at least.
    for one in chosen:
        found = np.correlate(spoken.samples, one.samples, "valid").max()
        assert found > 0.9 * float(np.sum(one.samples**2))


def test_some_training_strings_say_nothing(few) -> None:
    config = replace(TINY["strings"], silent=0.25)
    made = [
        augment.example(few[0], few, 7, config, np.random.default_rng(index))
        for index in range(200)
    ]
    silent = [one for one in made if not one.digits]
    assert 0.15 < len(silent) / len(made) < 0.35
    loudness = [
        np.mean([np.sqrt(np.mean(one.samples**2)) for one in ones])
        for ones in (silent, [one for one in made if one.digits])
    ]
    assert 0 < loudness[0] < 0.2 * loudness[1]
    assert batches.targets_of(silent, config).max() == batches.BLANK


# Batches.


@pytest.mark.parametrize("task", TASKS)
def test_batches_are_a_function_of_seed_and_step(few, task: str) -> None:
    train = Split.of(few).train
    config = replace(TINY[task], batch_size=8)
    features = batches.statistics(train, config)
    made = batches.Batches(train, features, config, seed=3)
    (first, mask), targets = made.batch(5)
    made.batch(2)
    (again, mask_again), targets_again = batches.Batches(
        train, features, config, seed=3
    ).batch(5)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(mask, mask_again)
    np.testing.assert_array_equal(targets, targets_again)
    (other, _), _ = batches.Batches(train, features, config, seed=4).batch(5)
    assert other.shape != first.shape or (other != first).any()
    assert first.shape[:2] == mask.shape
    assert first.shape[1] % config.pad_to == 0
    assert first.shape[2] == config.width
    assert (first[~mask] == 0).all()
    assert mask[:, 0].all()
    assert mask.any(axis=0).sum() > first.shape[1] - config.pad_to
    assert targets.shape == ((8,) if task == "digits" else (8, 7))


def test_an_epoch_of_digits_hears_every_recording_once(few) -> None:
    train = Split.of(few).train
    config = replace(TINY["digits"], batch_size=10)
    made = batches.Batches(train, batches.statistics(train, config), config, seed=0)
    assert made.steps_per_epoch == 6
    heard = np.concatenate([made.batch(step)[1] for step in range(6, 12)])
    assert Counter(heard.tolist()) == Counter(one.digit for one in train)


def test_strings_grow_to_seven_digits(few) -> None:
    train = Split.of(few).train
    config = replace(
        TINY["strings"], batch_size=12, epochs=10, curriculum=0.5, silent=0.0
    )
    made = batches.Batches(train, batches.statistics(train, config), config, seed=0)
    assert [made.longest(step) for step in (0, 4, 5, 24, 25, 49)] == [
        *(1, 1, 2, 6, 7, 7)
    ]
    assert ((made.batch(0)[1] != batches.BLANK).sum(axis=1) == 1).all()
    lengths = {
        int(length)
        for step in range(25, 35)
        for length in (made.batch(step)[1] != batches.BLANK).sum(axis=1)
    }
    assert lengths == {1, 2, 3, 4, 5, 6, 7}


def test_statistics_are_of_the_training_data(few) -> None:
    train = Split.of(few).train
    for config in TINY.values():
        features = batches.statistics(train, config)
        made = batches.Batches(train, features, config, seed=9)
        (values, mask), _ = made.batch(made.steps_per_epoch * config.epochs - 1)
        assert abs(float(values[mask].mean())) < 0.3
        assert 0.6 < float(values[mask].std()) < 1.3


def test_too_few_recordings(few) -> None:
    config: Config = TINY["digits"]
    features = batches.statistics(few[:5], config)
    with pytest.raises(ZooError, match="5 recordings to train on are fewer than one"):
        batches.Batches(few[:5], features, config, seed=0).require_one_batch()
