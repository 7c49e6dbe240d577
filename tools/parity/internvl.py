#!/usr/bin/env python3
"""Makes tests/golden/internvl/*: tiny random InternVLs with the picture rows and logits that transformers computes for
them (float32, eager attention). transformers has no InternLM2, so the language model runs as the Llama it is
mathematically, and is saved under InternLM2's names with its packed matrix; the tower under those of InternVL2's files.
tests/models/internvl_test.cc loads each folder.

python3 tools/parity/internvl.py [tests/golden/internvl]        needs torch, transformers, safetensors (docs/parity.md)
"""
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

from language import randomise

WIDTH, FFN, BLOCKS, HEADS, KV_HEADS, VOCAB, IMAGE_TOKEN = 32, 40, 2, 4, 2, 64, 63
TOWER = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=28, patch_size=7)

VISION_NAMES = [("embeddings.cls_token", "embeddings.class_embedding"),
                ("embeddings.position_embeddings", "embeddings.position_embedding"),
                ("embeddings.patch_embeddings.projection", "embeddings.patch_embedding"),
                ("encoder.layer.", "encoder.layers."), ("attention.projection_layer", "attn.proj"),
                ("attention.", "attn."), ("layernorm_before", "norm1"), ("layernorm_after", "norm2"),
                ("lambda_", "ls")]
TEXT_NAMES = [("embed_tokens", "tok_embeddings"), ("input_layernorm", "attention_norm"),
              ("post_attention_layernorm", "ffn_norm"), ("self_attn.o_proj", "attention.wo"),
              ("mlp.gate_proj", "feed_forward.w1"), ("mlp.up_proj", "feed_forward.w3"),
              ("mlp.down_proj", "feed_forward.w2")]
PROJECTOR_NAMES = [("layer_norm", "0"), ("linear_1", "1"), ("linear_2", "3")]


def make(tower):
    vision = transformers.InternVLVisionConfig(**TOWER, **tower)
    text = transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=FFN, num_hidden_layers=BLOCKS, num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})
    config = transformers.InternVLConfig(vision_config=vision, text_config=text, image_token_id=IMAGE_TOKEN,
                                         tie_word_embeddings=False, attn_implementation="eager")
    return transformers.InternVLForConditionalGeneration(config).float().eval()


def renamed(name, table):
    for old, new in table:
        name = name.replace(old, new)
    return name


def packed_text(state, i):  # for every key head: its queries, the key, the value
    q, k, v = (state[f"layers.{i}.self_attn.{which}_proj.weight"] for which in "qkv")
    d = WIDTH // HEADS
    groups = [q.view(KV_HEADS, -1, d, WIDTH), k.view(KV_HEADS, 1, d, WIDTH), v.view(KV_HEADS, 1, d, WIDTH)]
    return torch.cat(groups, 1).reshape(-1, WIDTH)


def saved_state(model):
    state = {}
    vision = {renamed(name, VISION_NAMES): t for name, t in model.model.vision_tower.state_dict().items()}
    for name, tensor in vision.items():
        if ".attn.k_proj." in name or ".attn.v_proj." in name:
            continue
        if ".attn.q_proj." in name:
            tensor = torch.cat([vision[name.replace("q_proj", which + "_proj")] for which in "qkv"])
        state["vision_model." + name.replace("q_proj", "qkv")] = tensor
    for name, tensor in model.model.multi_modal_projector.state_dict().items():
        state["mlp1." + renamed(name, PROJECTOR_NAMES)] = tensor
    text = model.model.language_model.state_dict()
    for name, tensor in text.items():
        if not any(f".self_attn.{which}_proj." in name for which in "qkv"):
            state["language_model.model." + renamed(name, TEXT_NAMES)] = tensor
    for i in range(BLOCKS):
        state[f"language_model.model.layers.{i}.attention.wqkv.weight"] = packed_text(text, i)
    state["language_model.output.weight"] = model.lm_head.weight
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


def saved_config(model, tile):
    v, t = model.config.vision_config, model.config.text_config
    return {
        "model_type": "internvl_chat", "downsample_ratio": 0.5, "force_image_size": tile, "ps_version": "v2",
        "template": "internlm2-chat", "select_layer": -1,
        "vision_config": {**TOWER, "hidden_act": "gelu", "norm_type": v.norm_type, "layer_norm_eps": v.layer_norm_eps,
                          "qkv_bias": v.attention_bias, "qk_normalization": v.use_qk_norm},
        "llm_config": {"model_type": "internlm2", "hidden_size": WIDTH, "intermediate_size": FFN,
                       "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
                       "vocab_size": VOCAB, "max_position_embeddings": t.max_position_embeddings, "rms_norm_eps": 1e-5,
                       "rope_theta": 1000000.0, "rope_scaling": {"type": "dynamic", "factor": 2.0}, "bias": False,
                       "tie_word_embeddings": False}}


def save(root, name, tower, tile, seed):
    model = make(tower)
    randomise(model, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():  # positions, class token and convolution: also of ordinary size
        for part in ("cls_token", "position_embeddings"):
            getattr(model.model.vision_tower.embeddings, part).normal_(generator=generator)
        model.model.vision_tower.embeddings.patch_embeddings.projection.weight.mul_(1 / 7)
    pixels = torch.randn(2, 3, tile, tile, generator=generator)
    n = 2 * (tile // 14) ** 2  # rows of two tiles
    ids = torch.tensor([[1, 5, 6] + [IMAGE_TOKEN] * n + [7, 8, 9]])
    with torch.no_grad():
        rows = model.model.get_image_features(pixel_values=pixels).pooler_output
        logits = model(input_ids=ids, pixel_values=pixels).logits
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(saved_config(model, tile), indent=2) + "\n")
    save_file(saved_state(model), folder / "model.safetensors", {"format": "pt"})
    expected = {"pixels": pixels, "rows": rows.reshape(n, WIDTH), "logits": logits[0]}
    save_file({k: t.float().contiguous() for k, t in expected.items()}, folder / "expected.safetensors")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/internvl")
    plain = dict(attention_bias=True, norm_type="layer_norm", use_qk_norm=False)
    save(root, "internvl2", plain, 28, 1)
    save(root, "positions-resized", plain, 42, 2)
    save(root, "tower-6b", dict(attention_bias=False, norm_type="rms_norm", use_qk_norm=True), 28, 3)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
