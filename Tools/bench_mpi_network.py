"""Measures data-parallel training over networks between namespaces of this machine, and fits a cost model to it.

    bench_mpi_network.py --mafin .build/release/mafin --encoder FOLDER [--data Samples/handbook] [--ranks 1,2,4] [--networks NAMES]
                         [--max-length N] [--json FILE] [--figure FILE]
    bench_mpi_network.py --points FILE --encoder FOLDER [--figure FILE]

Networks: shared (all processes on one host, shared memory), and RATE:DELAY pairs such as 10000:100 (megabit a second : microseconds one way), each
process on a host of its own. A host is a network namespace, and Tools/delaying_switch.c is the network between them, as many kernels have no netem.
Needs root, OpenMPI, ip and a C compiler. --max-length cuts the texts, so that a step computes less and the network's part is seen on few cores.

The model: a step takes  own + exposed + messages · log2(ranks) · delay + overhead · log2(ranks)  with
  own = compute · max(1, ranks · threads / cores) / ranks
  sums = bytes · 2 (ranks - 1) / ranks / rate + layers · log2(ranks) · delay        (bytes: the gradients; a sum for each layer)
  window = own · 2/3 / chunks                                                       (the backward pass of the last of a thread's chunks)
  exposed = sums / layers + (1 - 1 / layers) · max(0, sums - window)
because the sums run beside the backward pass of the last chunk, and that of the first layer has nothing beside it. compute and overhead are fitted, rate and
delay are those of the network, but the rate at most what the switch moves, which is fitted too: it is a program on the same cores. The model is fitted on every
second point, and its error is that on the others.

--points fits the points of an earlier --json again. --figure draws what the model says of hosts with cores and a network of their own: steps of four seconds
on one host (about 9,000 tokens of all-MiniLM-L6-v2 on two AVX2 cores).
"""

import argparse
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
MESSAGES = 14  # collective calls of a step beside the layers' sums, counted in the code: see Documentation/scale.md
CHUNK = 768  # tokens: TransformerEncoder.trainingChunk
BACKWARD = 2 / 3  # of a step's computing: a backward pass has twice the products of a forward pass


def shell(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, **options)


class Network:
    """Namespaces h0, h1 … with the addresses 10.77.0.1, 10.77.0.2 …"""

    def __init__(self, folder, hosts, rate, delay):
        self.names = [f"mafin-h{i}" for i in range(hosts)]
        program = folder / "delaying_switch"
        if not program.exists():
            shell("cc", "-O2", "-pthread", ROOT / "Tools" / "delaying_switch.c", "-o", program)
        devices = [f"mtun{i}" for i in range(hosts)]
        self.switch = subprocess.Popen([program, str(delay), str(rate), *devices], stdout=subprocess.PIPE, text=True)
        assert self.switch.stdout.readline() == "ready\n", "the switch did not start"
        for number, (name, device) in enumerate(zip(self.names, devices)):
            shell("ip", "netns", "add", name)
            shell("ip", "link", "set", device, "netns", name)
            inside = ["ip", "netns", "exec", name]
            shell(*inside, "ip", "link", "set", "lo", "up")
            shell(*inside, "ip", "addr", "add", f"10.77.0.{number + 1}/24", "dev", device)
            shell(*inside, "ip", "link", "set", device, "mtu", "9000", "up")
        agent = folder / "agent.sh"
        agent.write_text('#!/bin/sh\nhost=$1; shift\nexec ip netns exec mafin-h$((${host##*.} - 1)) sh -c "$*"\n')
        agent.chmod(0o755)
        self.agent = agent

    def command(self, line):
        hosts = ",".join(f"10.77.0.{i + 1}:1" for i in range(len(self.names)))
        return ["ip", "netns", "exec", self.names[0], "mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-n", str(len(self.names)),
                "--host", hosts, "--mca", "plm_rsh_agent", str(self.agent), "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include",
                "10.77.0.0/24", "--mca", "oob_tcp_if_include", "10.77.0.0/24", *line]

    def close(self):
        self.switch.kill()
        self.switch.wait()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name])


def train(given, folder, ranks, network, threads):
    output = folder / "artefact"
    shutil.rmtree(output, ignore_errors=True)
    shutil.rmtree(f"{output}.training", ignore_errors=True)
    data = pathlib.Path(given.data).resolve()
    line = [given.mafin, "train", "--data", str(data), "--black-box", f"vectors:{given.vectors or data / 'black-box'}", "--encoder",
            str(pathlib.Path(given.encoder).resolve()), "--mode", "pair", "--epochs", "1", "--time", "2h", "--rivals", "none", "--output", str(output),
            "--json", "--quiet", "--threads", str(threads), *(["--max-length", given.max_length] if given.max_length else [])]
    environment = os.environ | {"MAFIN_CACHE": str(folder / "cache"), "OMPI_MCA_mpi_yield_when_idle": "1"}
    if ranks > 1:
        if network is None:
            line = ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-n", str(ranks), *line]
        else:
            environment_words = [word for name in ["MAFIN_CACHE", "OMPI_MCA_mpi_yield_when_idle"] for word in ["-x", name]]
            line = network.command([*environment_words, *line])
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(line)}\nended with status {done.returncode}:\n{done.stderr[-3000:]}")
    training = json.loads((output / "manifest.json").read_text())["training"]["hyperparameters"]
    result = json.loads(done.stdout)["contenders"][0]
    steps = result["steps"]
    return training["stepSeconds"] / steps, steps, result["tokens"] / steps


def share(point, cores):
    """The part of one process's computing that a process of this point waits for."""
    return max(1, point["ranks"] * point["threads"] / cores) / point["ranks"]


def network_seconds(point, own, bytes_, layers, limit=math.inf):
    """Seconds of a step in which only the network works."""
    ranks, rate = point["ranks"], point["rate"]
    if ranks == 1 or rate is None:
        return 0.0
    delays = math.log2(ranks) * point["delay"] * 1e-6
    sums = bytes_ * 8 * 2 * (ranks - 1) / ranks / (min(rate, limit) * 1e6) + layers * delays
    window = own * BACKWARD / max(1, math.ceil(point["tokens"] / ranks / point["threads"] / CHUNK))
    return sums / layers + (1 - 1 / layers) * max(0, sums - window) + MESSAGES * delays


def fit(points, bytes_, layers, cores):
    """compute, overhead and the switch's own rate that minimise the sum of squared relative errors. The switch is a program on the same cores:
    a faster network than it can be cannot be measured."""
    found = [(*fit_at(points, bytes_, layers, cores, 50 * 1.05 ** i), 50 * 1.05 ** i) for i in range(110)]  # 50 Mbit/s to 10 Gbit/s
    return min(found, key=lambda one: sum((one[2](point) / point["seconds"] - 1) ** 2 for point in points))


def fit_at(points, bytes_, layers, cores, limit):
    compute = overhead = 0.0
    def network(point, compute):
        return network_seconds(point, compute * share(point, cores), bytes_, layers, limit)

    for _ in range(100):  # The window depends on compute.
        rows = [(share(point, cores) / point["seconds"], math.log2(point["ranks"]) / point["seconds"],
                 1 - network(point, compute) / point["seconds"]) for point in points]
        aa, ab, bb = (sum(x * y for x, y in pairs) for pairs in
                      ([(r[0], r[0]) for r in rows], [(r[0], r[1]) for r in rows], [(r[1], r[1]) for r in rows]))
        ay, by = sum(r[0] * r[2] for r in rows), sum(r[1] * r[2] for r in rows)
        determinant = aa * bb - ab * ab
        compute, overhead = (compute + (bb * ay - ab * by) / determinant) / 2, (aa * by - ab * ay) / determinant

    def predict(point):
        return compute * share(point, cores) + overhead * math.log2(point["ranks"]) + network(point, compute)

    return compute, overhead, predict


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mafin")
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--points", type=pathlib.Path, help="a file of an earlier --json, whose points are fitted again")
    parser.add_argument("--data", default=str(ROOT / "Samples" / "handbook"))
    parser.add_argument("--vectors")
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--networks", default="shared,10000:100,10000:1000,1000:100,1000:1000")
    parser.add_argument("--max-length")
    parser.add_argument("--json")
    parser.add_argument("--figure", type=pathlib.Path)
    given = parser.parse_args()
    if not given.points:
        if not given.mafin:
            parser.error("--mafin names the program to measure, or --points a file of points")
        given.mafin = str(pathlib.Path(given.mafin).resolve())
    folder = pathlib.Path(tempfile.mkdtemp())
    stored = json.loads(given.points.read_text()) if given.points else None
    cores = stored["cores"] if stored else os.cpu_count()
    parameters = sum(
        math.prod(tensor["shape"]) for name, tensor in json.loads(read_header(pathlib.Path(given.encoder) / "model.safetensors")).items()
        if name != "__metadata__" and "word_embeddings" not in name and "pooler" not in name and tensor["dtype"].startswith("F"))
    points = stored["points"] if stored else []
    for name in [] if stored else given.networks.split(","):
        rate, delay = (None, None) if name == "shared" else map(int, name.split(":"))
        for ranks in map(int, given.ranks.split(",")):
            if ranks == 1 and name != given.networks.split(",")[0]:
                continue
            network = None if rate is None or ranks == 1 else Network(folder, ranks, rate, delay)
            try:
                seconds, steps, tokens = train(given, folder, ranks, network, 1)
            finally:
                if network:
                    network.close()
            points.append({"network": name, "rate": rate, "delay": delay, "ranks": ranks, "threads": 1, "seconds": seconds, "steps": steps,
                           "tokens": tokens})
            print(f"{name:12} {ranks} ranks: {1000 * seconds:.1f} ms a step of {steps}", flush=True)
    layers = json.loads((pathlib.Path(given.encoder) / "config.json").read_text())["num_hidden_layers"]
    compute, overhead, predict, limit = fit(points[::2], 4 * parameters, layers, cores)
    errors = [abs(predict(point) / point["seconds"] - 1) for point in points[1::2]]
    report = {"parameters": parameters, "layers": layers, "cores": cores, "computeSeconds": compute, "overheadSeconds": overhead,
              "switchMegabits": limit, "points": points,
              "predicted": [predict(point) for point in points], "medianErrorOnHeldOut": statistics.median(errors) if errors else None}
    if given.figure:
        draw(given.figure, 4 * parameters, layers, overhead)
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(report, indent=2) + "\n")
    print(f"{parameters} dense parameters; compute {1000 * compute:.1f} ms, overhead {1000 * overhead:.1f} ms a doubling of ranks; "
          f"the switch moves {limit:.0f} Mbit/s")
    for point in points:
        print(f"{point['network']:12} {point['ranks']} ranks: measured {1000 * point['seconds']:.1f} ms, model {1000 * predict(point):.1f} ms")
    if errors:
        print(f"error on points that were not fitted: median {100 * statistics.median(errors):.0f} %, largest {100 * max(errors):.0f} %")
    shutil.rmtree(folder)


def draw(file, bytes_, layers, overhead, seconds=4.0, tokens=9000):
    """How many times as fast a step is on 1 to 32 hosts, as an SVG and as a printed table."""
    ranks, networks = [1, 2, 4, 8, 16, 32], [(10_000, 50), (1_000, 100), (100, 1000)]
    width, height, left, bottom = 560, 320, 50, 280
    x = {count: left + 90 * i for i, count in enumerate(ranks)}
    y = lambda times: bottom - 40 * math.log2(2 * times)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img">',
             "<title>Times as fast as one host, by the cost model</title>", f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for count in [0.5, *ranks]:
        lines.append(f'<line x1="{left}" x2="{x[32]}" y1="{y(count)}" y2="{y(count)}" stroke="#ddd"/>')
        lines.append(f'<text x="{left - 8}" y="{y(count) + 4}" text-anchor="end" fill="#333">{count:g} ×</text>')
    for count in ranks:
        lines.append(f'<text x="{x[count]}" y="{bottom + 18}" text-anchor="middle" fill="#333">{count}</text>')
    lines.append(f'<text x="{(left + x[32]) / 2}" y="{bottom + 34}" text-anchor="middle" fill="#333">hosts</text>')
    for (rate, delay), colour in zip(networks, ["#0a6e5c", "#b35c00", "#7a3fa0"]):
        times = []
        for count in ranks:
            own = seconds / count
            point = {"ranks": count, "rate": rate, "delay": delay, "tokens": tokens, "threads": 2}
            times.append(seconds / (own + overhead * math.log2(count) + network_seconds(point, own, bytes_, layers)))
        name = f"{rate / 1000:g} Gbit/s, {delay / 1000:g} ms"
        print(f"{name:20} " + "  ".join(f"{count} hosts {value:.1f} ×" for count, value in zip(ranks, times)))
        path = " ".join(f"{x[count]},{y(value):.1f}" for count, value in zip(ranks, times))
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<text x="{x[32] - 4}" y="{y(times[-1]) - 6:.1f}" text-anchor="end" fill="{colour}">{name}</text>')
    file.write_text("\n".join([*lines, "</svg>"]) + "\n")


def read_header(file):
    with file.open("rb") as stream:
        return stream.read(int.from_bytes(stream.read(8), "little")).decode()


if __name__ == "__main__":
    main()
