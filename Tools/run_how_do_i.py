"""Runs every line of Documentation/how-do-i.md on the bundled sample, in the order of the page.

    python Tools/run_how_do_i.py PAGE WORK          MAFIN_PROGRAM, MAFIN_LIBRARY, MAFIN_MODELS as in Scripts/test-python.sh

The Python lines run in one namespace, the shell and HTTP lines in bash. `mafin serve …` is started beside them and answers the HTTP lines that follow.
A Swift block must stand, word for word, in Samples/SwiftClient, which Scripts/test-samples.sh compiles and runs. The three best documents of a search must be the same in
Python, over HTTP and at the shell.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
ADDRESS = "127.0.0.1:8080"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def squeezed(text):
    """Text without white space, which the formatter of Swift sources decides."""
    return "".join(text.split())


class Page:
    def __init__(self, work):
        self.work = work
        self.swift = squeezed(" ".join(file.read_text() for file in sorted((ROOT / "Samples/SwiftClient/Sources").rglob("*.swift"))))
        self.names = {}
        self.server = None
        self.address = None
        self.found = []
        self.counts = {}

    def run(self, kind, text):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        {"python": self.python, "swift": self.in_the_sample, "sh": self.shell, "http": self.http}[kind](text)

    def python(self, text):
        """Runs a block; its last line, if it is an expression, must have a value."""
        with contextlib.redirect_stderr(io.StringIO()):
            exec(compile(text, "how-do-i.md", "exec"), self.names)
            last = text.rstrip().splitlines()[-1]
            if not re.match(r"[\w, ]+ = |from |import |[a-z_]+\(", last) and not last.startswith(" "):
                assert eval(last, self.names) is not None, last
        if "hits = " in text:
            self.found.append(("python", [hit.id for hit in self.names["hits"]]))

    def in_the_sample(self, text):
        assert squeezed(text) in self.swift, f"this block is not in Samples/SwiftClient:\n{text}"

    def shell(self, text):
        for command in text.replace("\\\n", " ").strip().splitlines():
            if command.startswith("mafin serve"):
                self.serve(command)
                continue
            output = self.bash(command)
            if command.startswith("mafin"):
                assert output.strip(), f"{command}: no output"
            if command.startswith("mafin search"):
                hits = json.loads(self.bash(command.replace("mafin search", "mafin search --json --quiet", 1)))["results"]
                self.found.append(("sh", [hit["id"] for hit in hits]))

    def http(self, text):
        assert self.address, "no service was started"
        answer = json.loads(self.bash(text.replace(ADDRESS, self.address)))
        if "results" in answer:
            self.found.append(("http", [hit["id"] for hit in answer["results"]]))
        else:
            assert len(answer["data"][0]["embedding"]) > 0

    def bash(self, command):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=self.work, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"error: {command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def serve(self, command):
        self.stop()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        log = (self.work / "serve.log").open("w")
        self.server = subprocess.Popen(
            ["mafin", *command.split()[1:], "--port", self.address.split(":")[1]], cwd=self.work, stderr=log, stdout=log
        )
        for _ in range(600):
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://{self.address}/readyz") as answer:
                    if answer.status == 200:
                        return
            if self.server.poll() is not None:
                break
            time.sleep(0.1)
        sys.exit(f"error: {command}: the service did not begin\n{(self.work / 'serve.log').read_text()}")

    def stop(self):
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            if self.server.wait(30) != 0:
                sys.exit(f"error: mafin serve ended with status {self.server.returncode}")
            self.server = None


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    text, work = pathlib.Path(sys.argv[1]).read_text(), pathlib.Path(sys.argv[2]).resolve()
    program = pathlib.Path(os.environ["MAFIN_PROGRAM"])
    (work / "bin").mkdir(parents=True)
    (work / "bin/mafin").symlink_to(program)
    (work / "DATA").symlink_to(ROOT / "Samples/handbook")
    (work / "ENCODER").symlink_to(pathlib.Path(os.environ["MAFIN_MODELS"]) / "all-MiniLM-L6-v2")
    os.environ["PATH"] = f"{work / 'bin'}:{os.environ['PATH']}"
    os.environ["MAFIN_CACHE"] = str(work / "cache")
    os.chdir(work)

    page = Page(work)
    try:
        for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
            title, begin = section.splitlines()[0], time.time()
            page.found = []
            for kind, block in BLOCK.findall(section):
                page.run(kind, block)
            rankings = {tuple(ids) for _, ids in page.found}
            assert len(rankings) <= 1, f"{title}: other documents in other languages: {page.found}"
            assert not title.startswith(("Search", "Answer")) or len(page.found) == 3, f"{title}: expected three rankings"
            print(f"{title}: {time.time() - begin:.1f} s", file=sys.stderr)
    finally:
        page.stop()
    print(", ".join(f"{count} {kind} blocks" for kind, count in page.counts.items()), file=sys.stderr)


main()
