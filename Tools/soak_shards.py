"""Kills the workers of `mafin embed --shards` at random moments, and checks that nothing is lost, twice or torn.

    soak_shards.py --mafin .build/release/mafin [--ranks 8] [--shards 24] [--kills 200] [--texts 6000] [--seed 1] [--cache URL] [--keep FOLDER]

It needs Python 3.11 or later and nothing else. An embedding server here (OpenAI's form, 16 numbers drawn from the text, a few milliseconds an answer)
notes which worker asked for which text. Eight workers share the shards and one cache: SQLite, or PostgreSQL with --cache postgresql://…
A worker is killed with SIGKILL, and another one takes its place, until so many were killed. Then all run to their end. It is checked that

- 'mafin shards verify' finds every text of the input once,
- the merged file equals, bit by bit, the output of a single process with a cache of its own,
- a text was asked for again only if the worker that had asked for it was killed before: its answer was on its way,
- no temporary file is left.

Any violation ends with status 1.
"""

import argparse
import base64
import hashlib
import http.server
import json
import math
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BOX = 16


def vector(text):
    numbers = [x / 2**31 - 1 for x in struct.unpack("<16I", hashlib.sha512(text.encode()).digest())]
    norm = math.sqrt(sum(x * x for x in numbers))
    return struct.pack(f"<{BOX}f", *(x / norm for x in numbers))


class Server:
    """The embedding API. A worker's key is its name."""

    def __init__(self, seed):
        self.lock = threading.Lock()
        self.asked = {}  # text -> [(worker, time)]
        self.requests = 0
        self.pause = random.Random(seed)
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                worker = self.headers["Authorization"].removeprefix("Bearer ")
                texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
                with server.lock:
                    server.requests += 1
                    pause = server.pause.uniform(0, 0.03)
                    for text in texts:
                        server.asked.setdefault(text, []).append((worker, time.time()))
                time.sleep(pause)
                wants64 = body.get("encoding_format") == "base64"
                data = []
                for index, text in enumerate(texts):
                    value = vector(text)
                    value = base64.b64encode(value).decode() if wants64 else list(struct.unpack(f"<{BOX}f", value))
                    data.append({"object": "embedding", "index": index, "embedding": value})
                answer = json.dumps({"object": "list", "data": data, "model": body["model"],
                                     "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)}}).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass  # The worker was killed.

        class Threads(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.http = Threads(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def write_world(folder, texts, seed):
    """A collection of the sample's size and labels, with many more documents."""
    shutil.copytree(ROOT / "Samples" / "handbook", folder / "data")
    lines = [json.loads(line) for line in (folder / "data" / "corpus.jsonl").open()]
    words = sorted({word for line in lines for word in line["text"].split()})
    generator = random.Random(seed)
    with (folder / "corpus.jsonl").open("w") as file:
        for number in range(texts):
            text = " ".join(generator.choices(words, k=generator.randint(3, 30)))
            # Every ninth text is that of another one, which must not be paid for twice either.
            if number % 9 == 8:
                text = last
            last = text
            file.write(json.dumps({"_id": f"t{number}", "text": text}) + "\n")
    subprocess.run([sys.executable, ROOT / "Tools" / "make_encoder_folder.py", "mean", folder / "model"], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mafin", default=".build/release/mafin")
    for name, default in [("ranks", 8), ("shards", 24), ("kills", 200), ("texts", 6000), ("seed", 1)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--cache", help="postgresql://… instead of a SQLite file")
    parser.add_argument("--keep", help="folder for the files; it is not removed")
    given = parser.parse_args()
    mafin = str(pathlib.Path(given.mafin).resolve())
    folder = pathlib.Path(given.keep or tempfile.mkdtemp()).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    write_world(folder, given.texts, given.seed)
    server = Server(given.seed)
    environment = os.environ | {"MAFIN_CACHE": str(folder / "cache"), "MAFIN_THREADS": "1"}

    def run(*arguments, key="setup", cache=None, **options):
        flags = [*map(str, arguments)]
        if cache:
            flags += ["--cache", cache]
        return subprocess.run([mafin, *flags], env=environment | {"OPENAI_API_KEY": key}, cwd=folder, check=True, **options)

    box = ["--base-url", server.url]
    run("train", "--data", "data", "--black-box", "openai:mock", *box, "--encoder", "model", "--mode", "query", "--epochs", "1",
        "--output", "ART", "--quiet", cache="train.sqlite", stdout=subprocess.DEVNULL)
    embed = ["embed", "ART", "--input", "corpus.jsonl", "--as", "document", "--quiet", "--black-box-batch", "16"]
    server.asked.clear()
    run(*embed, *box, "--output", "whole.npy", cache="alone.sqlite", stdout=subprocess.DEVNULL)
    distinct = len(server.asked)
    assert all(len(asked) == 1 for asked in server.asked.values()), "a single process asked for a text twice"
    server.asked.clear()
    server.requests = 0

    shared = given.cache or "shared.sqlite"
    generator = random.Random(given.seed)
    killed, workers, started = {}, {}, 0
    log = (folder / "workers.log").open("w")

    def start(rank):
        nonlocal started
        name = f"worker-{rank}-{started}"
        started += 1
        variables = environment | {"OPENAI_API_KEY": name, "MAFIN_RANK": str(rank), "MAFIN_WORKERS": str(given.ranks)}
        process = subprocess.Popen(
            [mafin, *embed, *box, "--output", "shards", "--shards", str(given.shards), "--rank-from", "environment", "--cache", shared],
            env=variables, cwd=folder, stdout=subprocess.DEVNULL, stderr=log)
        workers[rank] = (name, process, time.time())

    began = time.time()
    for rank in range(given.ranks):
        start(rank)
    failures = 0
    while len(killed) < given.kills:
        time.sleep(generator.uniform(0, 0.15))
        for rank, (name, process, _) in list(workers.items()):
            status = process.poll()
            if status is not None:
                if status != 0:
                    failures += 1
                # It is finished: it begins again, so that a kill can also meet a worker that only skips.
                start(rank)
        rank = generator.randrange(given.ranks)
        name, process, _ = workers[rank]
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed[name] = time.time()
            start(rank)
        # When all shards are finished early, one is taken away, so that there is work to interrupt.
        markers = sorted((folder / "shards").glob("shard-*.json")) if (folder / "shards").exists() else []
        if len(markers) == given.shards:
            generator.choice(markers).unlink()
    for rank in list(workers):
        while True:
            name, process, _ = workers[rank]
            status = process.wait()
            if status == 0:
                break
            failures += 1
            assert failures < 20, f"workers fail: see {log.name}"
            start(rank)
    # Each worker runs once more from the start: an earlier one may have passed a shard whose marker was taken away.
    for rank in list(workers):
        start(rank)
        assert workers[rank][1].wait() == 0, f"a worker failed: see {log.name}"
    seconds = time.time() - began

    faults = []
    if failures:
        faults.append(f"{failures} workers ended with an error: see {log.name}")
    verify = run("shards", "verify", "shards", "--input", "corpus.jsonl", "--json", capture_output=True, text=True)
    report = json.loads(verify.stdout)
    run("shards", "merge", "shards", "--output", "merged.npy", stdout=subprocess.DEVNULL)
    for ending in ["npy", "ids"]:
        if (folder / f"merged.{ending}").read_bytes() != (folder / f"whole.{ending}").read_bytes():
            faults.append(f"merged.{ending} is not whole.{ending}")
    left = [path.name for path in (folder / "shards").iterdir() if path.name.endswith(".tmp") and not path.name.startswith(".plan.")]
    if left:
        faults.append(f"temporary files are left: {left}")
    again = 0
    for text, asked in server.asked.items():
        for (before, _), (worker, at) in zip(asked, asked[1:]):
            again += 1
            if before not in killed or killed[before] > at + 0.01:
                faults.append(f"{before} asked for a text and lived, and {worker} asked again: {text[:40]}")
    if set(server.asked) and len(server.asked) != distinct:
        faults.append(f"{len(server.asked)} different texts were asked for, expected {distinct}")
    print(json.dumps({
        "ranks": given.ranks, "shards": given.shards, "kills": len(killed), "workersStarted": started, "texts": report["rows"],
        "distinctTexts": distinct, "inputsPaid": sum(map(len, server.asked.values())), "askedAgainAfterAKill": again,
        "requests": server.requests, "seconds": round(seconds, 1), "cache": "PostgreSQL" if given.cache else "SQLite",
        "faults": len(faults),
    }, indent=2))
    for fault in faults[:20]:
        print("fault:", fault, file=sys.stderr)
    if not given.keep and not faults:
        shutil.rmtree(folder)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
