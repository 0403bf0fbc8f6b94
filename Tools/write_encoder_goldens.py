"""Writes the goldens of Tests/MafinEncoderTests: what PyTorch and transformers compute, in float32 on the CPU.

    python Tools/write_encoder_goldens.py --model FOLDER --texts Samples/handbook [--only small bge minilm]

Needs numpy, torch, transformers, safetensors. FOLDER holds all-MiniLM-L6-v2. The texts come from a BEIR folder
(corpus.jsonl). The model's outputs are written, not the model itself.

Each golden is a safetensors file of float32 tensors (also the token ids, which float32 holds exactly). Two losses are computed for a batch of
n queries and then n documents, from scores = cosine / temperature:

    infoNCE    mean over the queries of −log softmax(scores)[own document]
    listwise   mean over the queries of the cross-entropy between softmax(grades) and softmax(scores)

For a tensor that is too large to store, its norm and 16 projections on ±1 vectors are stored: the mean square of the projections of a
difference is an unbiased estimate of its squared norm. The signs, and the weights of the bge shapes, come from SplitMix64,
so that the Swift tests can make them too.
"""

import argparse
import json
import pathlib

import goldens
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "Tests" / "MafinEncoderTests" / "Goldens"
TEMPERATURE = 0.05
PROJECTIONS = 16


# Numbers that Swift makes too


def name_hash(name):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & ((1 << 64) - 1)
    return value


def mixed(seed, count):
    """SplitMix64's outputs seed + 1 · γ, seed + 2 · γ, …, as uint64."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def formula_weights(name, shape):
    """Uniform in ±0.06; layer norm gains in 1 ± 0.1. Each operation rounds once, as in Swift."""
    count = int(np.prod(shape))
    unit = (mixed(name_hash(name), count) >> np.uint64(40)).astype(np.float32) * np.float32(2**-23) - np.float32(1)
    if name.endswith("LayerNorm.weight"):
        values = np.float32(1) + np.float32(0.1) * unit
    else:
        values = np.float32(0.06) * unit
    return torch.from_numpy(values.reshape(shape))


def projections(name, tensor):
    """The norm, then 16 projections; bit p of element i's number is the sign of projection p."""
    values = tensor.detach().double().numpy().ravel()
    bits = mixed(name_hash(name) ^ 0x5555, values.size)
    result = [np.linalg.norm(values)]
    for projection in range(PROJECTIONS):
        sign = 1 - 2 * ((bits >> np.uint64(projection)) & np.uint64(1)).astype(np.float64)
        result.append(float(values @ sign))
    return result


# Model and losses


def padded(rows):
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


def forward(model, rows, pooling):
    ids, mask = padded(rows)
    tokens = model(input_ids=ids, attention_mask=mask).last_hidden_state
    if pooling == "cls":
        pooled = tokens[:, 0]
    else:
        pooled = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return tokens, pooled


def loss_of(pooled, grades, kind):
    unit = torch.nn.functional.normalize(pooled, dim=-1)
    count = len(pooled) // 2
    scores = unit[:count] @ unit[count:].T / TEMPERATURE
    target = torch.eye(count) if kind == "infoNCE" else torch.softmax(grades, -1)
    return -(target * torch.log_softmax(scores, -1)).sum(-1).mean()


def gradients(model, rows, pooling, grades, kind):
    model.zero_grad()
    loss = loss_of(forward(model, rows, pooling)[1], grades, kind)
    loss.backward()
    return loss.item(), {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def curve(model, batches, pooling, grades, kind, rates, clip, decay):
    """Losses and gradient norms of AdamW steps over the batches in turn. Changes the model."""
    groups = {True: [], False: []}
    for name, parameter in model.named_parameters():
        groups[not (name.endswith("bias") or "norm" in name.lower())].append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": groups[True], "weight_decay": decay}, {"params": groups[False], "weight_decay": 0.0}], lr=1.0)
    losses, norms = [], []
    for step, rate in enumerate(rates):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = loss_of(forward(model, batches[step % len(batches)], pooling)[1], grades, kind)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), clip).item())
        losses.append(loss.item())
        optimizer.step()
    return losses, norms


# Files


def floats(values):
    return torch.tensor(values, dtype=torch.float32)


def batch_tensors(name, rows):
    return {
        f"{name}.ids": floats([token for row in rows for token in row]),
        f"{name}.lengths": floats([len(row) for row in rows]),
    }


def write(path, tensors, **metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, path,
        metadata={name: str(value) for name, value in metadata.items()})
    path.chmod(0o644)
    assert path.stat().st_size < 300_000, f"{path} has {path.stat().st_size} bytes"


def write_module_files(folder, pooling, width):
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens"]
    chosen = {"cls": "cls_token", "mean": "mean_tokens"}[pooling]
    settings = {"word_embedding_dimension": width} | {f"pooling_mode_{mode}": mode == chosen for mode in modes}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    text = json.dumps(
        [
            {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for index, (path, kind) in enumerate(modules)
        ], indent=2)
    (folder / "modules.json").write_text(text + "\n")


def random_rows(generator, lengths, vocabulary):
    # Id 0 is the padding of PyTorch's embedding, which gets no gradient in PyTorch.
    return [torch.randint(1, vocabulary, (length,), generator=generator).tolist() for length in lengths]


# (a) Small random encoders, everything in full


def write_small(pooling, seed):
    folder = GOLDENS / f"small-{pooling}"
    generator = torch.Generator().manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=40, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.1 * noise if name.endswith("LayerNorm.weight") else 0.15 * noise)
    folder.mkdir(parents=True, exist_ok=True)
    config.architectures = ["BertModel"]
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")
    write(folder / "model.safetensors", {n: p.detach().clone() for n, p in model.named_parameters()}, format="pt")
    write_module_files(folder, pooling, 32)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"{first}{second}" for first in "abcdefghij" for second in "klmnopqrst"]
    (folder / "vocab.txt").write_text("\n".join(words[:100]) + "\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 40}, indent=2) + "\n")

    first = random_rows(generator, [1, 2, 40, 3, 17, 8, 40, 1, 5, 33, 12, 7], 100)
    second = random_rows(generator, [4, 9, 30, 2, 6, 11, 3, 16, 25, 1, 8, 40], 60)
    grades = torch.randint(0, 4, (6, 6), generator=generator).float()
    tokens, pooled = forward(model, first, pooling)
    tensors = batch_tensors("first", first) | batch_tensors("second", second) | {
        "grades": grades,
        "pooled": pooled.detach(),
        "tokens": torch.cat([tokens[index, : len(row)] for index, row in enumerate(first)]).detach(),
    }
    for kind in ["infoNCE", "listwise"]:
        loss, found = gradients(model, first, pooling, grades, kind)
        tensors[f"loss.{kind}"] = floats([loss])
        write(GOLDENS / f"small-{pooling}-gradients-{kind}.safetensors", found)
    rates = [2e-3 * min(1, (step + 1) / 4) for step in range(10)]
    losses, norms = curve(model, [first, second], pooling, grades, "infoNCE", rates, 1.0, 0.1)
    assert max(norms) > 1 > 0, "clipping must be active"
    tensors |= {"curve.rates": floats(rates), "curve.losses": floats(losses), "curve.norms": floats(norms)}
    write(GOLDENS / f"small-{pooling}.safetensors", tensors, temperature=TEMPERATURE, clip=1.0, decay=0.1)
    print(folder.name, "losses", losses, "norms", norms)


# (b) Other families, small and random, everything in full


def same_names(tensors):
    return tensors


def nomic_names(tensors):
    """The hub's names, which transformers 5 changes when it reads a file."""
    parts = [
        (".self_attn.o_proj.", ".attn.out_proj."), (".mlp.up_proj.", ".mlp.fc11."), (".mlp.gate_proj.", ".mlp.fc12."),
        (".mlp.down_proj.", ".mlp.fc2."), (".post_attention_layernorm.", ".norm1."), (".post_mlp_layernorm.", ".norm2."),
        ("embeddings.LayerNorm.", "emb_ln."),
    ]
    return renamed(tensors, "encoder.layers.", "attn.Wqkv", parts)


def gte_names(tensors):
    parts = [
        (".self_attn.o_proj.", ".attention.o_proj."), (".post_attention_layernorm.", ".attn_ln."),
        (".post_mlp_layernorm.", ".mlp_ln."),
    ]
    found = renamed(tensors, "encoder.layer.", "attention.qkv_proj", parts)
    for name in [name for name in found if name.endswith(".mlp.up_proj.weight")]:
        gate = name.replace(".up_proj.", ".gate_proj.")
        found[name.replace(".up_proj.", ".up_gate_proj.")] = torch.cat([found.pop(name), found.pop(gate)])
    return found


def renamed(tensors, layer, projections, parts):
    found = {}
    for name, tensor in tensors.items():
        if ".self_attn.k_proj." in name or ".self_attn.v_proj." in name:
            continue
        if ".self_attn.q_proj." in name:
            tensor = torch.cat([tensors[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"])
            name = name.replace("self_attn.q_proj", projections)
        for old, new in parts:
            name = name.replace(old, new)
        found[name.replace("layers.", layer, 1) if name.startswith("layers.") else name] = tensor
    return found


FAMILIES = {
    "mpnet": (transformers.MPNetConfig, transformers.MPNetModel, same_names, dict(max_position_embeddings=258)),
    "xlm-roberta": (
        transformers.XLMRobertaConfig, transformers.XLMRobertaModel, same_names,
        dict(max_position_embeddings=258, type_vocab_size=1)),
    # Four layers: all tokens, a window twice, all tokens.
    "modernbert": (
        transformers.ModernBertConfig, transformers.ModernBertModel, same_names,
        dict(num_hidden_layers=4, local_attention=8, max_position_embeddings=256, pad_token_id=0, bos_token_id=2,
             eos_token_id=3, cls_token_id=2, sep_token_id=3)),
    "nomic": (transformers.NomicBertConfig, transformers.NomicBertModel, nomic_names, dict(max_position_embeddings=256)),
    "gte": (transformers.GteConfig, transformers.GteModel, gte_names, dict(max_position_embeddings=256, pad_token_id=0)),
}


def write_family(name, seed):
    config_type, model_type, names, settings = FAMILIES[name]
    generator = torch.Generator().manual_seed(seed)
    sizes = dict(vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
    config = config_type(**(sizes | settings))
    config._attn_implementation = "eager"
    arguments = {"add_pooling_layer": False} if name not in ["modernbert"] else {}
    model = model_type(config, **arguments).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            isGain = "norm" in parameter_name.lower() and parameter_name.endswith("weight")
            parameter.copy_(1 + 0.1 * noise if isGain else 0.15 * noise)
    folder = GOLDENS / f"small-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")
    write(folder / "model.safetensors", names({n: p.detach().clone() for n, p in model.named_parameters()}), format="pt")
    write_module_files(folder, "mean", 32)

    def rows(lengths, vocabulary):
        # Ids 0 and 1 are padding in one of the families.
        return [torch.randint(5, vocabulary, (length,), generator=generator).tolist() for length in lengths]

    first = rows([1, 2, 40, 3, 17, 8, 40, 1, 5, 33, 12, 7], 100)
    second = rows([4, 9, 30, 2, 6, 11, 3, 16, 25, 1, 8, 40], 60)
    grades = torch.randint(0, 4, (6, 6), generator=generator).float()
    tokens, pooled = forward(model, first, "mean")
    tensors = batch_tensors("first", first) | batch_tensors("second", second) | {
        "grades": grades, "pooled": pooled.detach(),
        "tokens": torch.cat([tokens[index, : len(row)] for index, row in enumerate(first)]).detach(),
    }
    loss, found = gradients(model, first, "mean", grades, "listwise")
    tensors["loss.listwise"] = floats([loss])
    write(GOLDENS / f"small-{name}-gradients.safetensors", names(found))
    # Texts longer than the tiles of attention, its windows and the distances that have a bucket each.
    long = rows([200, 97, 150, 3, 130, 61], 100)
    tensors |= batch_tensors("long", long) | {"long.grades": grades[:3, :3], "long.pooled": forward(model, long, "mean")[1].detach()}
    loss, found = gradients(model, long, "mean", grades[:3, :3], "listwise")
    tensors["long.loss"] = floats([loss])
    tensors |= {f"long/{n}": floats(projections(n, gradient)) for n, gradient in names(found).items()}
    rates = [2e-3 * min(1, (step + 1) / 4) for step in range(10)]
    losses, norms = curve(model, [first, second], "mean", grades, "listwise", rates, 1.0, 0.1)
    tensors |= {"curve.rates": floats(rates), "curve.losses": floats(losses), "curve.norms": floats(norms)}
    write(GOLDENS / f"small-{name}.safetensors", tensors, temperature=TEMPERATURE, clip=1.0, decay=0.1)
    print(folder.name, "losses", losses, "norms", norms)


# (c) Low-rank terms, by PEFT


def write_lora():
    import peft

    generator = torch.Generator().manual_seed(31)
    model = transformers.BertModel.from_pretrained(GOLDENS / "small-mean", add_pooling_layer=False, dtype=torch.float32)
    names = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
    model = peft.get_peft_model(
        model, peft.LoraConfig(r=3, lora_alpha=6, target_modules=names, task_type="FEATURE_EXTRACTION")).eval()
    terms = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    with torch.no_grad():
        for parameter in terms.values():
            parameter.copy_(0.15 * torch.randn(parameter.shape, generator=generator))

    def plain(name):
        return name.removeprefix("base_model.model.").replace(".default.", ".")

    source = load_file(GOLDENS / "small-mean.safetensors")

    def rows(name):
        lengths, ids = source[f"{name}.lengths"].long().tolist(), source[f"{name}.ids"].long().tolist()
        starts = [sum(lengths[:index]) for index in range(len(lengths))]
        return [ids[start : start + length] for start, length in zip(starts, lengths)]

    first, second = rows("first"), rows("second")
    tensors = {f"term/{plain(name)}": parameter.detach().clone() for name, parameter in terms.items()}
    tensors["pooled"] = forward(model, first, "mean")[1].detach()
    model.zero_grad()
    loss = loss_of(forward(model, first, "mean")[1], source["grades"], "listwise")
    loss.backward()
    tensors["loss.listwise"] = floats([loss.item()])
    tensors |= {f"gradient/{plain(name)}": parameter.grad.clone() for name, parameter in terms.items()}
    optimizer = torch.optim.AdamW(terms.values(), lr=1.0, weight_decay=0.1)
    rates, losses, norms = [5e-3 * min(1, (step + 1) / 4) for step in range(10)], [], []
    for step, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = loss_of(forward(model, [first, second][step % 2], "mean")[1], source["grades"], "listwise")
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(terms.values(), 1.0).item())
        losses.append(loss.item())
        optimizer.step()
    tensors |= {"curve.rates": floats(rates), "curve.losses": floats(losses), "curve.norms": floats(norms)}
    write(GOLDENS / "lora.safetensors", tensors)
    print("lora: losses", losses, "norms", norms)


# (d) The shapes of bge with CLS pooling


def write_bge(name, width, heads, intermediate):
    folder = GOLDENS / name
    config = transformers.BertConfig(
        vocab_size=1000, hidden_size=width, num_hidden_layers=12, num_attention_heads=heads,
        intermediate_size=intermediate, max_position_embeddings=512)
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            parameter.copy_(formula_weights(parameter_name, tuple(parameter.shape)))
    folder.mkdir(parents=True, exist_ok=True)
    config.architectures = ["BertModel"]
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")
    write_module_files(folder, "cls", width)
    generator = torch.Generator().manual_seed(11)
    rows = random_rows(generator, [1, 9, 24, 3, 40, 17, 8, 5], 1000)
    grades = torch.randint(0, 4, (4, 4), generator=generator).float()
    pooled = forward(model, rows, "cls")[1].detach()
    loss, found = gradients(model, rows, "cls", grades, "listwise")
    tensors = batch_tensors("first", rows) | {"grades": grades, "pooled": pooled, "loss.listwise": floats([loss])}
    for parameter_name, gradient in found.items():
        tensors[f"listwise/{parameter_name}"] = floats(projections(parameter_name, gradient))
    write(GOLDENS / f"{name}.safetensors", tensors, temperature=TEMPERATURE)
    print(name, "loss", loss, "gradient norm", sum(g.norm() ** 2 for g in found.values()).sqrt().item())


# (e) all-MiniLM-L6-v2


def write_minilm(path, texts):
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    passages = [json.loads(line) for line in (texts / "corpus.jsonl").open()]

    def ids(text, length):
        return tokenizer(text, truncation=True, max_length=length)["input_ids"]

    # 200 texts whose lengths are evenly spaced on a logarithmic scale, with several at both ends.
    everything = " ".join(passage["text"] for passage in passages)
    stream = tokenizer(everything, truncation=False)["input_ids"][1:-1]
    lengths = [1, 1, 2, 3] + [round(3 * (512 / 3) ** (index / 187)) for index in range(188)] + [511] * 2 + [512] * 6
    rows, place = [], 0
    for length in lengths:
        body = stream[place : place + max(0, length - 2)]
        rows.append([101][:length] + body + [102] * (length > 1))
        place = (place + length) % (len(stream) - 512)
    assert len(rows) == 200 and [len(row) for row in rows] == lengths

    model = transformers.BertModel.from_pretrained(path, add_pooling_layer=False, dtype=torch.float32).eval()
    names = dict(model.named_parameters())
    signs, full, pooled_signs = [], [], []
    with torch.no_grad():
        for index, row in enumerate(rows):
            tokens, pooled = forward(model, [row], "mean")
            values = tokens[0].double().numpy()
            bits = mixed(index, values.size)
            sign = 1 - 2 * (bits & np.uint64(1)).astype(np.float64)
            signs.append((values * sign.reshape(values.shape)).sum(1))
            pooled_signs.append(pooled[0, :16])
            if index % 2 == 0:
                full.append(tokens[0, (7 * index) % len(row)])
    tensors = batch_tensors("texts", rows) | {
        "signs": floats(np.concatenate(signs)), "pooled": torch.stack(pooled_signs),
    }
    write(GOLDENS / "minilm-outputs.safetensors", tensors)
    write(GOLDENS / "minilm-tokens.safetensors", {"full": torch.stack(full)})

    def pairs(start, count):
        chosen = passages[start : start + count]
        return [ids(passage["title"], 32) for passage in chosen] + [ids(passage["text"], 64) for passage in chosen]

    first, second = pairs(0, 12), pairs(60, 12)
    generator = torch.Generator().manual_seed(5)
    grades = torch.randint(0, 4, (12, 12), generator=generator).float()
    tensors = batch_tensors("first", first) | batch_tensors("second", second) | {"grades": grades}
    for kind in ["infoNCE", "listwise"]:
        loss, found = gradients(model, first, "mean", grades, kind)
        tensors[f"loss.{kind}"] = floats([loss])
        for name in names:
            tensors[f"{kind}/{name}"] = floats(projections(name, found[name]))
    rates = [1e-4 * min(1, (step + 1) / 3) for step in range(10)]
    losses, norms = curve(model, [first, second], "mean", grades, "listwise", rates, 1.0, 0.01)
    tensors |= {"curve.rates": floats(rates), "curve.losses": floats(losses), "curve.norms": floats(norms)}
    write(GOLDENS / "minilm-training.safetensors", tensors, temperature=TEMPERATURE, clip=1.0, decay=0.01)
    print("minilm: losses", losses, "norms", norms)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=pathlib.Path, help="folder of all-MiniLM-L6-v2, for its goldens")
    parser.add_argument("--texts", type=pathlib.Path, help="folder of the sample's texts, for its goldens")
    parser.add_argument("--only", nargs="*", choices=["small", "lora", "bge", "minilm", *FAMILIES], default=["small", *FAMILIES, "lora", "bge", "minilm"])
    arguments = parser.parse_args()
    packages = ["numpy", "safetensors", "tokenizers", "torch", "transformers"]
    versions = goldens.check(*packages, *(["peft"] if "lora" in arguments.only else []))
    torch.manual_seed(0)
    if "small" in arguments.only:
        write_small("mean", 1)
        write_small("cls", 2)
    for seed, family in enumerate(FAMILIES, start=10):
        if family in arguments.only:
            write_family(family, seed)
    if "lora" in arguments.only:
        write_lora()
    if "bge" in arguments.only:
        write_bge("bge-small", 384, 12, 1536)
        write_bge("bge-base", 768, 12, 3072)
    if "minilm" in arguments.only:
        write_minilm(arguments.model, arguments.texts)
    starts = {"small": ["small-mean", "small-cls"]} | {family: [f"small-{family}"] for family in FAMILIES}
    starts = tuple(start for name in arguments.only for start in starts.get(name, [name]))
    written = [path.name for path in GOLDENS.iterdir() if path.name.startswith(starts)]
    goldens.record(GOLDENS, __file__, versions, *written)


if __name__ == "__main__":
    main()
