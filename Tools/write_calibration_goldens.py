"""Writes Tests/MafinMethodTests/Goldens/calibration.json: scales of both halves fitted by scipy.

This script has its own implementation of the likelihood (float64, autograd). It minimises it by L-BFGS-B within the bounds. If both weights
are above zero, a root finder on the gradient refines the result. Standard errors come from autograd's Hessian.
Run: python Tools/write_calibration_goldens.py
"""

import json
import pathlib

import goldens
import numpy as np
import torch
from scipy.optimize import minimize, root

TARGET = pathlib.Path(__file__).parent.parent / "Tests/MafinMethodTests/Goldens/calibration.json"
BOUND = 1000.0  # 1 / the smallest temperature


def label_distribution(case, row):
    grades = dict((int(c), g) for c, g in case["relevant"][row])
    candidates = [c for c in range(case["columns"]) if c not in case["masked"][row]]
    g = np.array([grades.get(c, 0.0) for c in candidates])
    if case["target_temperature"]:
        weights = np.exp(g / case["target_temperature"])
    else:
        weights = 2**g - 1
    return candidates, torch.tensor(weights / weights.sum())


def likelihood(case):
    x = torch.tensor(case["black_box"], dtype=torch.float64).view(case["rows"], case["columns"])
    y = torch.tensor(case["local"], dtype=torch.float64).view(case["rows"], case["columns"])
    rows = [(r, *label_distribution(case, r)) for r in range(case["rows"]) if case["relevant"][r]]

    def loss(weights):
        total = 0
        for row, candidates, target in rows:
            z = weights[0] * x[row, candidates] + weights[1] * y[row, candidates]
            total = total - (target * torch.log_softmax(z, 0)).sum()
        return total / len(rows)

    return loss, len(rows)


def fit(case):
    loss, count = likelihood(case)

    def value_and_gradient(weights):
        w = torch.tensor(weights, dtype=torch.float64, requires_grad=True)
        value = loss(w)
        value.backward()
        return value.item(), w.grad.numpy()

    def hessian(weights):
        return torch.autograd.functional.hessian(loss, torch.tensor(weights, dtype=torch.float64)).numpy()

    found = minimize(
        value_and_gradient, [1.0, 1.0], jac=True, method="L-BFGS-B", bounds=[(0, None), (0, None)],
        options={"ftol": 1e-16, "gtol": 1e-12, "maxiter": 1000},
    )
    weights = found.x
    free = [i for i in range(2) if weights[i] > 0]

    def embed(part):
        full = np.zeros(2)
        full[free] = part
        return full

    polished = root(
        lambda part: value_and_gradient(embed(part))[1][free], weights[free],
        jac=lambda part: hessian(embed(part))[np.ix_(free, free)], tol=1e-14,
    )
    weights = embed(polished.x)
    assert weights.sum() < BOUND, "a case whose labels can be told apart has no finite optimum"
    covariance = np.linalg.inv(hessian(weights)[np.ix_(free, free)] * count)
    a, b = weights
    jacobian = np.array([-b, a]) / (a + b) ** 2
    return {
        "black_box": a,
        "local": b,
        "loss": value_and_gradient(weights)[0],
        "lambda_standard_error": float(np.sqrt(jacobian @ covariance @ jacobian)) if len(free) == 2 else None,
        "log_temperature_standard_error": float(np.sqrt(covariance.sum()) / (a + b)),
    }


def make(seed, rows, columns, black_box, local, target_temperature=None):
    """black_box, local: (mean, spread, how far relevant documents lie above the mean)."""
    generator = np.random.default_rng(seed)
    relevant, masked = [], []
    grades = np.zeros((rows, columns))
    for row in range(rows):
        order = generator.permutation(columns).tolist()
        count = int(generator.integers(0, 5))
        relevant.append([[c, float(generator.integers(1, 3))] for c in order[:count]])
        masked.append(order[count : count + int(generator.integers(0, 3))])
        for column, grade in relevant[-1]:
            grades[row, column] = grade

    def half(mean, spread, gain):
        noise = generator.normal(size=(rows, columns)) * spread
        return (mean + noise + gain * np.sqrt(grades)).astype(np.float32).round(6).astype(np.float32)

    case = {
        "rows": rows, "columns": columns, "relevant": relevant, "masked": masked,
        "target_temperature": target_temperature,
        "black_box": half(*black_box).flatten().tolist(), "local": half(*local).flatten().tolist(),
    }
    case["expected"] = fit(case)
    print(case["expected"])
    return case


def main():
    versions = goldens.check("numpy", "scipy", "torch")
    cases = {
        "both halves": make(1, 20, 45, (0.3, 0.1, 0.08), (0.2, 0.12, 0.15)),
        "narrow black box": make(2, 16, 50, (0.85, 0.02, 0.03), (0.1, 0.11, 0.08)),
        "softmax target": make(3, 16, 31, (0.4, 0.05, 0.04), (0.1, 0.1, 0.1), target_temperature=0.5),
        "local half against the labels": make(4, 16, 40, (0.3, 0.1, 0.1), (0.1, 0.1, -0.1)),
        "black box against the labels": make(5, 16, 40, (0.3, 0.1, -0.1), (0.1, 0.1, 0.12)),
    }
    TARGET.write_text(json.dumps(cases) + "\n")
    goldens.record(TARGET.parent, __file__, versions, TARGET.name)
    print(TARGET, TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
