"""The sample applications: rows of the shipped split's test part, without their labels."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from data import FIELDS, cell

AS_OF = "2026-09-01"
COUNT = 24
WITH_GAPS = 8


def choose(table: pd.DataFrame, test: np.ndarray, risk: np.ndarray) -> np.ndarray:
    """Rows spread evenly over the ranking by risk, in the order of their ids: first some
    with gaps (the riskiest of each set of gaps there is, then others), then complete ones.
    `risk` is the net's, for the rows of `test`."""
    ranked = test[np.argsort(risk, kind="stable")]
    gaps = table.loc[ranked, list(FIELDS)].isna()
    kinds = gaps.apply(lambda row: tuple(row[row].index), axis=1)
    incomplete = ranked[(kinds.map(len) > 0).to_numpy()]
    chosen = [int(rows.index[-1]) for _, rows in kinds[incomplete].groupby(kinds[incomplete])]
    chosen = sorted(chosen)[:WITH_GAPS]
    others = incomplete[~np.isin(incomplete, chosen)]
    chosen += spread(others, WITH_GAPS - len(chosen))
    chosen += spread(ranked[(kinds.map(len) == 0).to_numpy()], COUNT - WITH_GAPS)
    return np.array(sorted(chosen))


def spread(pool: np.ndarray, count: int) -> list[int]:
    """`count` members of `pool` at even distances."""
    at = np.rint((np.arange(count) + 0.5) / max(count, 1) * len(pool) - 0.5).astype(int)
    return pool[at].tolist()


def write(path: Path, table: pd.DataFrame, rows: np.ndarray) -> None:
    """Write `applications.csv`."""
    with path.open("w", newline="\n") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["id", "as_of", *FIELDS])
        for number, row in enumerate(rows, start=1):
            values = [cell(table.at[row, name]) for name in FIELDS]
            writer.writerow([f"A-{number:04d}", AS_OF, *values])
