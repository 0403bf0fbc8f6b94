"""Hammers `mafin serve` with good and bad requests at the same time, and checks every answer.

    soak_serve.py --mafin .build/release/mafin --model FOLDER [--requests 100000] [--clients 32] [--seed 1]

The artefact's black box is a server of this script's own: it answers, is slow, refuses, hangs up or says garbage, by turns.
Good requests must be answered with the right vector, within 1e-5 of what the service said when nothing else went on, or with 429 or 503
and Retry-After. Bad ones (JSON cut or damaged, huge bodies, slow writers, sudden disconnects, unknown paths and methods, poisonous texts)
must be refused with the status that they deserve, and never end the service. Meanwhile it is told to reload every few seconds. At the end it
gets SIGTERM under load: everything that it had accepted must be answered. Memory is read as it goes; it must not grow.
"""

import argparse
import asyncio
import base64
import collections
import json
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
upstream_vector = __import__("bench-serve").Upstream.vector

GOOD = [f"a question about {a} and {b}" for a in ("leave", "cranes", "tea", "statins", "invoices") for b in ("rust", "pay", "ünïts", "🙂")]


class Upstream:
    """OpenAI's embeddings, with moods."""

    def __init__(self):
        self.mood = "well"
        self.calls = collections.Counter()

    async def start(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1))
                texts = json.loads(await reader.readexactly(length))["input"]
                texts = texts if isinstance(texts, list) else [texts]
                mood = self.mood
                self.calls[mood] += 1
                status, body = 200, None
                if any("refuse me" in text for text in texts):
                    status, body = 400, b'{"error":{"message":"this text is refused","type":"invalid_request_error"}}'
                elif mood == "slow":
                    await asyncio.sleep(0.2)
                elif mood == "busy":
                    status, body = 429, b'{"error":{"message":"too many requests"}}'
                elif mood == "broken":
                    status, body = 500, b"<html>oops</html>"
                elif mood == "hangs up":
                    break
                if body is None:
                    data = [{"object": "embedding", "index": i, "embedding": upstream_vector(t)} for i, t in enumerate(texts)]
                    body = json.dumps({"object": "list", "data": data, "model": "mock"}).encode()
                writer.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\nretry-after: 1\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, KeyError, ValueError):
            pass
        writer.close()


class Soak:
    def __init__(self, port, seed):
        self.port = port
        self.random = random.Random(seed)
        self.seen = collections.Counter()
        self.faults = []
        self.truth = {}
        self.ending = False

    def fault(self, text):
        self.faults.append(text)
        print("error:", text, file=sys.stderr)

    # One connection a client, opened again when it is gone.
    async def exchange(self, raw, pause=None, leave=False):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 26)
        try:
            if pause:
                for start in range(0, len(raw), max(1, len(raw) // 6)):
                    writer.write(raw[start:start + max(1, len(raw) // 6)])
                    await writer.drain()
                    await asyncio.sleep(pause)
            else:
                writer.write(raw)
                await writer.drain()
            if leave:
                return None, {}, b""
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split()[1])
            headers = dict(re.findall(r"^([^:\r\n]+): *([^\r\n]*)", head.decode("latin-1").lower(), re.M))
            length = int(headers.get("content-length", 0))
            if pause:  # A slow reader too.
                body = b""
                while len(body) < length:
                    body += await reader.readexactly(min(4096, length - len(body)))
                    await asyncio.sleep(0.001)
            else:
                body = await reader.readexactly(length)
            return status, headers, body
        finally:
            writer.close()

    @staticmethod
    def request(body, path="/v1/embeddings", method="POST", length=None, extra=""):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        length = len(body) if length is None else length
        return f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{extra}content-length: {length}\r\n\r\n".encode() + body

    def vectors(self, body):
        rows = []
        for row in json.loads(body)["data"]:
            raw = base64.b64decode(row["embedding"])
            rows.append(struct.unpack(f"<{len(raw) // 4}f", raw))
        return rows

    def check(self, texts, role, body):
        for text, vector in zip(texts, self.vectors(body), strict=True):
            expected = self.truth[role, text]
            if len(vector) != len(expected) or max(abs(a - b) for a, b in zip(vector, expected)) > 1e-5:
                self.fault(f"another vector for {text!r}")

    async def good(self):
        role = self.random.choice(["query", "document"])
        texts = self.random.choices(GOOD, k=self.random.choice([1, 1, 1, 1, 5, 20]))
        body = {"input": texts, "input_type": role, "encoding_format": "base64"}
        status, headers, answer = await self.exchange(self.request(body), pause=0.01 if self.random.random() < 0.02 else None)
        self.seen[f"good {status}"] += 1
        if status == 200:
            self.check(texts, role, answer)
        elif status in (429, 503):
            if "retry-after" not in headers:
                self.fault(f"{status} without retry-after")
        else:
            self.fault(f"a good request got {status}: {answer[:200]}")

    async def bad(self):
        kind = self.random.choice(["cut", "damaged", "huge", "announced", "left", "left early", "path", "method", "refused", "fields",
                                   "noise", "deep", "search", "page"])
        body = json.dumps({"input": self.random.choices(GOOD, k=3), "input_type": "query"}).encode()
        wanted, leave, pause = {400}, False, None
        if kind == "cut":
            raw = self.request(body[:self.random.randrange(1, len(body) - 1)])
        elif kind == "damaged":
            damaged = bytearray(body)
            for _ in range(self.random.randrange(1, 6)):
                damaged[self.random.randrange(len(damaged))] = self.random.randrange(256)
            raw, wanted = self.request(bytes(damaged)), {200, 400, 404, 429, 503}
        elif kind == "huge":
            raw, wanted = self.request({"input": "x" * (self.random.choice([1, 3]) << 20)}), {413, 200, 429, 503}
        elif kind == "announced":
            raw, wanted = self.request(b"{", length=1 << 40), {413}
        elif kind in ("left", "left early"):
            raw, leave = self.request(body), True
            if kind == "left early":
                raw = raw[:self.random.randrange(1, len(raw))]
        elif kind == "path":
            raw, wanted = self.request(b"", path="/" + "".join(self.random.choices("abc/%.?", k=9)), method="GET"), {404, 400, 200}
        elif kind == "method":
            raw, wanted = self.request(b"", method=self.random.choice(["PUT", "DELETE", "PATCH", "BREW"])), {405, 400}
        elif kind == "refused":
            raw, wanted = self.request({"input": f"please refuse me {self.random.random()}", "input_type": "query"}), {422, 429, 503}
        elif kind == "fields":
            value = self.random.choice([1, None, [], {}, "", [[]], [1], [None], True, "x" * 20, -1e308, ["a", 2]])
            field = self.random.choice(["input", "model", "input_type", "encoding_format", "dimensions", "lambda", "truncation"])
            raw, wanted = self.request({"input": GOOD[0], "input_type": "query", field: value}), {200, 400, 404, 429, 503}
        elif kind == "noise":
            raw = bytes(self.random.randrange(256) for _ in range(self.random.randrange(1, 200))) + b"\r\n\r\n"
            leave = True
        elif kind == "deep":
            raw = self.request(b"[" * self.random.choice([10, 600, 100_000]))
        elif kind == "search":
            raw = self.request({"query": self.random.choice(GOOD), "top": 3}, path=self.random.choice(["/search", "/v1/context"]))
            wanted = {200, 404, 429, 503}
        else:
            raw, wanted = self.request(b"", path=self.random.choice(["/", "/metrics", "/openapi.json", "/livez", "/readyz"]), method="GET"), {200, 503}
        try:
            status, _, answer = await self.exchange(raw, leave=leave, pause=pause)
        except (asyncio.IncompleteReadError, ConnectionError):
            # A body that is too long may be met by a closed door.
            if kind not in ("huge", "announced", "noise", "path"):
                raise
            status = "closed"
        self.seen[f"{kind} {status}"] += 1
        if not leave and status != "closed" and status not in wanted:
            self.fault(f"{kind} got {status}: {answer[:200]}")

    async def client(self, budget):
        while budget["left"] > 0 and not self.ending:
            budget["left"] -= 1
            work = self.good if self.random.random() < 0.7 else self.bad
            try:
                await asyncio.wait_for(work(), 90)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                if not self.ending:
                    self.fault(f"{work.__name__}: the connection ended: {error}")
            except asyncio.TimeoutError:
                self.fault(f"{work.__name__}: no answer")


def resident(pid):
    return int(re.search(r"^VmRSS: +(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M).group(1)) / 1000


async def run(given):
    upstream = Upstream()
    await upstream.start()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        environment = os.environ | {"MAFIN_CACHE": str(folder / "cache"), "OPENAI_API_KEY": "none"}
        artefact = folder / "soak"
        train = await asyncio.create_subprocess_exec(
            given.mafin, "train", "--data", given.data, "--black-box", "openai:mock", "--base-url",
            f"http://127.0.0.1:{upstream.port}/v1", "--encoder", given.model, "--time", "5s", "--rivals", "none", "--force", "--quiet",
            "--output", artefact, env=environment)
        assert await train.wait() == 0
        log = open(folder / "log", "wb")
        server = subprocess.Popen(
            [given.mafin, "serve", artefact, "--port", "0", "--max-body", str(2 << 20), "--black-box-deadline", "2", "--deadline", "60"],
            stdout=subprocess.DEVNULL, stderr=log, env=environment)
        while not (match := re.search(rb"serving at http://127.0.0.1:(\d+)", (folder / "log").read_bytes())):
            assert server.poll() is None, (folder / "log").read_text()
            await asyncio.sleep(0.05)
        soak = Soak(int(match.group(1)), given.seed)
        for role in ("query", "document"):
            for text in GOOD:
                _, _, answer = await soak.exchange(soak.request({"input": text, "input_type": role, "encoding_format": "base64"}))
                soak.truth[role, text] = soak.vectors(answer)[0]

        budget = {"left": given.requests}
        begun = time.monotonic()
        clients = [asyncio.create_task(soak.client(budget)) for _ in range(given.clients)]
        memory = []
        ticks = 0
        while budget["left"] > given.clients and server.poll() is None:
            await asyncio.sleep(1)
            ticks += 1
            upstream.mood = soak.random.choice(["well"] * 6 + ["slow", "busy", "broken", "hangs up"])
            if ticks % 7 == 0:
                server.send_signal(signal.SIGHUP)
            if ticks % 5 == 0 and server.poll() is None:
                memory.append(resident(server.pid))
                done = given.requests - budget["left"]
                print(f"{done} requests, {done / (time.monotonic() - begun):.0f}/s, {memory[-1]:.0f} MB, faults {len(soak.faults)}", flush=True)
        assert server.poll() is None, f"the service ended: {(folder / 'log').read_text()[-3000:]}"

        # SIGTERM under load: those that are under way are answered.
        upstream.mood = "slow"
        last = [asyncio.create_task(soak.exchange(soak.request({"input": f"the end {i}", "input_type": "query"}))) for i in range(given.clients)]
        await asyncio.sleep(0.1)
        server.send_signal(signal.SIGTERM)
        soak.ending = True
        answers = await asyncio.gather(*last, return_exceptions=True)
        lost = [a for a in answers if isinstance(a, BaseException) or a[0] not in (200, 429, 503)]
        if lost:
            soak.fault(f"{len(lost)} requests lost at the end: {lost[:3]}")
        await asyncio.gather(*clients, return_exceptions=True)
        status = server.wait(60)
        if status != 0:
            soak.fault(f"the service ended with status {status}")
        text = (folder / "log").read_text()
        if '"event":"failure"' in text:
            soak.fault("a fault of the server: " + next(line for line in text.splitlines() if '"event":"failure"' in line))
        half = memory[len(memory) // 4:len(memory) // 2] or memory
        end = memory[-max(1, len(memory) // 4):] or memory
        if memory and sum(end) / len(end) > 1.1 * sum(half) / len(half) + 20:
            soak.fault(f"memory grows: {memory}")
        for key, count in sorted(soak.seen.items()):
            print(f"{key:24} {count}")
        print(f"reloads {ticks // 7}, upstream calls {dict(upstream.calls)}, memory MB {[round(m) for m in memory][::max(1, len(memory) // 12)]}")
        return soak.faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mafin", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", default="Samples/handbook")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    faults = asyncio.run(run(parser.parse_args()))
    if faults:
        raise SystemExit(f"{len(faults)} faults")
    print("as it should be")


if __name__ == "__main__":
    main()
