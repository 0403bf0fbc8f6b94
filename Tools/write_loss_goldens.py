"""Writes Tests/MafinMethodTests/Goldens/losses.json: values and gradients of every loss from PyTorch's autograd.

This script has its own implementation of each loss, directly from the definition and row by row, in float64.
Run: python Tools/write_loss_goldens.py
"""

import json
import pathlib

import goldens
import torch

TARGET = pathlib.Path(__file__).parent.parent / "Tests/MafinMethodTests/Goldens/losses.json"


def info_nce(z, grades, negatives):
    positives = [c for c, _ in grades]
    losses = []
    for positive in positives:
        candidates = torch.cat([z[positive].view(1), z[negatives]])
        losses.append(-torch.log_softmax(candidates, 0)[0])
    return torch.stack(losses).mean()


def list_net(z, grades, negatives, temperature=None):
    columns = [c for c, _ in grades] + negatives
    label = torch.tensor([g for _, g in grades] + [0.0] * len(negatives), dtype=torch.float64)
    target = torch.softmax(label / temperature, 0) if temperature else (2**label - 1) / (2**label - 1).sum()
    return -(target * torch.log_softmax(z[columns], 0)).sum()


def list_mle(z, grades, negatives, cutoff=None):
    ordered = sorted(grades, key=lambda pair: -pair[1])
    places = min(cutoff or len(ordered), len(ordered))
    total = 0
    for place in range(places):
        grade = ordered[place][1]
        group = [c for c, g in ordered if g == grade]
        below = [c for c, g in ordered if g < grade]
        denominator = torch.logsumexp(z[group + below + negatives], 0)
        total = total + sum(denominator - z[c] for c in group) / len(group)
    return total / places


def hybrid(first, second, weight):
    return lambda z, grades, negatives: weight * first(z, grades, negatives) + (1 - weight) * second(z, grades, negatives)


def with_temperature(temperature):
    return lambda z, grades, negatives: list_net(z, grades, negatives, temperature)


def with_cutoff(cutoff):
    return lambda z, grades, negatives: list_mle(z, grades, negatives, cutoff)


LOSSES = {
    "InfoNCE": info_nce,
    "ListNet gain": list_net,
    "ListNet softmax 0.5": with_temperature(0.5),
    "ListMLE": list_mle,
    "ListMLE@3": with_cutoff(3),
    "hybrid ListNet 0.3": hybrid(list_net, info_nce, 0.3),
    "hybrid ListMLE@3 0.7": hybrid(with_cutoff(3), info_nce, 0.7),
}


def block(seed, rows, columns, spread, with_masks=True, with_labels=(0, 6)):
    generator = torch.Generator().manual_seed(seed)
    logits = (torch.randn(rows, columns, generator=generator) * spread).float()
    relevant, masked = [], []
    for row in range(rows):
        order = torch.randperm(columns, generator=generator).tolist()
        count = int(torch.randint(with_labels[0], with_labels[1] + 1, (1,), generator=generator))
        grades = torch.randint(1, 4, (count,), generator=generator).tolist()
        relevant.append([[order[i], float(grades[i])] for i in range(count)])
        masks = int(torch.randint(0, 4, (1,), generator=generator)) if with_masks else 0
        masked.append(order[count : count + masks])
    return {"rows": rows, "columns": columns, "logits": logits.flatten().tolist(), "relevant": relevant, "masked": masked}


def evaluate(loss, case):
    z = torch.tensor(case["logits"], dtype=torch.float64).view(case["rows"], case["columns"]).requires_grad_()
    values = []
    for row in range(case["rows"]):
        grades = [(c, g) for c, g in case["relevant"][row]]
        if not grades:
            continue
        out = {c for c, _ in grades} | set(case["masked"][row])
        negatives = [c for c in range(case["columns"]) if c not in out]
        values.append(loss(z[row], grades, negatives))
    value = torch.stack(values).mean()
    value.backward()
    return {"value": value.item(), "gradient": [float(f"{v:.9g}") for v in z.grad.flatten().tolist()]}


def main():
    versions = goldens.check("torch")
    cases = [
        block(1, 4, 17, 1.0),
        block(2, 5, 37, 8.0),
        block(3, 3, 64, 60.0),
        block(4, 2, 9, 3.0, with_masks=False, with_labels=(9, 9)),
        block(5, 6, 23, 2.0, with_labels=(1, 1)),
    ]
    for case in cases:
        case["losses"] = {name: evaluate(loss, case) for name, loss in LOSSES.items()}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(cases) + "\n")
    goldens.record(TARGET.parent, __file__, versions, TARGET.name)
    print(TARGET, TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
