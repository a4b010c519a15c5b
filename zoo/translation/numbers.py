"""English numbers, dates and times and what they are in German, made by rule.

A small translation with what makes it one: German says the units before the tens
(21: "einundzwanzig"), writes a number as one word, counts half hours towards the next
hour ("half past three": "halb vier"), and declines its ordinals.
"""

from __future__ import annotations

import numpy as np
from num2words import num2words

# fmt: off
EN_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December",
]
DE_MONTHS = [
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August",
    "September", "Oktober", "November", "Dezember",
]
# fmt: on

Pair = tuple[str, str]

# Sentences that tell a time.
FRAMES: list[Pair] = [
    ("It is {}.", "Es ist {}."),
    ("It is already {}.", "Es ist schon {}."),
    ("We meet at {}.", "Wir treffen uns um {}."),
    ("The train leaves at {}.", "Der Zug fährt um {}."),
    ("She always gets up at {}.", "Sie steht immer um {} auf."),
    ("Can you come at {}?", "Kannst du um {} kommen?"),
]


def english(number: int) -> str:
    """A number in words.

    >>> english(21_345)
    'twenty-one thousand three hundred and forty-five'
    """
    return str(num2words(number)).replace(",", "")


def german(number: int) -> str:
    """A number in words, as it is counted.

    >>> german(21_345), german(101), german(201_000)
    ('einundzwanzigtausenddreihundertfünfundvierzig', 'einhunderteins', \
'zweihunderteintausend')
    """
    # The library forgets that only the last "eins" has an s.
    return str(num2words(number, lang="de")).replace("einstausend", "eintausend")


def date(day: int, month: int, year: int) -> Pair:
    """
    >>> date(3, 5, 1911)
    ('May the third, nineteen eleven', 'der dritte Mai neunzehnhundertelf')
    >>> date(21, 1, 1905)[0]
    'January the twenty-first, nineteen oh five'
    """
    spoken = num2words(year, to="year").replace("oh-", "oh ")
    return (
        f"{EN_MONTHS[month - 1]} the {num2words(day, to='ordinal')}, {spoken}",
        f"der {num2words(day, lang='de', to='ordinal')} {DE_MONTHS[month - 1]} "
        f"{num2words(year, lang='de', to='year')}",
    )


def time(hour: int, minute: int, frame: Pair = FRAMES[0]) -> Pair:
    """A time of the day, hours from 1 to 12, minutes a multiple of five.

    >>> time(3, 30)
    ('It is half past three.', 'Es ist halb vier.')
    >>> time(12, 35)
    ('It is twenty-five to one.', 'Es ist fünf nach halb eins.')
    """
    following, left = hour % 12 + 1, 60 - minute
    quarter = {15: "a quarter", 30: "half"}
    if minute == 0:
        source = f"{english(hour)} o'clock"
    elif minute <= 30:
        source = f"{quarter.get(minute) or english(minute)} past {english(hour)}"
    else:
        source = f"{quarter.get(left) or english(left)} to {english(following)}"
    around = {25: "fünf vor halb", 30: "halb", 35: "fünf nach halb", 45: "Viertel vor"}
    if minute == 0:
        target = f"{'ein' if hour == 1 else german(hour)} Uhr"
    elif minute in around:
        target = f"{around[minute]} {german(following)}"
    elif minute < 25:
        past = "Viertel" if minute == 15 else german(minute)
        target = f"{past} nach {german(hour)}"
    else:
        target = f"{german(left)} vor {german(following)}"
    return frame[0].format(source), frame[1].format(target)


def pairs(count: int, seed: int = 0) -> list[Pair]:
    """Draw `count` different pairs: numbers, dates, every time in every frame.

    Small numbers are as frequent as large ones: the number of digits is drawn first.
    """
    random = np.random.default_rng(seed)
    found = dict.fromkeys(
        [
            time(hour, minute, frame)
            for frame in FRAMES
            for hour in range(1, 13)
            for minute in range(0, 60, 5)
        ]
        + [(english(number), german(number)) for number in range(100)]
    )
    while len(found) < count:
        if random.random() < 0.6:
            digits = int(random.integers(3, 7))
            number = int(random.integers(10 ** (digits - 1), 10**digits))
            found[english(number), german(number)] = None
        else:
            day, month = int(random.integers(1, 29)), int(random.integers(1, 13))
            found[date(day, month, int(random.integers(1100, 2000)))] = None
    drawn = list(found)[:count]
    return [drawn[index] for index in random.permutation(len(drawn))]
