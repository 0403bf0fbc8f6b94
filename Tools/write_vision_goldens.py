"""Writes the goldens of vision encoders in Tests/MafinEncoderTests: what PyTorch and transformers compute, in float32 on the CPU.

    OMP_NUM_THREADS=1 python Tools/write_vision_goldens.py

Needs numpy, torch, transformers, safetensors. The networks are small and random. Pixels are random too, `(images, 3, side, side)`; their sides
differ from the configuration's, so that positions are resized. Losses, gradients and steps are those of `write_encoder_goldens.py`.
"""

import json

import goldens
import torch
import transformers
from write_encoder_goldens import GOLDENS, TEMPERATURE, floats, loss_of, projections, write

RATES = [2e-3 * min(1, (step + 1) / 4) for step in range(10)]


def dinov2_names(name):
    for new, old in [
        ("attention.q_proj", "attention.attention.query"), ("attention.k_proj", "attention.attention.key"),
        ("attention.v_proj", "attention.attention.value"), ("attention.o_proj", "attention.output.dense"),
    ]:
        name = name.replace(new, old)
    return name


def vit_names(name):
    name = dinov2_names(name)
    if name.startswith("layers."):
        name = "encoder.layer." + name.removeprefix("layers.")
    return name.replace("mlp.fc1", "intermediate.dense").replace("mlp.fc2", "output.dense")


SMALL = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, patch_size=4)

# The network, the hub's names of its tensors, its settings, and the sides of its pixels: fewer positions than it has, as many, and more.
FAMILIES = {
    "dinov2": (
        transformers.Dinov2Config, transformers.Dinov2Model, dinov2_names, dict(mlp_ratio=2, image_size=20), [12, 20, 44]),
    "clip-vision": (
        transformers.CLIPVisionConfig, transformers.CLIPVisionModelWithProjection, str,
        dict(intermediate_size=48, projection_dim=24, image_size=16), [12, 16, 44]),
    "vit": (transformers.ViTConfig, transformers.ViTModel, vit_names, dict(intermediate_size=48, image_size=16), [12, 16, 44]),
}


def embed(model, pixels):
    # DINOv2 resizes its positions always, the others when they are told to.
    arguments = {} if isinstance(model, transformers.Dinov2Model) else {"interpolate_pos_encoding": True}
    output = model(pixel_values=pixels, **arguments)
    return output.image_embeds if hasattr(output, "image_embeds") else output.last_hidden_state[:, 0]


def gradients(model, pixels, grades):
    model.zero_grad()
    loss = loss_of(embed(model, pixels), grades, "listwise")
    loss.backward()
    return loss.item(), {name: parameter.grad.clone() for name, parameter in trained(model)}


def trained(model):
    # Nothing reads the vector that stands for hidden patches in pre-training.
    return [(name, parameter) for name, parameter in model.named_parameters() if "mask_token" not in name]


def curve(model, batches, grades, clip, decay):
    groups = {True: [], False: []}
    for name, parameter in trained(model):
        groups[not (name.endswith("bias") or "norm" in name.lower() or "layer_scale" in name)].append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": groups[True], "weight_decay": decay}, {"params": groups[False], "weight_decay": 0.0}], lr=1.0)
    losses, norms = [], []
    for step, rate in enumerate(RATES):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = loss_of(embed(model, batches[step % len(batches)]), grades, "listwise")
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_([parameter for _, parameter in trained(model)], clip).item())
        losses.append(loss.item())
        optimizer.step()
    return losses, norms


def write_family(name, seed):
    config_type, model_type, names, settings, sides = FAMILIES[name]
    generator = torch.Generator().manual_seed(seed)
    config = config_type(**(SMALL | settings))
    config._attn_implementation = "eager"
    arguments = {"add_pooling_layer": False} if name == "vit" else {}
    model = model_type(config, **arguments).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_gain = ("norm" in parameter_name.lower() and parameter_name.endswith("weight")) or "layer_scale" in parameter_name
            parameter.copy_(1 + 0.1 * noise if is_gain else 0.15 * noise)
    folder = GOLDENS / f"small-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")
    write(folder / "model.safetensors", {names(n): p.detach().clone() for n, p in model.named_parameters()}, format="pt")

    def pixels(count, side):
        return torch.randn(count, 3, side, side, generator=generator)

    first, second, native, large = pixels(8, sides[0]), pixels(8, sides[0]), pixels(4, sides[1]), pixels(4, sides[2])
    grades = torch.randint(0, 4, (4, 4), generator=generator).float()
    tensors = {"first": first, "second": second, "native": native, "large": large, "grades": grades}
    for key in ["first", "native", "large"]:
        tensors[f"{key}.pooled"] = embed(model, tensors[key]).detach()
    loss, found = gradients(model, first, grades)
    tensors["loss.listwise"] = floats([loss])
    write(GOLDENS / f"small-{name}-gradients.safetensors", {names(n): gradient for n, gradient in found.items()})
    # More patches than a tile of attention has rows.
    loss, found = gradients(model, large, grades[:2, :2])
    tensors["large.loss"] = floats([loss])
    tensors |= {f"large/{names(n)}": floats(projections(names(n), gradient)) for n, gradient in found.items()}
    losses, norms = curve(model, [first, second], grades, 1.0, 0.1)
    tensors |= {"curve.rates": floats(RATES), "curve.losses": floats(losses), "curve.norms": floats(norms)}
    write(GOLDENS / f"small-{name}.safetensors", tensors, temperature=TEMPERATURE, clip=1.0, decay=0.1)
    print(folder.name, "losses", losses, "norms", norms)


def main():
    versions = goldens.check("numpy", "safetensors", "torch", "transformers")
    torch.set_num_threads(1)
    for seed, name in enumerate(FAMILIES, start=40):
        write_family(name, seed)
    starts = tuple(f"small-{name}" for name in FAMILIES)
    goldens.record(GOLDENS, __file__, versions, *[path.name for path in GOLDENS.iterdir() if path.name.startswith(starts)])


if __name__ == "__main__":
    main()
