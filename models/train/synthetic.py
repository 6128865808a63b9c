"""Applications that nobody made: rows to show the net what the teacher says between the real ones.

After MUNGE (Bucilă, Caruana and Niculescu-Mizil 2006): every made row is a real one of the
training part with some fields taken from one of its near neighbours, gaps included. It is
made of raw fields, before any feature, and carries no label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data import FIELDS, TEXT

# Fields that move together: what is lent and what it buys.
MOVES = tuple((name,) for name in FIELDS if name not in ("amount", "price")) + (("amount", "price"),)


@dataclass(frozen=True)
class Mixing:
    """How many rows are made of each real one, of how near a neighbour, and how mixed."""

    copies: int
    neighbours: int
    swap: float  # probability that a field is the neighbour's


def neighbours(table: pd.DataFrame, count: int) -> np.ndarray:
    """The nearest `count` other rows of each row: sum over the fields of the distance in rank
    (0 to 1), or 1 where categories differ or one of the two has a gap."""
    distance = np.zeros((len(table), len(table)), dtype=np.float32)
    for name in FIELDS:
        if name in TEXT:
            code = pd.factorize(table[name])[0]
            distance += code[:, None] != code[None, :]
            continue
        rank = table[name].rank(pct=True).to_numpy(np.float32)
        gap = np.isnan(rank)
        apart = np.abs(rank[:, None] - rank[None, :])
        distance += np.where(np.isnan(apart), gap[:, None] != gap[None, :], apart)
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1, kind="stable")[:, :count]


def make(choice: Mixing, table: pd.DataFrame, rows: np.ndarray, seed: int) -> pd.DataFrame:
    """`copies` made rows for each of `rows`, the fields alone."""
    rng = np.random.Generator(np.random.PCG64(seed))
    real = table.iloc[rows][list(FIELDS)].reset_index(drop=True)
    near = neighbours(real, choice.neighbours)
    base = np.tile(np.arange(len(real)), choice.copies)
    other = near[base, rng.integers(choice.neighbours, size=len(base))]
    made = real.iloc[base].reset_index(drop=True)
    for names in MOVES:
        taken = np.where(rng.random(len(base)) < choice.swap, other, base)
        for name in names:
            made[name] = pd.Series(real[name].to_numpy()[taken], dtype=real[name].dtype)
    return made
