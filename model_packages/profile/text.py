"""Texts as numbers: length, classes of characters, tokens, and how many of them the baseline's vocabulary knows.

All texts of a chunk are one array of code points, so that nothing loops over characters. A token is a run of letters
and digits in lower case, with each digit taken as 0: amounts and numbers of one length are one token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from model_packages.profile.hashing import Hashes, mixed

MEASURES = ("length", "letters", "digits", "upper", "spaces", "other", "tokens", "unknown_tokens")
"""The derived columns of a text, in the order of `measure`; all but WHOLE are shares."""
WHOLE = ("length", "tokens")
VOCABULARY = 2000
"""At most this many tokens are known."""

_LETTER, _DIGIT, _UPPER, _SPACE = 1, 2, 4, 8
_PLANE = 0x10000
_FACTOR = 0x100000001B3


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of some texts: the hash of each, and the text that each is of."""

    hashes: Hashes
    texts: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Reading:
    """Texts as code points [characters], with each text's first place and length [n]."""

    points: NDArray[np.uint32]
    starts: NDArray[np.intp]
    lengths: NDArray[np.intp]


def read(texts: Sequence[str]) -> Reading:
    """The texts of one chunk, one after the other."""
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    lengths = np.fromiter(map(len, texts), dtype=np.intp, count=len(texts))
    return Reading(points=points, starts=np.cumsum(lengths) - lengths, lengths=lengths)


def measure(reading: Reading, vocabulary: NDArray[np.uint32]) -> NDArray[np.float64]:
    """The MEASURES of each text, [len(MEASURES), n]. `vocabulary` ascends."""
    classes = _classes()[np.minimum(reading.points, _PLANE - 1)]
    counts = [_per_text(classes & bit != 0, reading) for bit in (_LETTER, _DIGIT, _UPPER, _SPACE)]
    counts.append(_per_text(classes == 0, reading))
    tokens = tokenise(reading)
    count = len(reading.lengths)
    found = np.bincount(tokens.texts, minlength=count)
    unknown = np.bincount(tokens.texts[~is_known(tokens, vocabulary)], minlength=count)
    characters = np.maximum(reading.lengths, 1)
    return np.array(
        [reading.lengths, *(part / characters for part in counts), found, unknown / np.maximum(found, 1)],
        dtype=np.float64,
    )


def tokenise(reading: Reading) -> Tokens:
    """The tokens of each text, in their order."""
    points = np.minimum(reading.points, _PLANE - 1)
    inside = _classes()[points] & (_LETTER | _DIGIT) != 0
    begins, ends = _runs(inside, reading)
    terms = _folded()[points] * _powers(len(points))
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64)])
    # The hash of a run is a polynomial of its characters, whatever stands before it: its start is divided out.
    hashes = mixed((sums[ends] - sums[begins]) * _inverse_powers(len(points))[begins])
    return Tokens(hashes=hashes, texts=np.searchsorted(reading.starts, begins, side="right") - 1)


def text_hashes(reading: Reading) -> Hashes:
    """The hash of each whole text."""
    ends = reading.starts + reading.lengths
    size = len(reading.points)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((reading.points + np.uint64(1)) * _powers(size))])
    inverse = np.append(_inverse_powers(size), np.uint64(0))
    return mixed((sums[ends] - sums[reading.starts]) * inverse[np.minimum(reading.starts, size)])


def is_known(tokens: Tokens, vocabulary: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether each token is in `vocabulary`, which ascends."""
    if not len(vocabulary):
        return np.zeros(len(tokens.hashes), dtype=np.bool_)
    short = shortened(tokens.hashes)
    places = np.minimum(np.searchsorted(vocabulary, short), len(vocabulary) - 1)
    known: NDArray[np.bool_] = vocabulary[places] == short
    return known


def shortened(hashes: Hashes) -> NDArray[np.uint32]:
    """How a vocabulary keeps a token."""
    return (hashes >> np.uint64(32)).astype(np.uint32)


def _per_text(flags: NDArray[np.bool_], reading: Reading) -> NDArray[np.int64]:
    sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(flags, dtype=np.int64)])
    counts: NDArray[np.int64] = sums[reading.starts + reading.lengths] - sums[reading.starts]
    return counts


def _runs(inside: NDArray[np.bool_], reading: Reading) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each run of true begins and ends; none goes on from one text into the next."""
    size = len(inside)
    boundary = np.zeros(size + 1, dtype=np.bool_)
    boundary[reading.starts] = True
    before = np.concatenate([[False], inside])
    after = np.concatenate([inside, [False]])
    begins = np.flatnonzero(after & (~before | boundary))
    ends = np.flatnonzero(before & (~after | boundary))
    return begins, ends


@cache
def _classes() -> NDArray[np.uint8]:
    """Of each code point below 65536; later ones are as the last, which is none."""
    return np.array([_class_of(chr(point)) for point in range(_PLANE)], dtype=np.uint8)


def _class_of(character: str) -> int:
    letter = _LETTER * character.isalpha() + _UPPER * character.isupper() * character.isalpha()
    return letter + _DIGIT * character.isdecimal() + _SPACE * character.isspace()


@cache
def _folded() -> NDArray[np.uint64]:
    """What stands for each code point in a token's hash; never 0, because leading zeros would not count."""
    return np.array([_fold(chr(point)) + 1 for point in range(_PLANE)], dtype=np.uint64)


def _fold(character: str) -> int:
    lower = character.lower()
    return ord("0") if character.isdecimal() else ord(lower if len(lower) == 1 else character)


def _powers(size: int) -> NDArray[np.uint64]:
    return _table(_FACTOR, _length(size))[:size]


def _inverse_powers(size: int) -> NDArray[np.uint64]:
    return _table(pow(_FACTOR, -1, 2**64), _length(size))[:size]


def _length(size: int) -> int:
    """Tables come in few lengths, so that few are kept."""
    return 1 << max(size - 1, 1).bit_length()


@cache
def _table(factor: int, length: int) -> NDArray[np.uint64]:
    """1, f, f**2, .. modulo 2**64."""
    factors = np.full(length, factor, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def chunks(texts: Sequence[str], *, characters: int = 1 << 20) -> Iterator[Sequence[str]]:
    """The texts in groups of about so many characters, so that memory is bounded whatever their lengths."""
    start = size = 0
    for place, text in enumerate(texts):
        if size and size + len(text) > characters:
            yield texts[start:place]
            start, size = place, 0
        size += len(text)
    if len(texts):
        yield texts[start:]
