"""Two measures of a ranking and one of probabilities, in numpy: the image then needs no scikit-learn. Ties count as
scikit-learn counts them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_PROBABILITY = 1e-7
"""A probability of exactly 0 that came true would cost without limit."""


def average_precision(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """The mean, over the positives, of the precision among all that score as high; 1 is perfect."""
    every, found = np.sort(score), np.sort(score[positive])
    flagged = len(every) - np.searchsorted(every, found, side="left")
    hits = len(found) - np.searchsorted(found, found, side="left")
    return float(np.mean(hits / flagged))


def roc_auc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """The chance that a positive scores higher than a negative, a tie counting half; 0.5 is guessing."""
    others = np.sort(score[~positive])
    below = np.searchsorted(others, score[positive], side="left")
    not_above = np.searchsorted(others, score[positive], side="right")
    return float(np.mean((below + not_above) / 2) / len(others))


def negative_log_loss(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """The mean log of the probability that was given to what happened: 0 is perfect, less is worse."""
    given = np.where(positive, score, 1.0 - score)
    return float(np.mean(np.log(np.clip(given, LEAST_PROBABILITY, 1.0))))
