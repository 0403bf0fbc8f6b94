"""Compares `mafin serve` under load on loopback with a ten-line sentence-transformers + FastAPI server and, if it is installed, infinity-emb.

    bench-serve.py --mafin .build/release/mafin --model FOLDER [--seconds 10] [--infinity PYTHON] [--json OUT]

It needs a Python with torch, sentence-transformers, fastapi, uvicorn and numpy. `wrk` makes the load. One server runs at a time, with the same
encoder (all-MiniLM-L6-v2, 384-d, 32-bit floats), on the same machine, in one run. A request has one text: a query of 16 tokens, or a document
of 256. Each server gets the same 2,000 texts in the same random order.

"local" is the local half alone. A query has lambda 1, so mafin does not ask the black box; for documents the black box's half comes from the
cache. "upstream" has a black box that takes 50 ms to answer, and mafin joins both halves. The peers have no black box: there a client would
have to ask it by itself. Goals: with 64 clients on queries, 1.5 times as many requests a second as the better peer; with one client, p99
below twice p50; ready in less than 0.5 s; at most half of the peers' memory.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

DIMENSION = 768
TEN_LINES = '''
import sys
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
class Request(BaseModel):
    input: str | list[str]
app = FastAPI()
@app.post("/v1/embeddings")
def embeddings(request: Request):
    texts = [request.input] if isinstance(request.input, str) else request.input
    return {"data": [{"index": i, "embedding": v.tolist()} for i, v in enumerate(model.encode(texts))]}
import uvicorn
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
'''


class Upstream:
    """A black box behind OpenAI's API: vectors drawn from the text, after a pause."""

    def __init__(self):
        self.pause = 0.0
        self.calls = self.texts = 0
        ready = threading.Event()

        def run():
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            server = loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0))
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            loop.run_forever()

        threading.Thread(target=run, daemon=True).start()
        ready.wait()

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1))
                request = json.loads(await reader.readexactly(length))
                texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
                self.calls += 1
                self.texts += len(texts)
                await asyncio.sleep(self.pause)
                data = [{"object": "embedding", "index": i, "embedding": self.vector(text)} for i, text in enumerate(texts)]
                body = json.dumps({"object": "list", "data": data, "model": "mock", "usage": {"prompt_tokens": 1, "total_tokens": 1}}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    @staticmethod
    def vector(text):
        digest = hashlib.shake_128(text.encode()).digest(DIMENSION)
        import struct

        return base64.b64encode(struct.pack(f"<{DIMENSION}f", *((b - 127.5) / 2000 for b in digest))).decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def resident(pid):
    """Proportional share of memory of a process and its children, in MB."""
    total = 0
    todo = [pid]
    while todo:
        one = todo.pop()
        try:
            text = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss: +(\d+)", text, re.M).group(1))
            todo += [int(child) for child in pathlib.Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except (OSError, AttributeError):
            pass
    return total / 1000


class Server:
    def __init__(self, name, command, port, path="/v1/embeddings", headers=None, environment=None):
        self.name, self.port, self.path = name, port, path
        self.begun = time.perf_counter()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=os.environ | (environment or {}))
        self.ready = None

    def wait(self, body):
        # Importing torch takes long if it is not in the page cache.
        for _ in range(12_000):
            if self.process.poll() is not None:
                self.log.seek(0)
                raise SystemExit(f"{self.name} ended: {self.log.read().decode()[-2000:]}")
            try:
                self.ask(body)
                self.ready = time.perf_counter() - self.begun
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit(f"{self.name} is not ready after two minutes")

    def ask(self, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}", json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def load(server, bodies, clients, seconds, folder):
    """Runs wrk. Returns requests a second, and percentiles in milliseconds."""
    lines = ",\n".join("[==[" + json.dumps(body) + "]==]" for body in bodies)
    script = folder / "load.lua"
    script.write_text(
        f"""
local bodies = {{ {lines} }}
local next = 0
local seed = 0
function setup(thread) seed = seed + 1; thread:set("start", seed * 7919) end
function init(args) next = start end
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
function request() next = next + 1; return wrk.format(nil, "{server.path}", nil, bodies[next % #bodies + 1]) end
function done(summary, latency, requests)
  io.write(string.format("RESULT %d %f %f %f %d\\n", summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
""")
    out = subprocess.run(
        ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", "-s", script, f"http://127.0.0.1:{server.port}"],
        capture_output=True, text=True, check=True).stdout
    requests, duration, p50, p99, errors = re.search(r"RESULT (\S+) (\S+) (\S+) (\S+) (\S+)", out).groups()
    return {"rps": float(requests) / float(duration), "p50": float(p50), "p99": float(p99), "errors": int(errors)}


def texts(model, tokens, count, seed):
    """Texts with exactly the given number of tokens, special tokens included."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(pathlib.Path(model) / "tokenizer.json"))
    words = [w for w in tokenizer.get_vocab() if w.isalpha() and w.isascii() and len(w) > 3]
    words.sort()
    random.seed(seed)
    return [" ".join(random.choices(words, k=tokens - 2)) for _ in range(count)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mafin", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", default="Samples/handbook")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--starts", type=int, default=7, help="starts of mafin until its first answer")
    parser.add_argument("--only-starts", action="store_true")
    parser.add_argument("--infinity", help="a Python with infinity-emb")
    parser.add_argument("--json")
    given = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        upstream = Upstream()
        environment = {"MAFIN_CACHE": str(folder / "cache"), "OPENAI_API_KEY": "none"}
        artefact = folder / "bench"
        subprocess.run(
            [given.mafin, "train", "--data", given.data, "--black-box", "openai:mock", "--base-url",
             f"http://127.0.0.1:{upstream.port}/v1", "--encoder", given.model, "--time", "5s", "--rivals", "none", "--force",
             "--quiet", "--output", artefact], check=True, env=os.environ | environment, stdout=subprocess.DEVNULL)

        def started():
            port = free_port()
            server = Server("mafin", [given.mafin, "serve", artefact, "--port", str(port), "--quiet"], port, environment=environment)
            server.wait({"input": "ready", "input_type": "query", "lambda": 1})
            return server

        starts = []
        for _ in range(given.starts):
            server = started()
            starts.append(server.ready)
            server.stop()
        results.append({"server": "mafin", "starts": starts})
        print(f"mafin        {given.starts} starts: median {statistics.median(starts):.2f} s, slowest {max(starts):.2f} s", flush=True)
        if given.only_starts:
            return
        queries, documents = texts(given.model, 16, 2000, 1), texts(given.model, 256, 2000, 2)
        ten_lines = folder / "ten_lines.py"
        ten_lines.write_text(TEN_LINES)

        def row(server, what, kind, clients, bodies):
            load(server, bodies, clients, 2, folder)
            measured = load(server, bodies, clients, given.seconds, folder)
            results.append({"server": server.name, "what": what, "texts": kind, "clients": clients} | measured)
            print(f"{server.name:12} {what:9} {kind:9} {clients:3} clients {measured['rps']:8.1f}/s  p50 {measured['p50']:8.1f}  "
                  f"p99 {measured['p99']:8.1f} ms  errors {measured['errors']}", flush=True)

        def facts(server):
            results.append({"server": server.name, "ready": server.ready, "memory": resident(server.process.pid)})
            print(f"{server.name:12} ready after {server.ready:.2f} s, {results[-1]['memory']:.0f} MB after the load", flush=True)

        peers = [("fastapi", [sys.executable, ten_lines, given.model], "/v1/embeddings")]
        if given.infinity:
            peers.append(("infinity", [given.infinity, "-c", "from infinity_emb.cli import cli; cli()", "v2", "--model-id", given.model,
                                       "--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--host", "127.0.0.1", "--port"], "/embeddings"))
        for peer, command, path in peers:
            port = free_port()
            server = Server(peer, command + [str(port)], port, path, environment={"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"})
            extra = {"model": given.model} if peer == "infinity" else {}
            server.wait({"input": "ready"} | extra)
            for kind, some in [("query", queries), ("document", documents)]:
                for clients in [1, 8, 64]:
                    row(server, "local", kind, clients, [{"input": text} | extra for text in some])
            facts(server)
            server.stop()

        server = started()
        for kind, some in [("query", queries), ("document", documents)]:
            if kind == "document":  # The first half comes from the cache, as when an index is made again.
                for start in range(0, len(some), 100):
                    server.ask({"input": some[start:start + 100], "input_type": "document"})
            extra = {"lambda": 1} if kind == "query" else {}
            for clients in [1, 8, 64]:
                row(server, "local", kind, clients, [{"input": text, "input_type": kind} | extra for text in some])
        facts(server)
        upstream.pause = 0.05
        for clients in [1, 8, 64]:
            fresh = texts(given.model, 16, 40_000, 3 + clients)
            row(server, "upstream", "query", clients, [{"input": text, "input_type": "query"} for text in fresh])
        for clients in [1, 8, 64]:
            fresh = texts(given.model, 256, 4_000, 100 + clients)
            row(server, "upstream", "document", clients, [{"input": text, "input_type": "document"} for text in fresh])
        server.stop()
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
