"""Decoding and resizing of photos, ours and Pillow's, on one thread in one run: images a second from the bytes of a JPEG to the encoder's input
(DINOv2: shorter edge 256 bicubic, the middle 224 × 224, normalised).

    python Tools/bench-images.py [--clang clang] [--rounds 5]

Needs numpy and pillow, clang, and the development files of libpng and libjpeg-turbo. Ours and Pillow take turns; the best round of each counts.
"""

import argparse
import io
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
from PIL import Image, features
from pictures import picture

ROOT = pathlib.Path(__file__).resolve().parents[1]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def pillow(data, edge, crop):
    """Seconds for decoding, and for the rest, of one image."""
    decoding, rest, done, start = 0.0, 0.0, 0, time.perf_counter()
    while decoding + rest < 2 or done < 20:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        decoded = time.perf_counter()
        width, height = image.size
        short, long = min(width, height), max(width, height)
        longer = int(edge * long / short)
        image = image.resize((edge, longer) if width <= height else (longer, edge), Image.BICUBIC)
        left, top = (image.width - crop) // 2, (image.height - crop) // 2
        pixels = np.asarray(image.crop((left, top, left + crop, top + crop)), np.float32) / np.float32(255)
        np.ascontiguousarray(((pixels - MEAN) / DEVIATION).transpose(2, 0, 1))
        end = time.perf_counter()
        decoding, rest, done, start = decoding + decoded - start, rest + end - decoded, done + 1, end
    return decoding / done, rest / done


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--clang", default="clang")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/bench"
        sources = sorted(str(p) for p in (ROOT / "Sources/CMafinImages").glob("*.c"))
        subprocess.run(
            [options.clang, "-O2", f"-I{ROOT}/Sources/CMafinImages/include", *sources, f"{ROOT}/Tools/bench_images.c", "-lpng", "-ljpeg",
             "-lm", "-o", program], check=True)
        for width, height, form in [(640, 480, "jpg"), (1600, 1200, "jpg"), (224, 224, "jpg"), (640, 480, "png")]:
            file = pathlib.Path(folder) / f"photo.{form}"
            Image.fromarray(picture(width, height, 7, noise=4)).save(file, quality=85)
            ours, theirs = [], []
            for _ in range(options.rounds):
                words = subprocess.run([program, str(file), "256", "224"], check=True, capture_output=True, text=True).stdout.split()
                ours.append([float(w) for w in words])
                theirs.append(pillow(file.read_bytes(), 256, 224))
            best = [min(rounds, key=sum) for rounds in (ours, theirs)]
            row = {"image": f"{width} x {height} {form}", "bytes": file.stat().st_size}
            for name, (decoding, rest) in zip(("mafin", "pillow"), best):
                row[name] = {"images_per_second": round(1 / (decoding + rest), 1), "decode_ms": round(1e3 * decoding, 3), "rest_ms": round(1e3 * rest, 3)}
            row["ratio"] = round(row["mafin"]["images_per_second"] / row["pillow"]["images_per_second"], 2)
            results.append(row)
            print(json.dumps(row), flush=True)
    print(json.dumps({"pillow": Image.__version__, "libjpeg_turbo_of_pillow": features.version("libjpeg_turbo")}))


if __name__ == "__main__":
    main()
