"""Writes the goldens of exact search in Tests/MafinRetrievalTests: files of vectors, NumPy's float16 of them, and rankings
by products in double precision.

    python Tools/write_search_goldens.py

Needs numpy. Elements are multiples of 1/8 up to 4. So every product is exact in any order of summation, and many scores
are equal. A ranking has one right answer: by score descending, equal scores by index.
"""

import json
import pathlib

import goldens
import numpy as np

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "Tests" / "MafinRetrievalTests" / "Goldens"


def main():
    versions = goldens.check("numpy")
    rng = np.random.default_rng(7)
    rows = (rng.integers(-32, 33, (150, 50)) / 8).astype(np.float32)
    rows[60] = rows[17]
    rows[149] = rows[0]
    rows[3] = 0
    queries = (rng.integers(-32, 33, (5, 50)) / 8).astype(np.float32)
    queries[4] = 0
    np.save(GOLDENS / "search_rows.npy", rows)
    scores = queries.astype(np.float64) @ rows.T.astype(np.float64)
    split = 19
    answer = {
        "split": split,
        "queries": queries.tolist(),
        "rankings": [np.lexsort((np.arange(len(rows)), -row)).tolist() for row in scores],
        "scores": scores.tolist(),
        "first_part": (queries[:, :split].astype(np.float64) @ rows[:, :split].T.astype(np.float64)).tolist(),
    }
    (GOLDENS / "search.json").write_text(json.dumps(answer, separators=(",", ":")) + "\n")

    # Rounding to float16: random bits over its whole range, the midpoints between neighbouring values, and values on both sides of these.
    bits = rng.integers(0, 0x7BFF, 200, dtype=np.uint16)
    low = bits.view(np.float16).astype(np.float32)
    high = (bits + 1).view(np.float16).astype(np.float32)
    middle = (low + high) / 2
    values = np.concatenate([
        low, middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(1e9)),
        rng.standard_normal(223).astype(np.float32) / 20,
        np.array([0, 65504, 65519.996, 5.9604645e-08, 2.9802322e-08, 2.9802326e-08, 1e-38], dtype=np.float32),
    ])
    values = np.concatenate([values, -values]).reshape(-1, 103)
    assert np.isfinite(values).all() and np.isfinite(values.astype(np.float16)).all()
    np.save(GOLDENS / "rounding.npy", values)
    np.save(GOLDENS / "rounding_half.npy", values.astype(np.float16))
    goldens.record(
        GOLDENS, __file__, versions, "search_rows.npy", "search.json", "rounding.npy", "rounding_half.npy")


if __name__ == "__main__":
    main()
