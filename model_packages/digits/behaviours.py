"""What a version must do whatever its weights are. The probe runs the same tests against the live endpoint, in a
Lambda: no torch, no numpy.
"""

from __future__ import annotations

import base64
import random
import struct
import zlib
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from model_packages.interface import Predict

TYPICAL = (
    "002e9100/01ccb800/04e10d30/08d00a60/05g10890/00g00b90/00dbaf40/003fg500",
    "006a8300/006gg900/009gg600/007gga00/00bgg800/007gg900/00agg600/0049cb20",
    "01cg5000/0bggd000/0765e200/0000c300/0004d000/001d5000/00aga840/00dfgc70",
    "006cga00/04f8ce00/0000d800/0006e100/0005f800/00002f50/00145f80/005ge910",
    "0007g200/000fb000/00be6500/04g7ed20/0agdgga0/08fega10/0009g100/0009f100",
    "019ggf30/08gc8830/06g93000/08ggg400/0364db00/00008d00/0058fa00/00bgb100",
    "001d7000/007e2000/00d50000/00g30000/03gacc30/03gb59c0/01db4db0/001cgb20",
    "003gcc70/00cddg60/00206e00/0014da10/009ggg80/004cc710/000e6000/004g2000",
    "003dd300/02eccb00/04g85f30/01deg700/00bgd100/01gcde10/00dd9g70/003dga10",
    "004dd400/00gaa800/00e76b00/006ffg20/00000b50/00000790/01446ca0/016bfc10",
)
"""One record a digit, 0 to 9: a row of the image between slashes, a pixel a digit in base 17 (g is 16)."""

Pixels = list[list[float]]

DIGITS: list[Pixels] = [[[float(int(pixel, 17)) for pixel in row] for row in text.split("/")] for text in TYPICAL]
BLANK: Pixels = [[0.0] * 8 for _ in range(8)]


def test_every_typical_digit_is_read(predict: Predict) -> None:
    answers = predict([{"image": image} for image in DIGITS])

    assert [answer["digit"] for answer in answers] == list(range(10))


def test_the_digit_is_the_most_probable_one_of_a_distribution(predict: Predict) -> None:
    for answer in predict([{"image": image} for image in DIGITS]):
        probabilities = answer["probabilities"]

        assert probabilities[answer["digit"]] == max(probabilities)
        assert abs(sum(probabilities) - 1.0) < 0.01


def test_a_png_and_its_numbers_get_the_same_answer(predict: Predict) -> None:
    as_numbers = predict([{"image": image} for image in DIGITS])
    as_png = predict([{"image": _png(image)} for image in DIGITS])

    assert [answer["digit"] for answer in as_png] == [answer["digit"] for answer in as_numbers]
    assert _largest_difference(as_png, as_numbers) < 0.03


def test_a_little_noise_changes_no_digit(predict: Predict) -> None:
    draw = random.Random(0)  # noqa: S311 - the same noise in every run
    noisy = [[[min(16.0, pixel + draw.random()) for pixel in row] for row in image] for image in DIGITS]

    answers = predict([{"image": image} for image in noisy])

    assert [answer["digit"] for answer in answers] == list(range(10))


def test_most_digits_survive_a_shift_by_one_pixel(predict: Predict) -> None:
    shifted = [(digit, _shifted(image, way)) for digit, image in enumerate(DIGITS) for way in ("left", "up", "down")]

    answers = predict([{"image": image} for _, image in shifted])

    survived = [answer["digit"] == digit for answer, (digit, _) in zip(answers, shifted, strict=True)]
    assert fmean(survived) >= 0.8, f"{fmean(survived):.0%} of the shifted digits were read"


def test_a_blank_image_leaves_the_model_unsure(predict: Predict) -> None:
    [answer] = predict([{"image": BLANK}])

    assert max(answer["probabilities"]) < 0.5


def _shifted(image: Pixels, way: str) -> Pixels:
    if way == "left":
        return [[*row[1:], 0.0] for row in image]
    return [*image[1:], [0.0] * 8] if way == "up" else [[0.0] * 8, *image[:-1]]


def _largest_difference(some: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> float:
    pairs = zip(_probabilities(some), _probabilities(others), strict=True)
    return max(abs(one - other) for one, other in pairs)


def _probabilities(answers: Sequence[dict[str, Any]]) -> list[float]:
    return [probability for answer in answers for probability in answer["probabilities"]]


def _png(image: Pixels) -> str:
    """The image as an 8-bit greyscale PNG in base64."""
    rows = b"".join(b"\0" + bytes(round(pixel * 255 / 16) for pixel in row) for row in image)
    header = struct.pack(">IIBBBBB", len(image[0]), len(image), 8, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
