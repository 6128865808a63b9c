"""Train the zoo's `fraud` on simulated applicants: a GRU over transactions beside the applicant's fields.

    python fraud_simulator.py    # the zoo's data
    python fraud.py              # the net, the baselines, metrics.json
    python fraud.py --look       # the validation part's figures alone

**All data is simulated** (`fraud_simulator.py`): a figure here says that the net can read what the simulator wrote,
and nothing about fraud.

The net learns from 16 000 applicants that the simulator makes with another seed and that nobody keeps; what the
repository has of data is a part to calibrate with, one to choose on, one read once. Two inputs: `sequence`
[48, 11], the last 48 transactions, zeros before them where there are fewer, and `fields` [17]. Two runs on one kind
of processor write the same files.
"""

from __future__ import annotations

import argparse
import json
import warnings

import export
import fraud_simulator as simulator
import lightgbm
import metrics
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

ZOO = simulator.ZOO
LEARNED, ROWS = 16000, 48
SEED, EPOCHS, BATCH, HIDDEN, DENSE = 7, 14, 128, 24, 32


def number(text: object) -> float:
    """A number, or NaN of nothing."""
    return float("nan") if text == "" else float(text)


def logs(x: np.ndarray) -> np.ndarray:
    """ln(1 + x)."""
    return np.log1p(np.maximum(x, 0.0))


NUMBERS = ("income", "amount", "account_months", "device_days")
# What lies in rows, and its limits: minutes, money, money.
CELLS = {"gap": (0, 43200), "amount": (0, 5000), "balance": (0, 20000)}


def fit(people: list[simulator.Applicant]) -> dict[str, dict[str, float]]:
    """Mean and deviation of every logarithm, and what stands for what is missing."""
    fitted = {}
    for name in NUMBERS:
        values = np.array([number(a.fields[name]) for a in people])
        known = values[~np.isnan(values)]
        fitted[name] = {"mean": logs(known).mean(), "std": logs(known).std()}
        if len(known) < len(values):
            fitted[name]["impute"] = np.median(known)
    for name, at in zip(CELLS, (0, 2, 3)):
        values = logs(np.clip([row[at] for a in people for row in a.rows[-ROWS:]], *CELLS[name]))
        fitted[f"transactions.rows.{name}"] = {"mean": values.mean(), "std": values.std()}
    return {name: {key: round(float(value), 4) for key, value in own.items()} for name, own in fitted.items()}


def of_fields(people: list[simulator.Applicant], fitted: dict) -> np.ndarray:
    """[n, 17]: logarithms, flags, categories, in the recipe's order."""
    out = []
    for name in NUMBERS:
        values = np.array([number(a.fields[name]) for a in people])
        missing = np.isnan(values)
        own = fitted[name]
        values = np.where(missing, own.get("impute", 0.0), values)
        out.append((logs(values) - own["mean"]) / own["std"])
        if "impute" in own:
            out.append(missing)
    out.append(np.array([float(a.fields["term"]) for a in people]) / 6.0)
    for name, codes in (("identity", ("basic", "full")), ("channel", simulator.CHANNELS), ("region", simulator.REGIONS)):
        out += [np.array([a.fields[name] == code for a in people]) for code in codes]
    return np.stack(out, axis=1).astype(np.float32)


def of_rows(people: list[simulator.Applicant], fitted: dict) -> np.ndarray:
    """[n, 48, 11]: gap, kind, amount, balance, known."""
    out = np.zeros((len(people), ROWS, 4 + len(simulator.KINDS)), np.float32)

    def scaled(name: str, x: tuple[int, ...]) -> np.ndarray:
        own = fitted[f"transactions.rows.{name}"]
        return (logs(np.clip(x, *CELLS[name])) - own["mean"]) / own["std"]

    for at, person in enumerate(people):
        rows = person.rows[-ROWS:]
        if not rows:
            continue
        gap, kind, amount, balance, known = zip(*rows)
        own = out[at, ROWS - len(rows) :]
        own[:, 0] = scaled("gap", gap)
        own[np.arange(len(rows)), [1 + simulator.KINDS.index(code) for code in kind]] = 1.0
        own[:, 8], own[:, 9], own[:, 10] = scaled("amount", amount), scaled("balance", balance), known
    return out


def aggregates(people: list[simulator.Applicant]) -> np.ndarray:
    """What an analyst would make of the same rows: counts and sums by kind, all and in the last week, gaps, balances,
    strangers, and how much of what came in left within the hour."""
    out = []
    for person in people:
        rows = person.rows[-ROWS:]
        found = []
        age = np.cumsum([row[0] for row in rows[::-1]])[::-1] - np.array([row[0] for row in rows]) if rows else np.array([])
        for recent in (False, True):
            some = [row for row, minutes in zip(rows, age) if not recent or minutes < 7 * 1440]
            for kind in simulator.KINDS:
                amounts = [row[2] for row in some if row[1] == kind]
                found += [len(amounts), sum(amounts)]
            strangers = [row for row in some if not row[4]]
            found += [len(strangers), sum(row[2] for row in strangers), len(some)]
        gaps, balances = [row[0] for row in rows[1:]] or [0], [row[3] for row in rows] or [0]
        found += [np.mean(gaps), np.min(gaps), np.std(gaps), np.median(gaps), balances[-1], np.mean(balances), np.min(balances), np.max(balances)]
        quick, quick_sum, minutes_in = 0, 0, 1e9
        for gap, kind, amount, _, _ in rows:
            minutes_in += gap
            if kind in ("in", "got"):
                minutes_in = 0
            elif kind in ("out", "send") and minutes_in <= 60:
                quick, quick_sum = quick + 1, quick_sum + amount
        arrived = sum(row[2] for row in rows if row[1] in ("in", "got"))
        found += [quick, quick_sum, quick_sum / max(arrived, 1)]
        out.append(found)
    return np.array(out, np.float64)


def write_fitted(fitted: dict) -> None:
    """What the recipe extends. The order of a row's features is that of the lowest file: it names them all."""
    rows = {f"transactions.rows.{name}": {"from": f'"{name}"'} for name in ("gap", "kind", "amount", "balance", "known")}
    features = {name: own for name, own in fitted.items() if name in NUMBERS}
    features |= {name: own | fitted.get(name, {}) for name, own in rows.items()}
    export.fitted(ZOO / "fitted.toml", "fraud.py", features)


class Net(nn.Module):
    """A GRU's last state beside the fields, then two dense layers."""

    def __init__(self, cells: int, fields: int, bias: float) -> None:
        super().__init__()
        self.rows = nn.GRU(cells, HIDDEN, batch_first=True)
        self.head = nn.Sequential(nn.Linear(HIDDEN + fields, DENSE), nn.ReLU(), nn.Dropout(0.1), nn.Linear(DENSE, 1))
        nn.init.constant_(self.head[3].bias, bias)

    def forward(self, sequence: torch.Tensor, fields: torch.Tensor) -> torch.Tensor:
        """Log-odds of fraud."""
        states, _ = self.rows(sequence)
        return self.head(torch.cat([states[:, -1], fields], dim=1))


def train(sequence: np.ndarray, fields: np.ndarray, label: np.ndarray) -> Net:
    """AdamW with a warm-up and a cosine's fall, and the running average of the weights."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    net = Net(sequence.shape[2], fields.shape[1], float(metrics.logit(label.mean())))
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=EPOCHS * (len(label) // BATCH), pct_start=0.2)
    x, z, y = torch.from_numpy(sequence), torch.from_numpy(fields), torch.from_numpy(label.astype(np.float32))
    order = np.random.default_rng(SEED)
    net.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in order.permutation(len(label))[: len(label) // BATCH * BATCH].reshape(-1, BATCH):
            loss = nn.functional.binary_cross_entropy_with_logits(net(x[batch], z[batch]).squeeze(1), y[batch])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            mean.update_parameters(net)
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: {total * BATCH / len(label):.4f}", flush=True)
    return mean.module.eval()


def main() -> None:
    """Data, net, baselines, figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--look", action="store_true", help="show the validation part's figures alone, write nothing")
    look = parser.parse_args().look
    warnings.filterwarnings("ignore")
    learned = simulator.applicants(LEARNED, simulator.TRAINING_SEED, "L")
    everyone = simulator.applicants(sum(simulator.PARTS.values()), simulator.SEED, "W")
    part = np.array([name for name, count in simulator.PARTS.items() for _ in range(count)])
    fitted = fit(learned)
    bad = lambda people: np.array([person.fraud == "yes" for person in people], int)
    label, own = bad(learned), bad(everyone)
    seen = of_rows(learned, fitted), of_fields(learned, fitted)
    given = of_rows(everyone, fitted), of_fields(everyone, fitted)
    made = np.hstack([aggregates(learned), seen[1]]), np.hstack([aggregates(everyone), given[1]])

    models = {}
    held = np.flatnonzero(part == "validation")
    settings = {
        "objective": "binary", "learning_rate": 0.03, "num_leaves": 15, "min_data_in_leaf": 40, "feature_fraction": 0.6,
        "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5.0, "seed": SEED, "num_threads": 1, "deterministic": True, "verbose": -1,
    }  # fmt: skip
    for name, (x, y) in {
        "LightGBM on aggregates and fields": made,
        "LightGBM on fields alone": (seen[1], given[1]),
    }.items():
        checks = lightgbm.Dataset(y[held], own[held])
        trees = lightgbm.train(settings, lightgbm.Dataset(x, label), 800, [checks], callbacks=[lightgbm.early_stopping(60, verbose=False)])
        models[name] = trees.predict(y, raw_score=True)
    scale = logs(made[0]).mean(axis=0), logs(made[0]).std(axis=0) + 1e-9
    wide = lambda x: (logs(x) - scale[0]) / scale[1]
    regression = LogisticRegression(C=0.1, max_iter=500).fit(wide(made[0]), label)
    models["logistic regression on aggregates and fields"] = regression.decision_function(wide(made[1]))
    net = train(*seen, label)
    with torch.no_grad():
        logits = net(*map(torch.from_numpy, given)).squeeze(1).numpy().astype(np.float64)
    models = {"GRU": logits} | models
    shown = ("validation",) if look else ("validation", "test")
    figures = {
        model: {name: metrics.summary(own[part == name], metrics.sigmoid(values[part == name])) for name in shown}
        for model, values in models.items()
    }
    print(json.dumps(figures, indent=1))
    if look:
        return
    test = part == "test"
    best = max((name for name in models if name != "GRU"), key=lambda name: figures[name]["validation"]["auc"])
    record = {
        "data": "simulated",
        "learned_from": {"applicants": LEARNED, "fraud": int(label.sum())},
        "parts": {name: {"applicants": count, "fraud": int(own[part == name].sum())} for name, count in simulator.PARTS.items()},
        "models": figures,
        "test_auc_interval": {name: metrics.auc_interval(own[test], values[test]) for name, values in models.items()},
        "best_baseline_on_validation": best,
        "test_auc_minus_best_baseline": metrics.auc_interval(own[test], logits[test], models[best][test]),
        "policy": metrics.scores(logits[part == "validation"], 0.85, 0.95),
    }
    (ZOO / "metrics.json").write_text(json.dumps(record, indent=1) + "\n")
    write_fitted(fitted)
    rows = {"sequence": given[0][test], "fields": given[1][test]}
    export.export(net, rows, logits[test], ZOO / "model.onnx")
    simulator.write(ZOO / "predictions.csv", ("id", "logit"), [(a.id, f"{value:.5f}") for a, value in zip(everyone, logits)])


if __name__ == "__main__":
    main()
