"""Writes Tests/MafinRetrievalTests/Goldens/evidence.json: results of scipy and ranx for planning, tests and fusion.

    python Tools/write_evidence_goldens.py

Needs scipy, numpy and ranx (which brings numba). All inputs are made here from fixed seeds.
"""

import json
import pathlib
import random

import goldens
import numpy as np
import ranx
import scipy.optimize
import scipy.stats

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "Tests" / "MafinRetrievalTests" / "Goldens"


def detectable(queries, significance, power):
    """δ / σ at which the two-sided t test of n differences has the wanted power, by the noncentral t distribution."""
    degrees = queries - 1
    critical = scipy.stats.t.ppf(1 - significance / 2, degrees)

    def reached(delta):
        shift = delta * np.sqrt(queries)
        return scipy.stats.nct.sf(critical, degrees, shift) - power  # the other tail is below 1e-4 of it

    return scipy.optimize.brentq(reached, 1e-6, 8 / np.sqrt(queries))


def planning():
    settings = [(n, a, p) for n in (10, 30, 82, 323, 5000) for a in (0.05, 0.005) for p in (0.8, 0.95)]
    return {
        "quantiles": [
            {"p": p, "degrees": d, "t": float(scipy.stats.t.ppf(p, d))}
            for p in (0.6, 0.8, 0.975, 0.9995) for d in (1, 2, 5, 29, 322, 4999)
        ],
        "detectable": [
            {"queries": n, "significance": a, "power": p, "ratio": detectable(n, a, p)} for n, a, p in settings
        ],
    }


def runs(rng, count):
    """Runs of 20 queries over 60 documents with distinct scores, some queries unanswered."""
    result = []
    for number in range(count):
        run = {}
        for query in range(20):
            if (query + number) % 11 == 0:
                continue
            found = rng.sample(range(60), rng.randint(1, 25))
            scores = rng.sample(range(1, 100_000), len(found))
            run[f"q{query}"] = {f"d{document}": score / 1024 for document, score in zip(found, scores)}
        result.append(run)
    return result


def fused(systems, **options):
    shared = [{q: r for q, r in run.items() if all(q in other for other in systems)} for run in systems]
    run = ranx.fuse([ranx.Run(run) for run in shared], **options)
    return {query: {d: float(s) for d, s in ranking.items()} for query, ranking in run.to_dict().items()}


def fusion():
    systems = runs(random.Random(5), 3)
    return {
        "runs": systems,
        "reciprocalRank": fused(systems, method="rrf", params={"k": 60}),
        "weights": [0.2, 0.5, 0.3],
        "weightedSum": fused(systems, norm="min-max", method="wsum", params={"weights": (0.2, 0.5, 0.3)}),
    }


def comparison():
    """Metrics and Fisher's randomization test of ranx on two runs of 100 queries."""
    rng = random.Random(9)
    qrels, first, second = {}, {}, {}
    for query in range(100):
        pool = rng.sample(range(400), 20)
        relevant = pool[: rng.randint(1, 6)]
        name = f"q{query}"
        qrels[name] = {f"d{d}": rng.randint(1, 3) for d in relevant}
        for run, help_ in ((first, 0.35), (second, 0.47)):
            run[name] = {f"d{d}": round(rng.random() + help_ * (d in relevant), 5) for d in pool}
    judged = ranx.Qrels(qrels)
    names = {"nDCG@10": "ndcg@10", "Recall@10": "recall@10", "MRR@10": "mrr@10", "MAP": "map"}
    values = {}
    for label, run in (("first", first), ("second", second)):
        found = ranx.evaluate(judged, ranx.Run(run), list(names.values()), return_mean=False)
        order = list(ranx.Run(run).run)
        values[label] = {ours: dict(zip(order, map(float, found[theirs]))) for ours, theirs in names.items()}
    report = ranx.compare(
        judged, [ranx.Run(first, name="first"), ranx.Run(second, name="second")], list(names.values()),
        stat_test="fisher", n_permutations=200_000, max_p=0.05)
    test = {}
    for ours, theirs in names.items():
        a = np.array(list(values["first"][ours].values()))
        b = np.array(list(values["second"][ours].values()))
        exact = scipy.stats.permutation_test(
            (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", vectorized=True,
            n_resamples=200_000, random_state=3, alternative="two-sided")
        test[ours] = {"ranx": float(report.comparisons["first", "second"][theirs]["p_value"]), "scipy": float(exact.pvalue)}
    return {"qrels": qrels, "first": first, "second": second, "values": values, "p": test}


def main():
    versions = goldens.check("numpy", "ranx", "scipy")
    values = {"planning": planning(), "fusion": fusion(), "comparison": comparison()}
    (GOLDENS / "evidence.json").write_text(json.dumps(values, indent=None, separators=(",", ":")) + "\n")
    goldens.record(GOLDENS, __file__, versions, "evidence.json")


if __name__ == "__main__":
    main()
