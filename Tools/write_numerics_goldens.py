"""Writes the goldens of Tests/MafinNumericsTests: files that NumPy and safetensors write, their contents, and the
random numbers of this script's own generator.

    python Tools/write_numerics_goldens.py

Needs numpy, torch and safetensors. Expected values are written as the bits of float32, so that nothing is rounded.
"""

import json
import pathlib

import goldens
import numpy as np
import safetensors.numpy
import safetensors.torch
import torch

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "Tests" / "MafinNumericsTests" / "Goldens"
MASK = (1 << 64) - 1


def bits(values):
    return np.asarray(values, dtype=np.float32).ravel().view(np.uint32).tolist()


def write_numpy(expected):
    rng = np.random.default_rng(1)
    plain = rng.standard_normal((3, 4)).astype(np.float32)
    # The smallest subnormal, the largest subnormal, the smallest normal, the largest value, infinities, signed zeros.
    special = np.array(
        [0x0001, 0x03FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00, 0x0000, 0x8000, 0x8001, 0x3C00], dtype=np.uint16
    ).view(np.float16)
    arrays = {
        "float32": plain,
        "float16": special.reshape(2, 5),
        "float16_nan": np.array([[np.nan, 1.5]], dtype=np.float16),
        "float64": rng.standard_normal((2, 3)),
        "one_dimension": rng.standard_normal(5).astype(np.float32),
        "no_rows": np.zeros((0, 4), dtype=np.float32),
    }
    for name, array in arrays.items():
        np.save(GOLDENS / f"{name}.npy", array)
        expected[name] = {"shape": list(array.shape), "bits": bits(array)}
    for version in [(2, 0), (3, 0)]:
        with open(GOLDENS / f"version{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, plain, version=version)
        expected[f"version{version[0]}"] = expected["float32"]
    # Files that must be refused.
    np.save(GOLDENS / "fortran.npy", np.asfortranarray(plain))
    np.save(GOLDENS / "int32.npy", np.arange(6, dtype=np.int32).reshape(2, 3))
    np.save(GOLDENS / "big_endian.npy", plain.astype(">f4"))
    np.save(GOLDENS / "three_dimensions.npy", plain.reshape(3, 2, 2))
    np.save(GOLDENS / "no_dimension.npy", np.float32(3))
    whole = (GOLDENS / "float32.npy").read_bytes()
    (GOLDENS / "truncated.npy").write_bytes(whole[:-1])
    (GOLDENS / "truncated_header.npy").write_bytes(whole[:40])


def write_safetensors(expected):
    generator = torch.Generator().manual_seed(2)
    single = torch.randn(2, 3, generator=generator)
    tensors = {
        "single": single,
        "half": torch.randn(4, generator=generator).half(),
        "brain": torch.randn(2, 2, generator=generator).bfloat16(),
        "double": torch.randn(3, generator=generator, dtype=torch.float64),
        "nothing": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
        "whole": torch.arange(4),
    }
    path = GOLDENS / "tensors.safetensors"
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt", "origin": "Python"})
    for name, tensor in tensors.items():
        if name != "whole":
            expected[name] = {"shape": list(tensor.shape), "bits": bits(tensor.float().numpy())}
    (GOLDENS / "cut.safetensors").write_bytes(path.read_bytes()[:-3])


class Xoshiro:
    """xoshiro256** 1.0, after Blackman's and Vigna's C at https://prng.di.unimi.it, seeded by SplitMix64."""

    def __init__(self, seed):
        self.state = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            z = seed
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            self.state.append(z ^ (z >> 31))

    def next(self):
        def rotate(x, k):
            return ((x << k) | (x >> (64 - k))) & MASK

        s = self.state
        result = (rotate((s[1] * 5) & MASK, 7) * 9) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)
        return result


def write_random():
    seeds = [0, 1, 42, 0xDEADBEEF, MASK]
    numbers = {}
    for seed in seeds:
        generator = Xoshiro(seed)
        numbers[str(seed)] = [str(generator.next()) for _ in range(20)]
    (GOLDENS / "random.json").write_text(json.dumps(numbers, indent=1) + "\n")


def main():
    versions = goldens.check("numpy", "safetensors", "torch")
    GOLDENS.mkdir(parents=True, exist_ok=True)
    expected = {}
    write_numpy(expected)
    write_safetensors(expected)
    write_random()
    (GOLDENS / "expected.json").write_text(json.dumps(expected) + "\n")
    files = [path.name for path in GOLDENS.iterdir() if path.suffix in (".npy", ".safetensors", ".json")]
    goldens.record(GOLDENS, __file__, versions, *files)


if __name__ == "__main__":
    main()
