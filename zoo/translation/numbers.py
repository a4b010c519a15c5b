"""English numbers, dates and times and what they are in German, made by rule.

A small translation with what makes it one: German says the units before the tens
(21: "einundzwanzig"), writes a number as one word, counts half hours towards the next
hour ("half past three": "halb vier"), and declines its ordinals.
"""

from __future__ import annotations

import numpy as np

# fmt: off
EN_SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
    "seventeen", "eighteen", "nineteen",
]
EN_TENS = [
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
]
EN_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December",
]
DE_SMALL = [
    "null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht",
    "neun", "zehn", "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn",
    "siebzehn", "achtzehn", "neunzehn",
]
DE_TENS = [
    "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig",
    "neunzig",
]
DE_MONTHS = [
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August",
    "September", "Oktober", "November", "Dezember",
]
# fmt: on
EN_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
DE_ORDINALS = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}

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
    """A number from 0 to 999,999 in words.

    >>> english(21_345)
    'twenty-one thousand three hundred and forty-five'
    """
    if number < 20:
        return EN_SMALL[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return EN_TENS[tens - 2] + (f"-{EN_SMALL[rest]}" if rest else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{EN_SMALL[hundreds]} hundred" + (
            f" and {english(rest)}" if rest else ""
        )
    thousands, rest = divmod(number, 1000)
    joint = " and " if rest < 100 else " "
    return f"{english(thousands)} thousand" + (joint + english(rest) if rest else "")


def german(number: int) -> str:
    """A number from 0 to 999,999 in words, as it is counted.

    >>> german(21_345)
    'einundzwanzigtausenddreihundertfünfundvierzig'
    >>> german(101)
    'einhunderteins'
    """
    stem = _german_stem(number)
    return stem + "s" if number % 100 == 1 else stem


def english_ordinal(number: int) -> str:
    """
    >>> english_ordinal(21), english_ordinal(30)
    ('twenty-first', 'thirtieth')
    """
    head, dash, last = english(number).rpartition("-")
    if last in EN_ORDINALS:
        last = EN_ORDINALS[last]
    elif last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last += "th"
    return head + dash + last


def german_ordinal(number: int, ending: str) -> str:
    """
    >>> german_ordinal(3, "e"), german_ordinal(21, "en")
    ('dritte', 'einundzwanzigsten')
    """
    if number in DE_ORDINALS:
        return DE_ORDINALS[number] + ending
    return _german_stem(number) + ("t" if number < 20 else "st") + ending


def cardinal(number: int) -> Pair:
    return english(number), german(number)


def date(day: int, month: int, year: int) -> Pair:
    """
    >>> date(3, 5, 1911)
    ('May the third, nineteen eleven', 'der dritte Mai neunzehnhundertelf')
    """
    century, rest = divmod(year, 100)
    spoken = f"{english(century)} {english(rest) if rest else 'hundred'}"
    if 0 < rest < 10:
        spoken = f"{english(century)} oh {english(rest)}"
    return (
        f"{EN_MONTHS[month - 1]} the {english_ordinal(day)}, {spoken}",
        f"der {german_ordinal(day, 'e')} {DE_MONTHS[month - 1]} "
        f"{_german_stem(century)}hundert{german(rest) if rest else ''}",
    )


def time(hour: int, minute: int, frame: Pair = FRAMES[0]) -> Pair:
    """A time of the day, hours from 1 to 12, minutes a multiple of five.

    >>> time(3, 30)
    ('It is half past three.', 'Es ist halb vier.')
    >>> time(12, 35)
    ('It is twenty-five to one.', 'Es ist fünf nach halb eins.')
    """
    following = hour % 12 + 1
    if minute == 0:
        source, target = f"{english(hour)} o'clock", f"{_german_stem(hour)} Uhr"
    else:
        source, target = _after_the_hour(hour, following, minute)
    return frame[0].format(source), frame[1].format(target)


def _after_the_hour(hour: int, following: int, minute: int) -> Pair:
    """A time that is no full hour, both ways of saying it."""
    if minute <= 30:
        names = {15: "a quarter", 30: "half"}
        source = f"{names.get(minute) or english(minute)} past {english(hour)}"
    else:
        left = 60 - minute
        source = (
            f"{'a quarter' if left == 15 else english(left)} to {english(following)}"
        )
    if minute == 15:
        target = f"Viertel nach {german(hour)}"
    elif minute == 45:
        target = f"Viertel vor {german(following)}"
    elif minute < 25:
        target = f"{german(minute)} nach {german(hour)}"
    elif minute > 35:
        target = f"{german(60 - minute)} vor {german(following)}"
    else:
        around = {25: "fünf vor halb", 30: "halb", 35: "fünf nach halb"}[minute]
        target = f"{around} {german(following)}"
    return source, target


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
        + [cardinal(number) for number in range(100)]
    )
    while len(found) < count:
        if random.random() < 0.6:
            digits = int(random.integers(3, 7))
            number = int(random.integers(10 ** (digits - 1), 10**digits))
            found[cardinal(number)] = None
        else:
            day, month = int(random.integers(1, 29)), int(random.integers(1, 13))
            found[date(day, month, int(random.integers(1100, 2000)))] = None
    drawn = list(found)[:count]
    return [drawn[index] for index in random.permutation(len(drawn))]


def _german_stem(number: int) -> str:
    """As inside a longer word: "ein", not "eins"."""
    if number < 20:
        return DE_SMALL[number]
    if number < 100:
        tens, rest = divmod(number, 10)
        return (f"{DE_SMALL[rest]}und" if rest else "") + DE_TENS[tens - 2]
    unit, word = (100, "hundert") if number < 1000 else (1000, "tausend")
    high, rest = divmod(number, unit)
    return _german_stem(high) + word + (_german_stem(rest) if rest else "")
