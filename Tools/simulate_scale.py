"""What embedding a corpus on many hosts takes: hours, money and bytes.

    simulate_scale.py [--texts 100e6] [--tokens 120] [--hosts 64] [--shards 6400] [--price 0.02] [--rate 10e6] [--local 20000] [--dimension 1920]
                      [--kills 5] [--seed 1] [--check FOLDER]

Each host makes shards, one after the other. A shard's time is that of the slower of two parts: the account's tokens per minute, of which every host has an
equal share, and the host's own local encoder (--local tokens a second). Hosts' encoders differ in speed by 10 % (standard deviation), shards by 5 %. A host is killed so many
times in the whole run (--kills), loses the shard it works on, and begins it again; the answers it had stored are in the cache.

--check FOLDER compares the simulation with the markers of a real run ('mafin embed --shards'): from the mean time of a shard there it predicts the time of
the whole, and prints the error.
"""

import argparse
import datetime
import json
import pathlib
import random


def simulate(asking, computing, shards, hosts, kills, random_state):
    """Seconds until the last shard is done: hosts take the shards r, r + hosts, …"""
    speeds = [random_state.gauss(1, 0.1 if hosts > 1 else 0) for _ in range(hosts)]
    ends, total = [], 0.0
    for host in range(hosts):
        time = 0.0
        for _ in range(host, shards, hosts):
            time += max(asking, computing / max(0.5, speeds[host])) * random_state.gauss(1, 0.05)
        ends.append(time)
        total += time
    for _ in range(kills):
        # On average half of a shard is lost.
        ends[random_state.randrange(hosts)] += max(asking, computing) * random_state.random()
    return max(ends), total


def check(folder):
    markers = [json.loads(path.read_text()) for path in sorted(pathlib.Path(folder).glob("shard-*.json"))]
    spans = []
    for marker in markers:
        begin = datetime.datetime.fromisoformat(marker["statistics"]["began"].replace("Z", "+00:00")).timestamp()
        spans.append((begin, begin + marker["statistics"]["seconds"]))
    measured = max(end for _, end in spans) - min(begin for begin, _ in spans)
    busy = sum(end - begin for begin, end in spans)
    # Markers tell the second in which a shard began, so the number of workers is how many were busy on average, and not the most at a time.
    workers = max(1, round(busy / measured))
    mean = busy / len(spans)
    results = [simulate(0, mean, len(markers), workers, 0, random.Random(seed))[0] for seed in range(200)]
    predicted = sum(results) / len(results)
    print(f"{len(markers)} shards by {workers} workers: measured {measured:.1f} s, simulated {predicted:.1f} s, error {100 * (predicted / measured - 1):+.0f} %")


def main():
    parser = argparse.ArgumentParser()
    for name, default in [("texts", 100e6), ("tokens", 120), ("hosts", 64), ("shards", 6400), ("price", 0.02), ("rate", 10e6), ("local", 20000),
                          ("dimension", 1920), ("kills", 5), ("seed", 1)]:
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--check")
    given = parser.parse_args()
    if given.check:
        return check(given.check)
    tokens = given.texts * given.tokens
    hosts, shards = int(given.hosts), int(given.shards)
    per_shard = tokens / shards
    asking = per_shard / (given.rate / 60 / hosts)  # its share of the account's rate
    computing = per_shard / given.local
    runs = [simulate(asking, computing, shards, hosts, int(given.kills), random.Random(int(given.seed) + n)) for n in range(50)]
    hours = sorted(run[0] / 3600 for run in runs)
    lost = given.kills * per_shard / 2
    vectors = given.texts * given.dimension
    print(json.dumps({
        "tokens": tokens, "limit": "the account's rate" if asking > computing else "the local encoder",
        "minutesAShard": max(asking, computing) / 60, "hours": hours[len(hours) // 2], "hoursWorst": hours[-1],
        "hoursOneHost": tokens / min(given.rate / 60, given.local) / 3600,
        "moneyForVectors": tokens / 1e6 * given.price, "localTokensComputedTwice": lost,
        "gigabytesFloat32": vectors * 4 / 1e9, "gigabytesFloat16": vectors * 2 / 1e9,
        "gigabytesOfIdsAndHashes": given.texts * (65 + 12) / 1e9, "gigabytesOfCache": given.texts * (1536 * 4 + 150) / 1e9,
    }, indent=2))


if __name__ == "__main__":
    main()
