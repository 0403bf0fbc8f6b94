"""Compares the encoding of images with PyTorch's, and the reading of pictures with Pillow's. All take turns in one run, in float32.

    swift build -c release --package-path Benchmarks --product bench-vision
    PEER-HOME/venv/bin/python Tools/bench-vision.py --model .cache/models/dinov2-small [--side 98] [--pictures FOLDER]

The network is `Dinov2Model` of transformers with scaled dot-product attention, on batches of 16 images in memory. Medians of the rounds' best
are printed. With --pictures, the pictures of a folder are read, resized and normalised on one thread, by us and by the checkpoint's processor of
transformers over Pillow; and the vectors of both are compared: the largest difference must be below 1e-4. Needs torch and transformers; for
pictures also pillow and torchvision.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import numpy
import torch
import transformers

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "Benchmarks" / ".build" / "release" / "bench-vision"
BATCH = 16


def torch_rate(model, side, images):
    pixels = torch.randn(BATCH, 3, side, side)
    with torch.inference_mode():
        model(pixel_values=pixels)
        start = time.perf_counter()
        for _ in range(images // BATCH):
            model(pixel_values=pixels)
        return images // BATCH * BATCH / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--side", type=int, nargs="+", default=[224, 98])
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=pathlib.Path, help="folder of pictures")
    parser.add_argument("--program", type=pathlib.Path, default=PROGRAM)
    options = parser.parse_args()
    model = transformers.Dinov2Model.from_pretrained(options.model, attn_implementation="sdpa", dtype=torch.float32).eval()
    print("| side | threads | PyTorch, images/s | mafin, images/s | ratio | share of products |")
    print("|---|---|---|---|---|---|")
    for side in options.side:
        for threads in options.threads:
            torch.set_num_threads(threads)
            theirs, ours = [], []
            for _ in range(options.rounds):
                theirs.append(torch_rate(model, side, options.images))
                ours.append(run(options, side, threads))
            mine, other = (statistics.median(rates) for rates in [[row["imagesPerSecond"] for row in ours], theirs])
            share = statistics.median(row["share"] for row in ours)
            print(f"| {side} | {threads} | {other:.1f} | {mine:.1f} | {mine / other:.2f} | {share:.2f} |", flush=True)
    if options.pictures:
        compare_pictures(options, model)


def run(options, side, threads, *further):
    command = [
        options.program, "--model", options.model, "--side", side, "--threads", threads, "--images", options.images, *further]
    output = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def compare_pictures(options, model):
    from PIL import Image

    files = sorted(str(path) for path in options.pictures.rglob("*") if path.suffix.lower() in [".png", ".jpg", ".jpeg"])
    files = files[: options.images]
    processor = transformers.AutoImageProcessor.from_pretrained(options.model, backend="pil")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        pictures, vectors = pathlib.Path(folder) / "pictures.json", pathlib.Path(folder) / "vectors.json"
        pictures.write_text(json.dumps(files))
        row = run(options, 0, 1, "--pictures", pictures, "--vectors", vectors)
        ours = numpy.array(json.loads(vectors.read_text()))
    start = time.perf_counter()
    tensors = [processor(Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"] for path in files]
    theirs = len(files) / (time.perf_counter() - start)
    with torch.inference_mode():
        expected = model(pixel_values=torch.cat(tensors)).last_hidden_state[:, 0].numpy()
    print(f"\nreading {len(files)} pictures, one thread: Pillow {theirs:.1f}/s, mafin {row['picturesPerSecond']:.1f}/s")
    print(f"largest difference of the vectors: {numpy.abs(ours - expected).max():.2e} of {numpy.abs(expected).max():.2f}")


if __name__ == "__main__":
    main()
