"""From fields to model inputs, as the recipe describes it.

The structure (columns, features, their order) is read from `recipe.toml`, so that it is
written down once; the numbers (impute, edges, mean, std) are fitted here, on the training
part only, and rounded before use. Arithmetic is float64, the result float32.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

DIGITS = 6  # significant digits of every fitted number
# Quantile bins per piecewise feature; a choice of training, so not in the recipe.
# Seniority is whole years: on some splits two of its eighths coincide, two of its ninths on
# all, so that either way eight bins are left, here on every split alike.
BINS = 8
BINS_OF = {"seniority": 9}

Recipe = dict[str, Any]
Fitted = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Block:
    """The name of a feature, its inputs' names and its values `[rows, width]`."""

    name: str
    inputs: list[str]
    values: np.ndarray


def read_recipe(path: Path) -> Recipe:
    """The hand-written recipe alone, without what it extends."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def significant(value: float) -> float:
    """`value` rounded to `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS}g}")


def columns(recipe: Recipe, table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Every field and every derived column. A derived number is NaN where an operand is."""
    found: dict[str, np.ndarray] = {name: table[name].to_numpy() for name in table.columns}
    for name, rule in recipe.get("columns", {}).items():
        ((operation, operands),) = rule.items()
        found[name] = derive(operation, [found[operand] for operand in operands])
    return found


def derive(operation: str, operands: list[np.ndarray]) -> np.ndarray:
    """One derived column."""
    if operation == "ratio":
        top, bottom = operands
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(bottom == 0.0, np.nan, top / bottom)
    if operation == "difference":
        return operands[0] - operands[1]
    if operation == "sum":
        return np.sum(operands, axis=0)
    raise ValueError(f"unknown column rule {operation!r}")


def fit(recipe: Recipe, values: dict[str, np.ndarray], rows: np.ndarray) -> Fitted:
    """Fit every feature's numbers on `rows`."""
    return {
        name: fit_one(
            recipe["features"][name],
            values[recipe["features"][name]["from"]][rows],
            BINS_OF.get(name, BINS),
        )
        for name in recipe["model"]["features"]
    }


def fit_one(rule: dict[str, Any], raw: np.ndarray, bins: int) -> dict[str, Any]:
    """The fitted keys of one feature."""
    if rule["encode"] in ("one_hot", "ordinal"):
        return {}
    known = raw[~np.isnan(raw)].astype(np.float64)
    fitted: dict[str, Any] = {}
    if len(known) < len(raw) or rule.get("missing_flag"):
        fitted["impute"] = significant(float(np.median(known)))
    known = scale(rule, known)
    if rule["encode"] == "piecewise":
        fitted["edges"] = edges(known, bins)
    if rule["encode"] == "standardise":
        fitted["mean"] = significant(float(known.mean()))
        fitted["std"] = significant(float(known.std()))
    return fitted


def edges(known: np.ndarray, bins: int) -> list[float]:
    """Strictly rising quantiles. The last stands at 99 %: beyond it the encoding is flat,
    so that a handful of extreme rows can't stretch the last bin."""
    levels = np.linspace(0.0, 1.0, bins + 1)
    levels[-1] = 0.99
    return sorted({significant(float(edge)) for edge in np.quantile(known, levels)})


def scale(rule: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Clip, then log."""
    if "clip" in rule:
        x = np.clip(x, *rule["clip"])
    return np.log(1.0 + x) if rule.get("log") else x


def block(recipe: Recipe, name: str, fitted: dict[str, Any], raw: np.ndarray) -> Block:
    """One feature's inputs for every row."""
    rule = recipe["features"][name]
    if rule["encode"] == "one_hot":
        kinds = list(recipe["fields"][rule["from"]]["categories"])
        parts = [np.array([value == kind for value in raw], dtype=np.float64) for kind in kinds]
        inputs = [f"{name}={kind}" for kind in kinds]
        missing = np.array([value is None for value in raw])
    elif rule["encode"] == "ordinal":
        parts = [np.array([rule["values"].get(value, 0.0) for value in raw], dtype=np.float64)]
        inputs = [name]
        missing = np.array([value is None for value in raw])
    else:
        missing = np.isnan(raw)
        x = np.where(missing, fitted.get("impute", np.nan), raw)
        parts, inputs = encode(rule, name, fitted, scale(rule, x))
    if rule.get("missing_flag"):
        parts, inputs = [*parts, missing.astype(np.float64)], [*inputs, f"{name}?"]
    return Block(name, inputs, np.stack(parts, axis=1))


def encode(
    rule: dict[str, Any], name: str, fitted: dict[str, Any], x: np.ndarray
) -> tuple[list[np.ndarray], list[str]]:
    """A number's inputs: Gorishniy et al. 2022 (section 3.2), clamped at both ends."""
    if rule["encode"] == "piecewise":
        pairs = list(zip(fitted["edges"], fitted["edges"][1:], strict=False))
        parts = [np.clip((x - low) / (high - low), 0.0, 1.0) for low, high in pairs]
        return parts, [f"{name}>{low:g}" for low, _ in pairs]
    if rule["encode"] == "standardise":
        return [(x - fitted["mean"]) / fitted["std"]], [name]
    if rule["encode"] == "none":
        return [x], [name]
    raise ValueError(f"unknown encoding {rule['encode']!r}")


def transform(
    recipe: Recipe, fitted: Fitted, values: dict[str, np.ndarray]
) -> tuple[np.ndarray, list[str]]:
    """The model's inputs for every row, float32 `[rows, F]`, and their names."""
    blocks = [
        block(recipe, name, fitted[name], values[recipe["features"][name]["from"]])
        for name in recipe["model"]["features"]
    ]
    inputs = [name for one in blocks for name in one.inputs]
    matrix = np.concatenate([one.values for one in blocks], axis=1).astype(np.float32)
    if not np.isfinite(matrix).all():
        raise ValueError("a feature is not finite: a value is missing where none is imputed")
    return np.ascontiguousarray(matrix), inputs


def write_fitted(path: Path, fitted: Fitted, note: str) -> None:
    """Write the fitted numbers as a recipe fragment."""
    lines = [f"# {note}"]
    for name, numbers in fitted.items():
        if numbers:
            lines += ["", f"[features.{name}]"]
            lines += [f"{key} = {toml(value)}" for key, value in numbers.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def toml(value: float | list[float]) -> str:
    """A float, or a list of them, as TOML writes it; reading gives back the same number."""
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return repr(float(value))
