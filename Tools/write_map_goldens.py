"""Writes Tests/MafinPipelineTests/Goldens/vector-maps.json: maps between two spaces, fitted by NumPy and SciPy.

Procrustes by SciPy for equal dimensions and by the singular value decomposition otherwise. Ridge maps are least squares on data with extra
rows, and low-rank maps are cut by the singular value decomposition of what a ridge map fits to these rows. Run: python Tools/write_map_goldens.py
"""

import json
import pathlib

import goldens
import numpy as np
from scipy.linalg import orthogonal_procrustes

TARGET = pathlib.Path(__file__).parent.parent / "Tests/MafinPipelineTests/Goldens/vector-maps.json"


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def procrustes(x, y):
    if x.shape[1] == y.shape[1]:
        return orthogonal_procrustes(x, y)[0].T
    u, _, v = np.linalg.svd(y.T @ x, full_matrices=False)
    return u @ v


def ridge(x, y, strength):
    """W, b, and the fit of the centred rows with the rows of the penalty below them."""
    mean_x, mean_y = x.mean(0), y.mean(0)
    centred = x - mean_x
    penalty = np.sqrt(strength * np.trace(centred.T @ centred) / x.shape[1])
    rows = np.vstack([centred, penalty * np.eye(x.shape[1])])
    targets = np.vstack([y - mean_y, np.zeros((x.shape[1], y.shape[1]))])
    w = np.linalg.lstsq(rows, targets, rcond=None)[0].T
    return w, mean_y - w @ mean_x, rows @ w.T, (mean_x, mean_y)


def low_rank(x, y, strength, rank):
    w, _, fitted, (mean_x, mean_y) = ridge(x, y, strength)
    directions = np.linalg.svd(fitted, full_matrices=False)[2][:rank]
    w = directions.T @ directions @ w
    return w, mean_y - w @ mean_x


def make(seed, pairs, columns, outputs, rank=2):
    generator = np.random.default_rng(seed)
    # Two strong directions, so that a map of rank 2 is well determined.
    spread = np.where(np.arange(columns) < rank, 3.0, 0.5)
    x = unit(0.4 + spread * generator.normal(size=(pairs, columns)))
    y = unit(0.3 + x @ generator.normal(size=(columns, outputs)) + 0.05 * generator.normal(size=(pairs, outputs)))
    x, y = x.round(5), y.round(5)
    w, b, _, _ = ridge(x, y, 0.1)
    reduced, reduced_offset = low_rank(x, y, 0.1, rank)
    return {
        "rows": pairs, "columns": columns, "outputs": outputs, "x": x.ravel().tolist(), "y": y.ravel().tolist(),
        "procrustes": procrustes(x, y).ravel().tolist(), "strength": 0.1, "ridge": w.ravel().tolist(),
        "ridgeOffset": b.tolist(), "rank": rank, "lowRank": reduced.ravel().tolist(),
        "lowRankOffset": reduced_offset.tolist(),
    }  # fmt: skip


def main():
    versions = goldens.check("numpy", "scipy")
    cases = {
        "equal dimensions": make(1, 60, 6, 6),
        "to fewer dimensions": make(2, 60, 9, 5),
        "to more dimensions": make(3, 60, 5, 9),
    }
    TARGET.write_text(json.dumps(cases) + "\n")
    goldens.record(TARGET.parent, __file__, versions, TARGET.name)
    print(TARGET, TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
