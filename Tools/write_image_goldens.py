"""Writes the goldens of Tests/MafinImagesTests: small PNG and JPEG files of every kind, their pixels as Pillow decodes them, pictures that
Pillow resized and changed, inputs of encoders as transformers makes them, and ImageHash's perceptual hashes.

    python Tools/write_image_goldens.py

Needs numpy, pillow, transformers (its processors that use Pillow) and ImageHash. Pictures are made by this script's own generator.
"""

import io
import json
import pathlib
import struct
import zlib

import goldens
import imagehash
import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from pictures import picture
from transformers import BitImageProcessorPil, CLIPImageProcessorPil, ViTImageProcessorPil

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "Tests" / "MafinImagesTests" / "Goldens"


def png(width, height, depth, colour, rows, interlaced=False, chunks=()):
    """A PNG of packed rows, for kinds that Pillow does not write. `rows(columns, lines)` gives the packed rows of a subset of the pixels."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    data = b""
    for left, top, right, down in passes if interlaced else [(0, 0, 1, 1)]:
        columns, lines = range(left, width, right), range(top, height, down)
        if len(columns) and len(lines):
            data += b"".join(b"\0" + row for row in rows(columns, lines))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*c) for c in chunks) + chunk(b"IDAT", zlib.compress(data, 9))
        + chunk(b"IEND", b""))


def files():
    rgb = picture(23, 17, 1)
    alpha = (np.arange(23 * 17).reshape(17, 23) * 7 % 256).astype(np.uint8)
    grey = np.asarray(Image.fromarray(rgb).convert("L"))
    image = Image.fromarray(rgb)
    result = {}

    def save(name, image, **options):
        stream = io.BytesIO()
        image.save(stream, **options)
        result[name] = stream.getvalue()

    save("rgb.png", image, format="PNG")
    save("grey.png", Image.fromarray(grey), format="PNG")
    save("black-white.png", image.convert("1"), format="PNG")
    save("grey-alpha.png", Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]), format="PNG")
    save("rgba.png", Image.merge("RGBA", [*image.split(), Image.fromarray(alpha)]), format="PNG")
    for colours, bits in [(2, 1), (4, 2), (16, 4), (200, 8)]:
        save(f"palette-{bits}.png", image.quantize(colours), format="PNG", bits=bits)
    save("palette-transparent.png", image.quantize(16), format="PNG", transparency=bytes(range(0, 256, 16)))
    save("rgb-transparent.png", image, format="PNG", transparency=tuple(int(c) for c in rgb[3, 4]))
    save("one-pixel.png", Image.fromarray(rgb[:1, :1]), format="PNG")
    save("one-row.jpg", Image.fromarray(rgb[:1]), format="JPEG")

    def packed(values, depth):
        """Rows of numbers of `depth` bits."""
        def rows(columns, lines):
            for line in lines:
                bits = [(int(values[line, column]) >> (depth - 1 - bit)) & 1 for column in columns for bit in range(depth)]
                yield np.packbits(np.array(bits, np.uint8)).tobytes()
        return rows

    def wide(values):
        """Rows of pixels of 16-bit colours."""
        return lambda columns, lines: (values[line][list(columns)].astype(">u2").tobytes() for line in lines)

    def bytewise(values):
        return lambda columns, lines: (values[line][list(columns)].tobytes() for line in lines)

    low = (np.arange(23 * 17).reshape(17, 23) * 37 % 256).astype(np.uint16)
    result["grey-2.png"] = png(23, 17, 2, 0, packed(grey >> 6, 2))
    result["grey-4.png"] = png(23, 17, 4, 0, packed(grey >> 4, 4))
    result["grey-16.png"] = png(23, 17, 16, 0, wide(grey.astype(np.uint16) * 256 + low))
    result["rgb-16.png"] = png(23, 17, 16, 2, wide(rgb.astype(np.uint16) * 256 + low[..., None]))
    result["rgba-16.png"] = png(
        23, 17, 16, 6, wide(np.dstack([rgb, alpha]).astype(np.uint16) * 256 + low[..., None]))
    result["grey-alpha-16.png"] = png(
        23, 17, 16, 4, wide(np.dstack([grey, alpha]).astype(np.uint16) * 256 + low[..., None]))
    result["interlaced.png"] = png(23, 17, 8, 2, bytewise(rgb), interlaced=True)
    result["interlaced-grey-1.png"] = png(23, 17, 1, 0, packed(grey >> 7, 1), interlaced=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    block = exif.tobytes()
    result["oriented.png"] = png(23, 17, 8, 2, bytewise(rgb), chunks=[(b"eXIf", block.removeprefix(b"Exif\0\0"))])

    save("baseline.jpg", image, format="JPEG", quality=90)
    save("full-colour.jpg", image, format="JPEG", quality=90, subsampling=0)
    save("half-colour.jpg", image, format="JPEG", quality=70, subsampling=1)
    save("progressive.jpg", image, format="JPEG", quality=80, progressive=True)
    save("grey.jpg", Image.fromarray(grey), format="JPEG", quality=85)
    save("grey-progressive.jpg", Image.fromarray(grey), format="JPEG", quality=85, progressive=True)
    save("stored-rgb.jpg", image, format="JPEG", quality=90, keep_rgb=True)
    save("cmyk.jpg", image.convert("CMYK"), format="JPEG", quality=90)
    # The same bytes, of which Adobe's marker says that they are YCCK.
    cmyk = bytearray(result["cmyk.jpg"])
    marker = cmyk.index(b"Adobe")
    cmyk[marker + 11] = 2
    result["ycck.jpg"] = bytes(cmyk)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010E] = "a picture"
        save(f"orientation-{orientation}.jpg", image, format="JPEG", quality=90, exif=exif)
    return result


def decoded(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    if image.mode.startswith("I"):
        # Pillow clips 16 bits of grey at 255; all its other 16-bit modes keep the high byte.
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


class Pieces:
    """Arrays of bytes in one file."""

    def __init__(self):
        self.data = b""

    def add(self, array):
        array = np.ascontiguousarray(array)
        start = len(self.data)
        self.data += array.tobytes()
        return {"offset": start, "shape": list(array.shape)}


def processors():
    def bit(edge, crop):
        return BitImageProcessorPil(
            size={"shortest_edge": edge}, crop_size={"height": crop, "width": crop}, image_mean=[0.485, 0.456, 0.406],
            image_std=[0.229, 0.224, 0.225])

    return {
        "dinov2": bit(256, 224),
        "dinov2-small": bit(37, 28),
        "vit": ViTImageProcessorPil(),
        "vit-small": ViTImageProcessorPil(size={"height": 28, "width": 28}),
        "clip": CLIPImageProcessorPil(),
        "clip-small": CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
    }


def main():
    versions = goldens.check("numpy", "pillow", "transformers", "ImageHash")
    GOLDENS.mkdir(parents=True, exist_ok=True)
    folder = GOLDENS / "files"
    folder.mkdir(exist_ok=True)
    pieces, index = Pieces(), {"decoded": {}, "resized": [], "enhanced": [], "hashes": {}, "processed": []}
    for name, data in files().items():
        (folder / name).write_bytes(data)
        index["decoded"][name] = pieces.add(decoded(data))

    source = picture(37, 23, 2)
    index["source"] = pieces.add(source)
    for width, height in [(5, 4), (74, 50), (16, 23), (37, 9), (36, 22), (1, 1), (38, 24), (11, 90)]:
        for resample in [0, 1, 2, 3]:
            result = Image.fromarray(source).resize((width, height), resample)
            index["resized"].append({"width": width, "height": height, "filter": resample, "pixels": pieces.add(np.asarray(result))})

    for brightness, contrast, saturation in [(0.9, 1, 1), (1.1, 1, 1), (1, 0.8, 1), (1, 1.2, 1), (1, 1, 0.7), (1, 1, 1.3), (0.93, 1.08, 1.1)]:
        image = Image.fromarray(source)
        for enhancer, factor in [(ImageEnhance.Brightness, brightness), (ImageEnhance.Contrast, contrast), (ImageEnhance.Color, saturation)]:
            image = enhancer(image).enhance(factor)
        index["enhanced"].append({"factors": [brightness, contrast, saturation], "pixels": pieces.add(np.asarray(image))})

    photos = {"wide.jpg": picture(160, 107, 3, noise=3), "tall.png": picture(61, 90, 4, noise=0), "small.png": picture(28, 28, 5, noise=0)}
    for name, pixels in photos.items():
        image = Image.fromarray(pixels)
        if name.endswith(".jpg"):
            image.save(folder / name, quality=80)
        else:
            image.save(folder / name)
    # Near duplicates: other sizes, compressions and colours of one picture.
    wide = Image.open(folder / "wide.jpg").convert("RGB")
    variants = {
        "wide.jpg": wide, "wide-half.png": wide.resize((80, 53), 3), "wide-brighter.png": ImageEnhance.Brightness(wide).enhance(1.1),
    }
    for name, image in variants.items():
        if name != "wide.jpg":
            image.save(folder / name)
    for name in [*photos, *variants]:
        image = Image.open(folder / name).convert("RGB")
        bits = imagehash.phash(image).hash.ravel()
        index["hashes"][name] = "".join("1" if bit else "0" for bit in bits)

    for label, processor in processors().items():
        config = GOLDENS / f"processor-{label}.json"
        config.write_text(processor.to_json_string())
        for name in photos:
            image = Image.open(folder / name).convert("RGB")
            plain = np.asarray(processor(image, do_normalize=False, do_rescale=False, return_tensors="np")["pixel_values"][0])
            normalised = np.asarray(processor(image, return_tensors="np")["pixel_values"][0]).astype(np.float32)
            step = 1 if plain.shape[-1] < 40 else 9
            entry = {
                "processor": label, "file": name, "side": plain.shape[-1], "step": step,
                "pixels": pieces.add(np.rint(plain[:, ::step, ::step]).astype(np.uint8))}
            if name == "wide.jpg":
                entry["tensor"] = pieces.add(normalised[:, ::step, ::step].view(np.uint32))
            index["processed"].append(entry)
    (GOLDENS / "expected.bin").write_bytes(pieces.data)
    (GOLDENS / "expected.json").write_text(json.dumps(index) + "\n")
    written = [path.relative_to(GOLDENS).as_posix() for path in GOLDENS.rglob("*") if path.is_file() and path.name != "README.md"]
    goldens.record(GOLDENS, __file__, versions, *written)


if __name__ == "__main__":
    main()
