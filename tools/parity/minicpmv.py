#!/usr/bin/env python3
"""Golden numbers of tests/models/minicpmv_test.cc: the tower and the resampler of MiniCPM-V written a second time, in
float64 numpy, from the published description (one picture at a time); the language model is transformers' own, fed with
embeddings. Weights and pictures are hashed from their names (docs/parity.md). The tower of 2.6 is also compared with
transformers' Idefics2 tower, which it was made from.

python3 tools/parity/minicpmv.py        needs numpy, torch, transformers; prints rows for the test
"""
import math

import numpy as np
import torch
import transformers

WIDE = ("embedding_table", "token_embedding", "position_embedding", "pos_embed", "cls_token", "image")
D, FFN, HEADS, PATCH = 48, 80, 4, 14          # tower of the tiny presets
E, HEAD = 64, 16                              # width of the language model, resampler heads
TEXT_FFN, TEXT_BLOCKS, VOCAB = 96, 2, 320
IDS = [1, 17, 200, 44]


def hashed(name, *shape):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    r = 2 * ((z >> np.uint64(40)).astype(np.float64) / 2**24) - 1
    if any(part in name for part in WIDE):
        r = 0.5 * r
    elif len(shape) >= 2:
        r = r / math.sqrt(math.prod(shape[1:]))
    else:
        r = 1 + 0.1 * r if name.endswith(".weight") else 0.1 * r
    return r.astype(np.float32).astype(np.float64).reshape(shape)


def layer_norm(x, name, eps=1e-6):
    n = x.shape[-1]
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * hashed(name + ".weight", n) + hashed(name + ".bias", n)


def linear(x, name, n_out):
    return x @ hashed(name + ".weight", n_out, x.shape[-1]).T + hashed(name + ".bias", n_out)


def attention(q, k, v, n_heads):
    split = lambda x: x.reshape(len(x), n_heads, -1).transpose(1, 0, 2)
    q, k, v = split(q), split(k), split(v)
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    y = scores / scores.sum(-1, keepdims=True) @ v
    return y.transpose(1, 0, 2).reshape(q.shape[1], -1)


ERF = np.vectorize(math.erf)
GELU_ERF = lambda x: 0.5 * x * (1 + ERF(x / math.sqrt(2)))
GELU_TANH = lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def patches(image, h, w):
    cut = image.reshape(3, h, PATCH, w, PATCH).transpose(1, 3, 0, 2, 4)     # h w c y x
    return cut.reshape(h * w, -1)


def embed(image, h, w, name):
    weight = hashed(name + ".weight", D, 3, PATCH, PATCH)
    return patches(image, h, w) @ weight.reshape(D, -1).T + hashed(name + ".bias", D)


def bucket(i, n, side):
    return min(side * i // n, side - 1)       # the sizes used here are none of those where float32 differs


def cubic(x, a=-0.5):
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def resample_matrix(n_in, n_out):
    matrix, scale = np.zeros((n_out, n_in)), n_in / n_out
    stretch = max(scale, 1.0)
    for i in range(n_out):
        center = (i + 0.5) * scale
        low, high = max(0, int(center - 2 * stretch + 0.5)), min(n_in, int(center + 2 * stretch + 0.5))
        for j in range(low, high):
            matrix[i, j] = cubic((j - center + 0.5) / stretch)
        matrix[i] /= matrix[i].sum()
    return matrix


def tower_20(image, h, w, blocks=2, side=3):
    x = embed(image, h, w, "vpm.patch_embed.proj")
    table = hashed("vpm.pos_embed", 1, side * side, D).reshape(side, side, D)
    if (h, w) != (side, side):
        table = np.einsum("yj,xi,jid->yxd", resample_matrix(side, h), resample_matrix(side, w), table)
    x = x + table.reshape(h * w, D)
    for i in range(blocks):
        name = f"vpm.blocks.{i}."
        q, k, v = np.split(linear(layer_norm(x, name + "norm1"), name + "attn.qkv", 3 * D), 3, axis=1)
        x = x + linear(attention(q, k, v, HEADS), name + "attn.proj", D)
        x = x + linear(GELU_ERF(linear(layer_norm(x, name + "norm2"), name + "mlp.fc1", FFN)), name + "mlp.fc2", D)
    return layer_norm(x, "vpm.norm")


def tower_navit(image, h, w, strip, blocks=2, side=7):
    x = embed(image, h, w, "vpm.embeddings.patch_embedding")
    table = hashed("vpm.embeddings.position_embedding.weight", side * side, D)
    if strip:
        ids = [bucket(j, h * w, side) for j in range(h * w)]
    else:
        ids = [side * bucket(y, h, side) + bucket(c, w, side) for y in range(h) for c in range(w)]
    x = x + table[ids]
    for i in range(blocks):
        name = f"vpm.encoder.layers.{i}."
        y = layer_norm(x, name + "layer_norm1")
        q, k, v = (linear(y, name + f"self_attn.{p}_proj", D) for p in "qkv")
        x = x + linear(attention(q, k, v, HEADS), name + "self_attn.out_proj", D)
        y = linear(layer_norm(x, name + "layer_norm2"), name + "mlp.fc1", FFN)
        x = x + linear(GELU_TANH(y), name + "mlp.fc2", D)
    return layer_norm(x, "vpm.post_layernorm")


def sincos(h, w):
    omega = 10000.0 ** (-np.arange(E // 4) / (E // 4))
    rows = [np.concatenate([np.sin(x * omega), np.cos(x * omega), np.sin(y * omega), np.cos(y * omega)])
            for y in range(h) for x in range(w)]
    return np.stack(rows)


def resampler(x, h, w, n_queries, query_positions):
    v = layer_norm(x @ hashed("resampler.kv_proj.weight", E, D).T, "resampler.ln_kv")
    k = v + sincos(h, w)
    q = layer_norm(hashed("resampler.query", n_queries, E), "resampler.ln_q")
    if query_positions:
        q = q + hashed("resampler.pos_embed", n_queries, E)
    weight, bias = hashed("resampler.attn.in_proj_weight", 3 * E, E), hashed("resampler.attn.in_proj_bias", 3 * E)
    q, k, v = (x @ weight[i * E:(i + 1) * E].T + bias[i * E:(i + 1) * E] for i, x in enumerate((q, k, v)))
    y = linear(attention(q, k, v, E // HEAD), "resampler.attn.out_proj", E)
    return layer_norm(y, "resampler.ln_post") @ hashed("resampler.proj", E, E)


def language(version):
    """transformers' model with hashed weights; MiniCPM folded into a Llama. Returns model and embedding scale."""
    t = transformers
    make, config_of = {"2.6": (t.Qwen2ForCausalLM, t.Qwen2Config),
                       "4.5": (t.Qwen3ForCausalLM, t.Qwen3Config)}.get(version, (t.LlamaForCausalLM, t.LlamaConfig))
    config = config_of(vocab_size=VOCAB, hidden_size=E, intermediate_size=TEXT_FFN, num_hidden_layers=TEXT_BLOCKS,
                       num_attention_heads=4, num_key_value_heads=4 if version == "2.0" else 2, rms_norm_eps=1e-5,
                       max_position_embeddings=4096, head_dim=16, tie_word_embeddings=False,
                       rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, attn_implementation="eager")
    model = make(config).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(hashed("llm." + name, *parameter.shape)))
        if version == "2.0":
            model.lm_head.weight.mul_(16 / E)
            for layer in model.model.layers:
                layer.self_attn.o_proj.weight.mul_(1.4 / TEXT_BLOCKS**0.5)
                layer.mlp.down_proj.weight.mul_(1.4 / TEXT_BLOCKS**0.5)
    return model, 12 if version == "2.0" else 1


def logits(version, rows):
    model, scale = language(version)
    words = hashed("llm.model.embed_tokens.weight", VOCAB, E)[IDS] * scale
    x = torch.from_numpy(np.concatenate([rows, words]))[None]
    with torch.no_grad():
        return model(inputs_embeds=x).logits[0].numpy()


def check_idefics2(image, h, w, side=7):
    from transformers.models.idefics2.modeling_idefics2 import Idefics2VisionConfig, Idefics2VisionTransformer
    config = Idefics2VisionConfig(hidden_size=D, intermediate_size=FFN, num_hidden_layers=2, num_attention_heads=HEADS,
                                  image_size=side * PATCH, patch_size=PATCH, attn_implementation="eager")
    model = Idefics2VisionTransformer(config).double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(hashed("vpm." + name, *parameter.shape)))
        mask = torch.ones(1, h, w, dtype=torch.bool)
        other = model(torch.from_numpy(image)[None], patch_attention_mask=mask).last_hidden_state[0].numpy()
    difference = np.abs(other - tower_navit(image, h, w, False)).max()
    assert difference < 1e-6, difference      # positions come from float32 tables
    print(f"// Idefics2 of transformers {transformers.__version__}, {h} x {w} patches: largest difference {difference:.1e}")


def row(x):
    x = x.reshape(-1)
    numbers = lambda v: "{" + ", ".join(f"{n:.6f}f" for n in v) + "}"
    return f"{{{x.sum():.6f}, {(x * x).sum():.6f}, {numbers(x[:4])}, {numbers(x[-4:])}}}"


def main():
    for version in ("2.0", "2.5", "2.6", "4.0", "4.5"):
        for h, w in ((3, 3), (3, 5), (2, 10)):
            image = hashed("image", 1, 3, h * PATCH, w * PATCH)[0]
            x = tower_20(image, h, w) if version == "2.0" else tower_navit(image, h, w, version == "2.5")
            y = resampler(x, h, w, 4 if version == "2.0" else 6, version == "2.0")
            print(f'{{"tiny-{version}", {h}, {w},\n {row(x)},\n {row(y)},\n {row(logits(version, y))}}},')
            if version == "2.6":
                check_idefics2(image, h, w)


if __name__ == "__main__":
    main()
