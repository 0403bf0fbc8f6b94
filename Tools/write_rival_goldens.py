"""Writes Tests/MafinComparisonTests/Goldens/rivals.json: vectors that the authors' NUDGE moved, and adapters' losses and gradients by PyTorch.

    python Tools/write_rival_goldens.py

Needs torch, numpy and nudge-ft (PyPI). All inputs are made here from fixed seeds. RivalSharedDataTests has NUDGE's figures on NFCorpus
as constants. Tools/compare-rivals.py prints them.
"""

import contextlib
import io
import json
import pathlib

import goldens
import numpy as np
import torch
from nudge import NUDGEM, NUDGEN

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "Tests" / "MafinComparisonTests" / "Goldens"


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def numbers(array, digits=7):
    return [float(f"{value:.{digits}g}") for value in np.asarray(array, dtype=np.float64).reshape(-1)]


def moved(method, documents, train, dev):
    with contextlib.redirect_stdout(io.StringIO()):
        return method(device=torch.device("cpu")).finetune_embeddings(documents, train, dev)


def nudge():
    """Topics of documents. Queries lie near a second centre of their topic, so that moving documents toward them helps."""
    cases = []
    for seed, (documents, queries, width) in enumerate([(40, 60, 8), (25, 30, 5)]):
        rng = np.random.default_rng(seed)
        topics = rng.normal(size=(6, width))
        shifted = topics + 1.2 * rng.normal(size=topics.shape)
        of_document = rng.integers(0, 6, documents)
        of_query = rng.integers(0, 6, queries)
        document_vectors = unit(topics[of_document] + 0.6 * rng.normal(size=(documents, width)))
        query_vectors = unit(shifted[of_query] + 0.4 * rng.normal(size=(queries, width)))
        # One document points away from its only query.
        document_vectors[0] = -query_vectors[0]
        answers = []
        for query in range(queries):
            near = np.flatnonzero(of_document == of_query[query])
            answers.append(sorted(int(d) for d in rng.choice(near, size=min(len(near), 1 + query % 3), replace=False)))
            answers[-1] = [d for d in answers[-1] if d != 0] or [1]
        answers[0] = [0]
        split = queries * 2 // 3
        sets = [
            # In double precision, because the package's formula loses digits if a document lies close to its queries.
            {"q_embs": query_vectors[part].astype(np.float64), "q_ans_indx": answers[part]}
            for part in (slice(0, split), slice(split, None))
        ]
        results = [moved(method, document_vectors.astype(np.float64), *sets) for method in (NUDGEN, NUDGEM)]
        assert all(np.abs(result - document_vectors).max() > 0.1 for result in results), "nothing has moved"
        cases.append({
            "width": width, "documents": numbers(document_vectors), "queries": numbers(query_vectors),
            "answers": answers, "trainQueries": split,
            "nudgeN": numbers(results[0]),
            "nudgeM": numbers(results[1]),
        })
    return cases


def adapters():
    rng = np.random.default_rng(7)
    rows, columns, width, hidden = 5, 9, 6, 4
    queries, documents = unit(rng.normal(size=(rows, width))), unit(rng.normal(size=(columns, width)))
    target = np.zeros((rows, columns), dtype=np.float32)
    relevant = []
    for row in range(rows):
        found = sorted(int(c) for c in rng.choice(columns, size=1 + row % 3, replace=False))
        grades = [int(g) for g in rng.integers(1, 3, len(found))]
        relevant.append([[c, g] for c, g in zip(found, grades)])
        for column, grade in zip(found, grades):
            target[row, column] = 2.0**grade - 1
    target /= target.sum(1, keepdims=True)
    layers = {
        "linear": [0.3 * rng.normal(size=(width, width))],
        "twoLayer": [rng.normal(size=(hidden, width)), 0.5 * rng.normal(size=(width, hidden))],
    }
    strength, temperature = 0.8, 0.1
    cases = []
    for shape, matrices in layers.items():
        for sides in ("query", "both"):
            weights = [torch.tensor(m, dtype=torch.float64, requires_grad=True) for m in matrices]

            def adapted(rows_):
                x = torch.tensor(rows_, dtype=torch.float64)
                if shape == "linear":
                    y = x @ weights[0].T
                else:
                    y = torch.relu(x @ weights[0].T) @ weights[1].T
                return torch.nn.functional.normalize(x + strength * y)

            candidates = adapted(documents) if sides == "both" else torch.tensor(documents, dtype=torch.float64)
            logits = adapted(queries) @ candidates.T / temperature
            loss = -(torch.tensor(target, dtype=torch.float64) * torch.log_softmax(logits, 1)).sum(1).mean()
            loss.backward()
            cases.append({
                "shape": shape, "sides": sides, "loss": loss.item(),
                "weights": numbers(np.concatenate([m.reshape(-1) for m in matrices])),
                "gradient": numbers(np.concatenate([w.grad.numpy().reshape(-1) for w in weights])),
            })
    return {
        "rows": rows, "columns": columns, "width": width, "hidden": hidden, "strength": strength,
        "temperature": temperature, "queries": numbers(queries), "documents": numbers(documents),
        "relevant": relevant, "cases": cases,
    }


def main():
    versions = goldens.check("nudge-ft", "numpy", "torch")
    values = {"nudge": nudge(), "adapters": adapters()}
    (GOLDENS / "rivals.json").write_text(json.dumps(values, separators=(",", ":")) + "\n")
    goldens.record(GOLDENS, __file__, versions, "rivals.json")


if __name__ == "__main__":
    main()
