"""Simulates the zoo's `fraud`: applicants for a mobile-money loan, and what their wallets did before.

    python fraud_simulator.py                  # rewrite models/zoo/fraud/{data,transactions,splits,applications}.csv

**All of it is made up.** No person, wallet or lender stands behind a row, and no parameter was fitted to any. It is
here because no public set of this kind can be had; it shows how a bundle reads a table of rows, and says nothing about
how well any model finds fraud.

## What is simulated

Ninety days of a wallet up to an application for a loan, as transactions: minutes since the one before (the first:
since the ninety days began), kind (`in` cash-in, `out` cash-out, `send` transfer out, `got` transfer in, `air` airtime,
`pay` merchant, `bill`), amount, balance after it, and whether the wallet had dealt with the other side before.

Honest applicants are of five ways of life, each with amounts, rhythms and a share of the population: wage earners,
traders (much money in and out again, many strangers), farmers (few, large, seasonal), senders (relatives live on what
they send on) and students. What comes is often handed on, by some within the hour. Some have
had an unusual week before they apply: a burial, a move, a new telephone.

Dishonest ones, about one in fifteen:
- *mules* (40 %): from some day on money comes in from strangers and leaves within minutes, by cash-out or to somebody
  else, most of it, beside an ordinary life;
- *takeovers* (30 %): an ordinary life, until somebody else holds the telephone: a test of a small sum, then the balance
  leaves in a few steps within hours, airtime is bought, and a loan is asked for;
- *synthetic identities* (30 %): a young account whose money goes round, in, on, in and out between few wallets, in
  turn and in sums alike, beside a thin daily life.

Fields lean the same way, weakly: young accounts, new devices, basic identification, larger sums asked for. What makes
the label uncertain: 12 % of the dishonest are never found out and stand as good, 0.4 % of the honest stand as
fraud, and a third of the dishonest act for a few days only. Region leans no way at all.

Python's Mersenne Twister alone draws, and every number is rounded to a whole one: the files are the same on every
machine.
"""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path
from typing import NamedTuple

ZOO = Path(__file__).resolve().parents[1] / "zoo" / "fraud"
SEED, TRAINING_SEED = 20260, 20261
WINDOW = 90 * 24 * 60
# So many are written, the last ones: a few more than the model reads.
LONGEST = 50
KINDS = ("in", "out", "send", "got", "air", "pay", "bill")
REGIONS, CHANNELS = ("north", "east", "south", "west", "centre"), ("app", "ussd", "agent")
FIELDS = ("income", "amount", "term", "account_months", "device_days", "identity", "channel", "region")


class Event(NamedTuple):
    """A transaction before balances are known: minutes since the window began."""

    at: float
    kind: str
    amount: float
    known: bool


class Life(NamedTuple):
    """A way of life: name, share, monthly income, transactions a day, weights of kinds, share of known others."""

    name: str
    share: float
    income: float
    rate: float
    weights: dict[str, float]
    known: float


LIVES = {
    "wage": Life("wage", 0.34, 420, 0.2, {"out": 3, "send": 2, "got": 1, "air": 3, "pay": 4, "bill": 2, "in": 1}, 0.8),
    "trader": Life("trader", 0.2, 600, 0.36, {"got": 6, "out": 3, "send": 4, "air": 1, "pay": 3, "bill": 1, "in": 2}, 0.45),
    "farmer": Life("farmer", 0.14, 260, 0.11, {"got": 2, "out": 4, "send": 1, "air": 2, "pay": 1, "bill": 1, "in": 2}, 0.7),
    "sender": Life("sender", 0.2, 480, 0.19, {"send": 6, "in": 3, "air": 2, "pay": 2, "bill": 1, "got": 1, "out": 1}, 0.85),
    "student": Life("student", 0.12, 150, 0.22, {"got": 4, "air": 5, "pay": 5, "out": 2, "send": 1, "bill": 0.5, "in": 0.5}, 0.6),
}
# How large a transaction is, as a share of a month's income.
SIZES = {"in": 0.18, "out": 0.14, "send": 0.1, "got": 0.16, "air": 0.012, "pay": 0.05, "bill": 0.09}


class Draw(random.Random):
    """Draws in words of this page."""

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self.random() < share

    def spread(self, middle: float, width: float) -> float:
        """Around `middle` by a factor: log-normal."""
        return middle * math.exp(self.gauss(0.0, width))

    def wait(self, mean: float) -> float:
        """An exponential waiting time."""
        return -mean * math.log(1.0 - self.random())

    def pick(self, weights: dict[str, float]) -> str:
        """A key by weight."""
        at = self.random() * sum(weights.values())
        for key, weight in weights.items():
            at -= weight
            if at < 0:
                return key
        return next(iter(weights))


def tidy(draw: Draw, event: Event) -> float:
    """Most people move round sums."""
    step = 5.0 if event.amount < 100 else 10.0
    round_one = event.kind not in ("pay", "bill") and draw.chance(0.7)
    return max(step, round(event.amount / step) * step) if round_one else event.amount


def daily(draw: Draw, life: Life, income: float, until: float) -> list[Event]:
    """An ordinary life: wages or the like on a day of the month, and what is between."""
    events, rate = [], draw.spread(life.rate, 0.45)
    known = 1.0 - min(0.95, draw.spread(1.0 - life.known, 0.5))
    # How often what came is handed on, and how soon: some live by it.
    passes = min(0.8, draw.spread({"trader": 0.4, "sender": 0.45}.get(life.name, 0.15), 0.5))
    soon = draw.spread(110, 0.9)
    payday, at = draw.random() * 43200, 0.0
    while payday < until:
        events.append(Event(payday, "got", draw.spread(0.7 * income, 0.2), True))
        payday += 43200 + draw.gauss(0.0, 1400.0)
    while (at := at + draw.wait(1440 / rate)) < until:
        kind = draw.pick(life.weights)
        # Nights are quiet.
        moved = at + 420 if at % 1440 < 360 else at
        size = draw.spread(SIZES[kind] * income, 0.6)
        if moved < until:
            events.append(Event(moved, kind, size, draw.chance(known)))
        if kind in ("got", "in") and draw.chance(passes) and (later := moved + draw.wait(soon) + 3) < until:
            events.append(Event(later, "out" if draw.chance(0.5) else "send", size * (0.3 + 0.7 * draw.random()), draw.chance(known)))
    return [event._replace(amount=tidy(draw, event)) for event in events]


def unusual(draw: Draw, income: float) -> list[Event]:
    """An unusual week of an honest life: large sums to strangers, much airtime, at any hour."""
    start = WINDOW - draw.wait(2500) - 90
    events = [Event(start, "got", draw.spread(0.5 * income, 0.4), draw.chance(0.5))] if draw.chance(0.6) else []
    for _ in range(2 + int(draw.random() * 5)):
        start += draw.wait(draw.spread(110, 0.8)) + 3
        kind = draw.pick({"out": 3, "send": 4, "pay": 2, "air": 2})
        events.append(Event(start, kind, draw.spread(SIZES[kind] * 1.8 * income, 0.5), draw.chance(0.35)))
    return [event for event in events if event.at < WINDOW]


def mule(draw: Draw, income: float, short: bool) -> list[Event]:
    """Money through the wallet: in from strangers, out within minutes."""
    start = WINDOW - (draw.spread(3, 0.3) if short else draw.spread(22, 0.4)) * 1440
    events, at = [], max(0.0, start)
    while (at := at + draw.wait(1440 * (0.9 if short else 4.0))) < WINDOW:
        amount = draw.spread(0.22 * income, 0.5)
        events.append(Event(at, "got", amount, draw.chance(0.3)))
        left, out = amount * (0.75 + 0.25 * draw.random()), at
        for _ in range(1 + int(draw.random() * 2.2)):
            out += draw.wait(40) + 2
            part = left * (0.5 + 0.5 * draw.random())
            left -= part
            if out < WINDOW:
                events.append(Event(out, "out" if draw.chance(0.6) else "send", part, draw.chance(0.35)))
    return events


def takeover(draw: Draw, income: float) -> list[Event]:
    """Somebody else holds the telephone: a test, then the balance leaves in a few steps."""
    at = WINDOW - draw.wait(500) - 90
    events = [Event(at, "send", draw.spread(0.01 * income, 0.5), False)] if draw.chance(0.7) else []
    for _ in range(2 + int(draw.random() * 4)):
        at += draw.wait(60) + 3
        kind = draw.pick({"send": 4, "out": 3, "air": 2})
        size = 0.03 if kind == "air" else 0.2
        events.append(Event(at, kind, draw.spread(size * income, 0.4), draw.chance(0.25)))
    return [event for event in events if event.at < WINDOW]


def synthetic(draw: Draw, income: float, until: float) -> list[Event]:
    """A life that somebody thought up: round sums between the same few wallets at even distances."""
    events, step = [], draw.spread(2600, 0.3)
    at, turn = WINDOW - until * 0.9, 0
    while at < WINDOW - 30:
        kind = ("got", "send", "in", "out")[turn % 4] if draw.chance(0.6) else draw.pick(LIVES["wage"].weights)
        amount = draw.spread(0.2 * income, 0.3)
        events.append(Event(at, kind, amount if kind in ("got", "send", "in", "out") else 0.15 * amount, draw.chance(0.75)))
        at += step * (0.5 + draw.random())
        turn += 1
    return [event._replace(amount=tidy(draw, event)) for event in events]


def wallet(events: list[Event], opening: float) -> list[tuple[int, str, int, int, int]]:
    """Rows with balances: nothing leaves that is not there, and nobody sends less than one."""
    rows, balance, before = [], int(opening), 0
    for event in sorted(events):
        arrives = event.kind in ("in", "got")
        amount = int(event.amount)
        if not arrives:
            amount = min(amount, balance)
        if amount < 1:
            continue
        balance += amount if arrives else -amount
        at = int(event.at)
        rows.append((at - before, event.kind, amount, balance, int(event.known)))
        before = at
    return rows


def applicant(draw: Draw) -> tuple[dict[str, object], str, list[tuple[int, str, int, int, int]]]:
    """Fields, label, rows."""
    life = LIVES[draw.pick({name: life.share for name, life in LIVES.items()})]
    income = draw.spread(life.income, 0.45)
    kind = draw.pick({"honest": 0.934, "mule": 0.0264, "takeover": 0.0198, "synthetic": 0.0198})
    months = draw.spread(22, 0.9)
    device = draw.spread(200, 1.0)
    basic, asked = 0.3, draw.spread(0.8, 0.5)
    short = draw.chance(1 / 3)
    if kind == "synthetic":
        months, basic, asked = draw.spread(11, 0.8), 0.42, draw.spread(1.0, 0.5)
        events = synthetic(draw, income, min(WINDOW, months * 43200)) + daily(draw, life._replace(rate=0.5 * life.rate), 0.6 * income, WINDOW)
        if short:
            events = [event for event in events if event.at > WINDOW * 0.6] + daily(draw, life, income, WINDOW * 0.6)
    else:
        events = daily(draw, life, income, WINDOW)
        if kind == "mule":
            months, basic = draw.spread(13, 0.9), 0.38
            events += mule(draw, income, short)
        elif kind == "takeover":
            asked = draw.spread(0.95, 0.5)
            device = draw.spread(4, 1.0) if draw.chance(0.4) else device
            theirs = takeover(draw, income)
            first = min((event.at for event in theirs), default=WINDOW)
            events = [event for event in events if event.at < first] + theirs
        elif draw.chance(0.2):
            events += unusual(draw, income)
            device = draw.spread(5, 1.0) if draw.chance(0.25) else device
    start = max(0.0, WINDOW - months * 43200)
    rows = wallet([event for event in events if event.at >= start], draw.spread(0.25 * income, 0.8))
    fraud = draw.chance(0.88) if kind != "honest" else draw.chance(0.004)
    # What is declared is flattered, and sometimes not said.
    declared = int(round(draw.spread(income * 1.08, 0.15) / 10.0)) * 10
    fields = {
        "income": "" if draw.chance(0.07) else max(20, declared),
        "amount": max(20, int(round(income * asked * 0.5 / 5.0)) * 5),
        "term": (1, 2, 3, 6)[int(draw.random() * 4)],
        "account_months": max(0, min(120, int(months))),
        "device_days": "" if draw.chance(0.05) else max(0, min(1500, int(min(device, months * 30)))),
        "identity": "basic" if draw.chance(basic) else "full",
        "channel": draw.pick({"app": 5, "ussd": 3, "agent": 2}),
        "region": REGIONS[int(draw.random() * 5)],
    }
    return fields, "yes" if fraud else "no", rows


class Applicant(NamedTuple):
    """One of them with an id."""

    id: str
    fields: dict[str, object]
    fraud: str
    rows: list[tuple[int, str, int, int, int]]


def applicants(count: int, seed: int, letter: str) -> list[Applicant]:
    """So many applicants, in the order of their ids."""
    draw = Draw(seed)
    return [Applicant(f"{letter}{at + 1}", *applicant(draw)) for at in range(count)]


def write(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    """A CSV file."""
    with path.open("w", newline="", encoding="ascii") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


# What is committed: a part to calibrate with, one to choose on, one to read once. The net learns from others.
PARTS = {"train": 400, "validation": 650, "test": 1150}


def main() -> None:
    """The files of the zoo."""
    ZOO.mkdir(parents=True, exist_ok=True)
    everyone = applicants(sum(PARTS.values()), SEED, "W")
    part = [name for name, count in PARTS.items() for _ in range(count)]
    write(ZOO / "data.csv", ("id", "fraud", *FIELDS), [(a.id, a.fraud, *a.fields.values()) for a in everyone])
    write(ZOO / "splits.csv", ("id", "part"), [(a.id, name) for a, name in zip(everyone, part)])
    rows = [(a.id, *row) for a in everyone for row in a.rows[-LONGEST:]]
    write(ZOO / "transactions.csv", ("id", "gap", "kind", "amount", "balance", "known"), rows)
    # Samples for the command: the first twelve of the test part, and its first twelve frauds.
    test = [a for a, name in zip(everyone, part) if name == "test"]
    chosen = {a.id for a in test[:12]} | {a.id for a in [a for a in test if a.fraud == "yes"][:12]}
    write(ZOO / "applications.csv", ("id", *FIELDS), [(a.id, *a.fields.values()) for a in test if a.id in chosen])
    write(ZOO / "history.csv", ("id", "gap", "kind", "amount", "balance", "known"), [row for row in rows if row[0] in chosen])


if __name__ == "__main__":
    main()
