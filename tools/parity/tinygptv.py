#!/usr/bin/env python3
"""Makes tests/golden/tinygptv: a tiny TinyGPT-V in the four files people have, written by torch.save, and what the public
modules compute for it in float32: transformers' Blip2VisionModel (EVA) and Blip2QFormerModel, peft's rule W + alpha / r B A,
and PhiForCausalLM with qk_layernorm and an RMS norm put behind `dense`. The norms that transformers lacks are torch's.
tests/models/tinygptv_test.cc loads the folder.

python3 tools/parity/tinygptv.py [tests/golden/tinygptv]        needs torch, transformers, safetensors (docs/parity.md)
"""
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers.models.blip_2.modeling_blip_2 import Blip2QFormerModel, Blip2VisionModel

PATCH, TABLE, SIDE = 4, 8, 16          # the table of 2 x 2 patches is stretched to 4 x 4
VISION, VISION_FFN, QUERIES, BERT, BERT_FFN, BETWEEN = 16, 24, 3, 16, 24, 20
WIDTH, FFN, HEADS, BLOCKS, VOCAB, RANK = 32, 40, 2, 2, 64, 4
STAGE = "TinyGPT-V_for_Stage4.pth"


def randomise(module, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                parameter.add_(0.1 * noise)
            else:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
    return module.float().eval()


def tower():
    config = transformers.Blip2VisionConfig(hidden_size=VISION, intermediate_size=VISION_FFN, num_hidden_layers=BLOCKS,
                                            num_attention_heads=HEADS, image_size=TABLE, patch_size=PATCH,
                                            layer_norm_eps=1e-6, attn_implementation="eager")
    model = randomise(Blip2VisionModel(config), 1)
    with torch.no_grad():
        for layer in model.encoder.layers:
            layer.self_attn.qkv.bias[VISION:2 * VISION] = 0      # of keys
    return model


def tower_file(model):
    state = {}
    names = {"embeddings.class_embedding": "cls_token", "embeddings.position_embedding": "pos_embed",
             "embeddings.patch_embedding": "patch_embed.proj", "encoder.layers.": "blocks.", "self_attn.qkv": "attn.qkv",
             "self_attn.projection": "attn.proj", "layer_norm": "norm"}
    for name, tensor in model.state_dict().items():
        if name.startswith("post_layernorm"):
            continue                                             # the reference has none
        for old, new in names.items():
            name = name.replace(old, new)
        if name.endswith("attn.qkv.bias"):
            state[name.replace("qkv.bias", "q_bias")] = tensor[:VISION].clone()
            state[name.replace("qkv.bias", "v_bias")] = tensor[2 * VISION:].clone()
        else:
            state[name] = tensor.half() if tensor.dim() > 1 and "pos" not in name and "cls" not in name else tensor
    state[f"blocks.{BLOCKS}.norm1.weight"] = torch.ones(VISION)  # one block more than is used, as in the published file
    return state


def bert():
    config = transformers.Blip2QFormerConfig(hidden_size=BERT, intermediate_size=BERT_FFN, num_hidden_layers=BLOCKS,
                                             num_attention_heads=HEADS, encoder_hidden_size=VISION,
                                             cross_attention_frequency=2, layer_norm_eps=1e-12,
                                             attn_implementation="eager")
    return randomise(Blip2QFormerModel(config), 2)


def bert_file(model, queries, norm):
    state = {"query_tokens": queries, "ln_vision.weight": norm.weight.detach(), "ln_vision.bias": norm.bias.detach(),
             "t5_proj.weight": torch.zeros(2, 2), "Qformer.bert.embeddings.position_ids": torch.arange(8)[None]}
    for name, tensor in model.state_dict().items():
        name = name.replace("attention.attention.", "attention.self.").replace("layernorm.", "embeddings.LayerNorm.")
        state["Qformer.bert." + name] = tensor
    return {"model": state}


class NormBehind(torch.nn.Module):
    """dense, then TinyGPT-V's RMSNorm."""

    def __init__(self, dense, seed):
        super().__init__()
        self.dense = dense
        self.norm = randomise(torch.nn.RMSNorm(WIDTH, eps=1e-6), seed)

    def forward(self, x):
        return self.norm(self.dense(x))


def phi():
    config = transformers.PhiConfig(vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=FFN, num_hidden_layers=BLOCKS,
                                    num_attention_heads=HEADS, max_position_embeddings=64, qk_layernorm=True,
                                    rope_parameters={"rope_type": "default", "rope_theta": 10000.0,
                                                     "partial_rotary_factor": 0.5},
                                    bos_token_id=1, eos_token_id=2, attn_implementation="eager")
    return randomise(transformers.PhiForCausalLM(config), 3)


def split_adapter(b):
    """Rows of B, (head, q | k | v, channel), for each of q, k, v."""
    parts = b.view(HEADS, 3, WIDTH // HEADS, RANK)
    return [parts[:, i].reshape(WIDTH, RANK) for i in range(3)]


def stage_file(model, projections):
    """What training changes, as peft 0.2 names it; puts adapters and norms into `model`."""
    prefix = "llama_model.base_model.model."
    generator = torch.Generator().manual_seed(4)
    state = {}
    for name, linear in projections.items():
        state[name + ".weight"], state[name + ".bias"] = linear.weight.detach(), linear.bias.detach()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if "layernorm.weight" in name:
                state[prefix + name] = tensor.clone()
            if "q_layernorm.bias" in name or "k_layernorm.bias" in name:
                tensor.zero_()                                   # the published files do not have them
        for i, layer in enumerate(model.model.layers):
            own = f"{prefix}model.layers.{i}."
            for module, rows in (("query_key_value", 3 * WIDTH), ("dense", WIDTH)):
                a = torch.randn(RANK, WIDTH, generator=generator) * WIDTH ** -0.5
                b = torch.randn(rows, RANK, generator=generator) * 0.2
                state[f"{own}self_attn.{module}.lora_A.weight"] = a
                state[f"{own}self_attn.{module}.lora_B.weight"] = b
                attention = layer.self_attn
                targets = [(attention.dense, b)] if module == "dense" else zip(
                    (attention.q_proj, attention.k_proj, attention.v_proj), split_adapter(b))
                for linear, own_b in targets:
                    linear.weight.add_(16 / RANK * own_b @ a)
            layer.self_attn.dense = NormBehind(layer.self_attn.dense, 10 + i)
            state[own + "post_layernorm.weight"] = layer.self_attn.dense.norm.weight.detach()
    return {"model": state, "epoch": 3}


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/tinygptv")
    root.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(5)
    vision, qformer, language = tower(), bert(), phi()
    norm = randomise(torch.nn.LayerNorm(VISION, eps=1e-5), 6)
    queries = torch.randn(1, QUERIES, BERT, generator=generator) * 0.5
    projections = {"llama_proj": randomise(torch.nn.Linear(BERT, BETWEEN), 7),
                   "llama_proj2": randomise(torch.nn.Linear(BETWEEN, WIDTH), 8)}
    eva = tower_file(vision)
    with torch.no_grad():                                        # the file is fp16, so the model is what it says
        for parameter in vision.parameters():
            if parameter.dim() > 1 and parameter.dim() != 3:
                parameter.copy_(parameter.half().float())
    torch.save(eva, root / "eva_vit_g.pth")
    torch.save(bert_file(qformer, queries, norm), root / "blip2_pretrained_flant5xxl.pth")
    base = {name: torch.ones_like(tensor) if "layernorm.weight" in name else tensor.clone()   # the stage file has them
            for name, tensor in language.state_dict().items() if "q_layernorm" not in name and "k_layernorm" not in name}
    (root / "phi-2").mkdir(exist_ok=True)
    save_file(base, root / "phi-2" / "model.safetensors", {"format": "pt"})
    torch.save(stage_file(language, projections), root / STAGE)

    pixels = torch.randn(1, 3, SIDE, SIDE, generator=generator)
    ids = torch.randint(3, VOCAB, (8,), generator=generator)
    with torch.no_grad():
        tokens = vision(pixels, output_hidden_states=True, interpolate_pos_encoding=True).hidden_states[-1]
        hidden = qformer(query_embeds=queries, encoder_hidden_states=norm(tokens)).last_hidden_state
        rows = projections["llama_proj2"](projections["llama_proj"](hidden))
        embeddings = language.model.embed_tokens(ids)[None]
        whole = torch.cat((embeddings[:, :2], rows, embeddings[:, 2:]), 1)
        logits = language(inputs_embeds=whole).logits[0]
    save_file({"pixels": pixels, "ids": ids.to(torch.int32), "vision": tokens, "qformer": hidden, "rows": rows,
               "logits": logits.contiguous()}, root / "expected.safetensors")
    settings = {"model_type": "tinygpt-v", "stage": 4, "image_size": SIDE, "projector_width": BETWEEN,
                "vision_config": {"image_size": TABLE, "patch_size": PATCH, "hidden_size": VISION,
                                  "intermediate_size": VISION_FFN, "num_attention_heads": HEADS,
                                  "num_hidden_layers": BLOCKS},
                "qformer_config": {"num_query_tokens": QUERIES, "hidden_size": BERT, "intermediate_size": BERT_FFN,
                                   "num_attention_heads": HEADS, "num_hidden_layers": BLOCKS},
                "text_config": {"hidden_size": WIDTH, "intermediate_size": FFN, "num_hidden_layers": BLOCKS,
                                "num_attention_heads": HEADS, "vocab_size": VOCAB, "partial_rotary_factor": 0.5,
                                "max_position_embeddings": 64}}
    (root / "galago.json").write_text(json.dumps(settings, indent=2) + "\n")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
