"""Fits the WOE scorecard of the zoo: `scorecard.py`, with what `requirements.txt` says.

Bins by optbinning on the training part of split_1, edges rounded to two decimals; weights of
evidence of those bins; a logistic regression on them; points on the recipe's scale (600 at odds of
19 good to 1 bad, 50 to double), rounded to whole points. Writes
models/zoo/credit-scorecard/{card.csv,metrics.json}: the card in optbinning's columns, and cut-offs
chosen on the validation part so that about the best 60 % are approved and the worst 20 % declined.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from optbinning import OptimalBinning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

warnings.filterwarnings("ignore")
ZOO = Path(__file__).resolve().parents[1] / "zoo"
WORDS = ["job", "home", "records"]
NUMBERS = [
    "seniority", "income", "expenses", "spare", "assets", "debt",
    "amount", "price", "time", "loan_share", "instalment",
]  # fmt: skip
BASE, ODDS, DOUBLE = 600, 19.0, 50


def columns(data: pd.DataFrame) -> pd.DataFrame:
    """The fields and the recipe's derived columns."""
    data = data.copy()
    data["spare"] = data.income - data.expenses
    data["loan_share"] = data.amount / data.price
    data["instalment"] = data.amount / data.time
    return data


def bins_of(name: str, x: pd.Series, bad: np.ndarray) -> list[tuple[str, object]]:
    """The bins of a variable: how the card writes each, and what tells its rows."""
    kind = "categorical" if name in WORDS else "numerical"
    binning = OptimalBinning(name, dtype=kind, min_bin_size=0.05, max_n_prebins=12)
    binning.fit(x.to_numpy(object if name in WORDS else float), bad)
    if name in WORDS:
        groups = [[str(code) for code in group] for group in binning.splits]
        return [(str(group), set(group)) for group in groups]
    edges = sorted({float(f"{edge:.2f}") for edge in binning.splits})
    ends = [-np.inf, *edges, np.inf]
    show = lambda x: "-inf" if x == -np.inf else "inf" if x == np.inf else f"{x:.2f}"
    return [
        (f"{'(' if low == -np.inf else '['}{show(low)}, {show(high)})", (low, high))
        for low, high in zip(ends, ends[1:])
    ]


def holds(bin_: object, x: pd.Series) -> np.ndarray:
    """The rows of a bin."""
    if isinstance(bin_, set):
        return x.isin(bin_).to_numpy()
    low, high = bin_
    return ((x >= low) & (x < high)).to_numpy()


def main() -> None:
    """Fits, rounds, measures, writes."""
    folder = ZOO / "credit-scorecard"
    folder.mkdir(exist_ok=True)
    data = columns(pd.read_csv(ZOO / "credit" / "data.csv"))
    part = pd.read_csv(ZOO / "credit" / "splits.csv").set_index("id").split_1.loc[data.id].to_numpy()
    bad = (data.status == "bad").to_numpy(int)
    train = part == "train"
    all_bad, all_good = bad[train].sum(), (1 - bad[train]).sum()

    def evidence(rows: np.ndarray) -> float:
        """ln of good's share over bad's, half a row added to each."""
        rows = rows & train
        b, g = bad[rows].sum() + 0.5, (1 - bad[rows]).sum() + 0.5
        return float(np.log((g / all_good) / (b / all_bad)))

    variables, x = {}, []
    for name in WORDS + NUMBERS:
        column, woe = data[name], np.zeros(len(data))
        table = []
        known = train & column.notna().to_numpy()
        for shown, bin_ in bins_of(name, column[known], bad[known]):
            rows = holds(bin_, column)
            table.append((shown, rows, evidence(rows)))
            woe[rows] = table[-1][2]
        missing = column.isna().to_numpy()
        # Too few to tell: neither for nor against.
        weight = evidence(missing) if (missing & train).sum() >= 20 else 0.0
        woe[missing] = weight
        table.append(("Missing", missing, weight))
        variables[name] = table
        x.append(woe)
    x = np.column_stack(x)
    # Variables whose evidence counts the wrong way round beside the others are left out.
    kept = list(range(x.shape[1]))
    while True:
        model = LogisticRegression(C=1.0).fit(x[train][:, kept], bad[train])
        wrong = [i for i, c in zip(kept, model.coef_[0]) if c > 0]
        if not wrong:
            break
        kept.remove(wrong[0])
    factor = DOUBLE / np.log(2)
    base = BASE - factor * np.log(ODDS) - factor * model.intercept_[0]
    lines, points = [], np.zeros(len(data))
    names = WORDS + NUMBERS
    for i, c in zip(kept, model.coef_[0]):
        for shown, rows, woe in variables[names[i]]:
            own = round(-c * woe * factor + base / len(kept))
            lines.append((names[i], shown, own))
            points[rows] += own
    pd.DataFrame(lines, columns=["Variable", "Bin", "Points"]).to_csv(
        folder / "card.csv", index=False, lineterminator="\n"
    )
    validation = points[part == "validation"]
    metrics = {
        "variables": [names[i] for i in kept],
        "auc": {p: round(roc_auc_score(bad[part == p], -points[part == p]), 5) for p in ("train", "validation", "test")},
        "approve_from": int(np.quantile(validation, 0.4)),
        "refer_from": int(np.quantile(validation, 0.2)),
    }
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    score = pd.DataFrame({"id": data.id, "points": points.astype(int)})
    score.to_csv(folder / "points.csv", index=False, lineterminator="\n")
    print(json.dumps(metrics))


main()
