"""Measures how fast our client and the official `openai` client read embedding answers from the same local server. They take turns.

    swift build -c release --package-path Benchmarks --product bench-providers
    python3 -m venv VENV && VENV/bin/pip install openai numpy
    VENV/bin/python Tools/bench-client.py [--texts 100000] [--dimension 1536] [--batch 1000] [--rounds 3]

The server runs in its own process. Each answer is made once, before the clock starts, and holds random unit rows.
The peer is used as its documentation shows: one call for each batch, keeping `response.data[i].embedding` of all rows (base64 is its
default). "numpy" also turns them into one matrix. Seconds are by the clock; processor seconds and peak memory are those of the client's process.
In the second part the server waits for 50 ms before each answer. The time is compared with the best that the allowed concurrency makes possible.
"""

import argparse
import base64
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ROOT / "Benchmarks/.build/release/bench-providers"


def answer(dimension, batch, encoding):
    import numpy as np

    rows = np.random.default_rng(1).standard_normal((batch, dimension)).astype("<f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(row.tobytes()).decode() if encoding == "base64" else [float(f"{x:.8g}") for x in row],
        }
        for index, row in enumerate(rows)
    ]
    return json.dumps(
        {"object": "list", "data": data, "model": "bench", "usage": {"prompt_tokens": batch, "total_tokens": batch}},
        separators=(",", ":"),
    ).encode()


def serve(arguments):
    """Answers each POST with the same bytes, in the encoding that it asks for, after a pause."""
    import socket

    bodies = {encoding: answer(arguments.dimension, arguments.batch, encoding) for encoding in ("base64", "float")}
    state = {"now": 0, "weighted": 0.0, "since": time.perf_counter(), "busy": 0.0}
    lock = threading.Lock()

    def change(by):
        with lock:
            now = time.perf_counter()
            state["weighted"] += state["now"] * (now - state["since"])
            if state["now"]:
                state["busy"] += now - state["since"]
            state["since"] = now
            state["now"] += by

    def handle(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                piece = connection.recv(1 << 20)
                if not piece:
                    return
                buffer += piece
            head, _, rest = buffer.partition(b"\r\n\r\n")
            fields = head.lower().split(b"\r\n")
            length = next((int(f.split(b":")[1]) for f in fields if f.startswith(b"content-length:")), 0)
            pieces, have = [rest], len(rest)
            while have < length:
                piece = connection.recv(1 << 20)
                pieces.append(piece)
                have += len(piece)
            body = b"".join(pieces)
            buffer, body = body[length:], body[:length]
            if head.startswith(b"GET"):
                with lock:
                    text = json.dumps({"mean": state["weighted"] / state["busy"] if state["busy"] else 0}).encode()
                    state.update(weighted=0.0, busy=0.0, since=time.perf_counter())
            else:
                change(+1)
                if arguments.latency:
                    time.sleep(arguments.latency)
                text = bodies["base64" if b'"encoding_format":"base64"' in body.replace(b" ", b"") else "float"]
                change(-1)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text) + text
            )

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=handle, args=(connection,), daemon=True).start()


def peer(arguments):
    """The official client, one call for each batch."""
    import concurrent.futures

    from openai import OpenAI

    client = OpenAI(api_key="none", base_url=arguments.url, max_retries=2)
    starts = range(0, arguments.texts, arguments.batch)
    kwargs = {"encoding_format": "float"} if arguments.encoding == "float" else {}
    kept = []

    def ask(start):
        texts = [f"text number {n}" for n in range(start, min(start + arguments.batch, arguments.texts))]
        response = client.embeddings.create(input=texts, model="bench", **kwargs)
        return [item.embedding for item in response.data]

    begun, cpu = time.perf_counter(), time.process_time()
    rows = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.concurrency) as pool:
        for vectors in pool.map(ask, starts):
            rows += len(vectors)
            if arguments.keep:
                kept.append(vectors)
    print(
        json.dumps(
            {
                "texts": rows,
                "seconds": time.perf_counter() - begun,
                "processorSeconds": time.process_time() - cpu,
                "peakMegabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def last_json(command):
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def start_server(dimension, batch, latency):
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", "--dimension", str(dimension), "--batch", str(batch), "--latency", str(latency)],
        stdout=subprocess.PIPE,
        text=True,
    )
    return server, int(server.stdout.readline())


def ours(port, texts, batch, concurrency, encoding):
    return [
        str(OURS), "--base-url", f"http://127.0.0.1:{port}/v1", "--texts", str(texts), "--batch", str(batch),
        "--concurrency", str(concurrency), "--encoding", encoding,
    ]


def theirs(port, texts, batch, concurrency, encoding):
    return [
        sys.executable, __file__, "--peer", "--url", f"http://127.0.0.1:{port}/v1", "--texts", str(texts), "--batch", str(batch),
        "--concurrency", str(concurrency), "--encoding", encoding,
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=1536)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--encoding", default="base64")
    parser.add_argument("--latency", type=float, default=0)
    parser.add_argument("--keep", action="store_true", help="the peer keeps all rows")
    parser.add_argument("--latency-only", action="store_true", help="only the server that waits for 50 ms")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return serve(arguments)
    if arguments.peer:
        return peer(arguments)

    print(f"{arguments.texts} texts of {arguments.dimension} numbers, {arguments.batch} to a request, {os.cpu_count()} cores")
    server, port = start_server(arguments.dimension, arguments.batch, 0)
    try:
        for encoding in () if arguments.latency_only else ("base64", "float"):
            for concurrency in (1, arguments.concurrency):
                runs = {"openai": [], "mafin": []}
                for _ in range(arguments.rounds):
                    for name, command in (("openai", theirs), ("mafin", ours)):
                        runs[name].append(last_json(command(port, arguments.texts, arguments.batch, concurrency, encoding)))
                assert all(run["texts"] == arguments.texts for each in runs.values() for run in each)
                medians = {
                    name: {key: statistics.median(run[key] for run in each) for key in ("seconds", "processorSeconds", "peakMegabytes")}
                    for name, each in runs.items()
                }
                ratio = medians["openai"]["seconds"] / medians["mafin"]["seconds"]
                work = medians["openai"]["processorSeconds"] / medians["mafin"]["processorSeconds"]
                for name, m in medians.items():
                    print(
                        f"{encoding:7} {concurrency} in flight  {name:7} {m['seconds']:7.2f} s  {m['processorSeconds']:7.2f} processor s"
                        f"  {m['peakMegabytes']:7.0f} MB  {arguments.texts / m['seconds']:9.0f} texts/s"
                    )
                print(f"{encoding:7} {concurrency} in flight  ratio {ratio:.1f} on the wall, {work:.1f} in processor time", flush=True)
    finally:
        server.terminate()

    # A server that waits before each answer: how much of the allowed concurrency is used?
    latency, batch, requests = 0.05, 16, 400
    server, port = start_server(arguments.dimension, batch, latency)
    try:
        for concurrency in (1, 4, 16):
            texts = requests * batch
            best = requests / concurrency * latency
            for name, command in (("openai", theirs), ("mafin", ours)):
                run = last_json(command(port, texts, batch, concurrency, "base64"))
                print(
                    f"50 ms server  {concurrency:2} allowed  {name:7} {run['seconds']:6.2f} s; {best:6.2f} s at best: "
                    f"{best / run['seconds']:.0%} full",
                    flush=True,
                )
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
