"""What a score is judged by. `bad` is the positive class throughout."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve


def auc(bad: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve; ties count one half."""
    return float(roc_auc_score(bad, score))


def ks(bad: np.ndarray, score: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance between the bad and the good distribution of scores."""
    false_positive, true_positive, _ = roc_curve(bad, score, drop_intermediate=False)
    return float(np.max(true_positive - false_positive))


def auc_interval(bad: np.ndarray, score: np.ndarray, other: np.ndarray | None = None, block: int = 1) -> list[float]:
    """95 % of the AUC, or of its difference to another's, over 2000 draws of blocks of so many rows."""
    random, found = np.random.default_rng(5), []
    blocks = [np.arange(at, min(at + block, len(bad))) for at in range(0, len(bad), block)]
    for _ in range(2000):
        rows = np.concatenate([blocks[at] for at in random.integers(0, len(blocks), len(blocks))])
        if 0 < bad[rows].sum() < len(rows):
            found.append(auc(bad[rows], score[rows]) - (0.0 if other is None else auc(bad[rows], other[rows])))
    return [round(float(x), 3) for x in np.quantile(found, [0.025, 0.975])]


def brier(bad: np.ndarray, probability: np.ndarray) -> float:
    """Mean squared error of the probability."""
    return float(np.mean((probability - bad) ** 2))


def summary(bad: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    """The three of them, rounded for the record."""
    return {
        "auc": round(auc(bad, probability), 6),
        "ks": round(ks(bad, probability), 6),
        "brier": round(brier(bad, probability), 6),
    }


def outcomes(logit: np.ndarray, cuts: tuple[float, float]) -> np.ndarray:
    """0 approve, 1 refer, 2 decline: rising log-odds of bad against two rising cut-offs."""
    return np.digitize(logit, cuts)


def cutoffs(validation_logit: np.ndarray) -> tuple[float, float]:
    """Cut-offs that approve the best 60 % and decline the worst 20 % of the validation part."""
    low, high = np.quantile(validation_logit, [0.6, 0.8])
    return float(low), float(high)


def scores(validation_logit: np.ndarray, refer: float, decline: float) -> dict[str, int]:
    """Least scores of approval and referral, on the scale of 600 points at odds of 19 good to 1 bad and 50 to double
    them, rounded to five: about the shares above `refer` and `decline` of the validation part are not approved, and declined."""
    cuts = np.quantile(validation_logit, [refer, decline])
    points = 600.0 - 50.0 * (cuts / np.log(2.0) + np.log2(19.0))
    approve_from, refer_from = (int(5 * round(float(point) / 5)) for point in points)
    return {"approve_from": approve_from, "refer_from": refer_from}


def logit(probability: np.ndarray) -> np.ndarray:
    """Log-odds, with the probability kept off 0 and 1."""
    p = np.clip(probability, 1e-6, 1.0 - 1e-6)
    return np.log(p / (1.0 - p))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Probability of log-odds, computed without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))
