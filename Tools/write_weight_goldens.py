"""Writes Tests/MafinMethodTests/Goldens/weights.json: weights of n sources fitted by scipy.

This script has its own implementation of the likelihood (float64, NumPy). SLSQP minimises it within the constraints, and Newton steps on
the constraints that hold there refine the result. Run: python Tools/write_weight_goldens.py
"""

import json
import pathlib

import goldens
import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

TARGET = pathlib.Path(__file__).parent.parent / "Tests/MafinMethodTests/Goldens/weights.json"


def rows_of(case):
    """For each labelled query the scores of its candidates, (sources, candidates), the label distribution, and its weight."""
    start = 0
    scores = np.array(case["scores"], dtype=np.float32).astype(np.float64)
    weights = case.get("row_weights", [1] * len(case["candidates"]))
    for count, relevant, masked, weight in zip(case["candidates"], case["relevant"], case["masked"], weights):
        kept = [c for c in range(count) if c not in masked]
        gains = np.zeros(count)
        for column, grade in relevant:
            gains[column] = 2**grade - 1
        if relevant:
            yield scores[:, start : start + count][:, kept], (gains / gains.sum())[kept], weight
        start += count


def expansion(rows, weights):
    value, gradient, hessian = 0.0, np.zeros(len(weights)), np.zeros((len(weights), len(weights)))
    for x, q, r in rows:
        z = weights @ x
        p = np.exp(z - logsumexp(z))
        value += r * (logsumexp(z) - q @ z)
        centred = x - (x @ p)[:, None]
        gradient += r * (x @ p - x @ q)
        hessian += r * (centred * p) @ centred.T
    total = sum(r for _, _, r in rows)
    return value / total, gradient / total, hessian / total


def fit(case):
    rows = list(rows_of(case))
    n = len(case["scores"])
    spreads = np.sqrt(np.average([x.var(axis=1) for x, _, _ in rows], axis=0, weights=[r for _, _, r in rows]))
    costs = spreads if case["bound_of"] == "spread" else np.ones(n)
    # In units of the spreads, as SLSQP does not rescale variables.
    found = minimize(
        lambda u: expansion(rows, u / spreads)[0], np.full(n, 0.1), jac=lambda u: expansion(rows, u / spreads)[1] / spreads,
        method="SLSQP", bounds=[(0, None)] * n, options={"ftol": 1e-15, "maxiter": 2000},
        constraints=[{"type": "ineq", "fun": lambda u: case["bound"] - costs @ (u / spreads), "jac": lambda u: -costs / spreads}],
    )
    weights = found.x / spreads
    free = found.x > 1e-5
    at_bound = bool(costs @ weights > case["bound"] * (1 - 1e-6))
    weights[~free] = 0
    for _ in range(10):
        _, gradient, hessian = expansion(rows, weights)
        system, right = hessian[np.ix_(free, free)], -gradient[free]
        if at_bound:
            c = costs[free][:, None]
            system = np.block([[system, c], [c.T, np.zeros((1, 1))]])
            right = np.append(right, case["bound"] - costs @ weights)
        solution = np.linalg.solve(system, right)
        weights[free] += solution[: free.sum()]
    value, gradient, hessian = expansion(rows, weights)
    # The conditions of Karush, Kuhn and Tucker.
    multiplier = solution[-1] if at_bound else 0
    assert multiplier >= 0 and (weights >= 0).all()
    assert np.abs((gradient + multiplier * costs)[free]).max() < 1e-12 and (gradient + multiplier * costs)[~free].min(initial=1) > 0
    return {
        "weights": weights.tolist(), "loss": value, "uniform_loss": expansion(rows, np.zeros(n))[0],
        "spreads": spreads.tolist(), "is_at_bound": at_bound, "hessian": hessian.flatten().tolist(),
    }


def make(seed, queries, candidates, sources, bound=("spread", 100.0), is_weighted=False):
    """candidates: from and to, per query. sources: for each the mean, the spread, and how far relevant candidates lie above the mean."""
    generator = np.random.default_rng(seed)
    counts, relevant, masked, gains = [], [], [], []
    for _ in range(queries):
        count = int(generator.integers(candidates[0], candidates[1] + 1))
        order = generator.permutation(count).tolist()
        labels = int(generator.integers(0, 4))
        counts.append(count)
        relevant.append([[c, float(generator.integers(1, 3))] for c in order[:labels]])
        masked.append(order[labels : labels + int(generator.integers(0, 3))])
        row = np.zeros(count)
        for column, grade in relevant[-1]:
            row[column] = np.sqrt(grade)
        gains.append(row)
    gains = np.concatenate(gains)
    scores = [
        (mean + spread * generator.normal(size=len(gains)) + gain * gains).round(4).tolist()
        for mean, spread, gain in sources
    ]
    case = {"candidates": counts, "relevant": relevant, "masked": masked, "scores": scores, "bound_of": bound[0], "bound": bound[1]}
    if is_weighted:
        case["row_weights"] = generator.choice([0.0, 0.25, 0.75, 1.0], size=queries).tolist()
    case["expected"] = fit(case)
    print(case["expected"]["weights"], case["expected"]["is_at_bound"])
    return case


def main():
    versions = goldens.check("numpy", "scipy")
    cosine, lexical, noise, opposed = (0.7, 0.05, 0.05), (9, 4, 6), (0.1, 0.2, 0), (0.2, 0.1, -0.1)
    cases = {
        "two sources": make(1, 16, (30, 30), [cosine, lexical]),
        "two sources at the bound of the sum": make(2, 16, (30, 30), [cosine, (0.3, 0.1, 0.1)], ("sum", 10.0)),
        "three sources, lists of unequal length": make(3, 20, (5, 40), [cosine, lexical, opposed]),
        "three sources at the bound of the spread": make(4, 16, (20, 30), [cosine, lexical, (0, 1, 1)], ("spread", 0.8)),
        "six sources": make(5, 30, (10, 30), [cosine, lexical, noise, opposed, (0, 1, 0.7), (0, 1, 0)]),
        "six sources at the bound of the spread": make(
            6, 30, (10, 30), [cosine, lexical, noise, opposed, (0, 1, 0.7), (0, 1, 0)], ("spread", 1.5)),
        "three sources, queries of different weight": make(7, 40, (10, 30), [cosine, lexical, (0, 1, 0.7)], is_weighted=True),
    }
    TARGET.write_text(json.dumps(cases) + "\n")
    goldens.record(TARGET.parent, __file__, versions, TARGET.name)
    print(TARGET, TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
