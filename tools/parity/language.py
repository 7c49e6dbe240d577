#!/usr/bin/env python3
"""Makes tests/golden/language/*: tiny random language models of transformers, saved in its own layout, with the logits
that transformers computes for them (float32, eager attention). tests/models/language_parity_test.cc loads each folder.

python3 tools/parity/language.py [tests/golden/language]        needs torch, transformers, safetensors (docs/parity.md)
"""
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

VOCAB, WIDTH, FFN, BLOCKS, HEADS, KV_HEADS, CONTEXT = 64, 32, 40, 2, 4, 2, 64
LLAMA3 = {"rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
LONG = {"rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 16,
        "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.5, 2.0, 3.0, 5.0]}


def common(**more):
    return dict(vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=FFN, num_hidden_layers=BLOCKS,
                num_attention_heads=HEADS, max_position_embeddings=CONTEXT, bos_token_id=1, eos_token_id=2,
                attn_implementation="eager", **more)


def models():
    t, gqa = transformers, dict(num_key_value_heads=KV_HEADS)
    yield "llama", t.LlamaForCausalLM, t.LlamaConfig(**common(**gqa))
    yield "llama-rope-llama3", t.LlamaForCausalLM, t.LlamaConfig(**common(**gqa, rope_parameters=LLAMA3))
    yield "llama-rope-longrope", t.LlamaForCausalLM, t.LlamaConfig(**common(**gqa, rope_parameters=LONG))
    yield "llama-rope-longrope-short", t.LlamaForCausalLM, t.LlamaConfig(
        **{**common(**gqa), "max_position_embeddings": 32},
        rope_parameters={**LONG, "original_max_position_embeddings": 32})
    yield "llama-tied-linear", t.LlamaForCausalLM, t.LlamaConfig(
        **common(**gqa, tie_word_embeddings=True, head_dim=16,
                 rope_parameters={"rope_type": "linear", "rope_theta": 1000.0, "factor": 4.0}))
    yield "qwen2", t.Qwen2ForCausalLM, t.Qwen2Config(**common(**gqa, tie_word_embeddings=True))
    yield "qwen3", t.Qwen3ForCausalLM, t.Qwen3Config(**common(**gqa, head_dim=16))
    yield "phi", t.PhiForCausalLM, t.PhiConfig(**common(
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}))
    yield "phi-qk-norm", t.PhiForCausalLM, t.PhiConfig(**common(qk_layernorm=True))
    neox = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}
    yield "gpt_neox", t.GPTNeoXForCausalLM, t.GPTNeoXConfig(**common(rope_parameters=neox))
    yield "gpt_neox-sequential", t.GPTNeoXForCausalLM, t.GPTNeoXConfig(
        **common(rope_parameters=neox, use_parallel_residual=False))
    yield "llama-rope-dynamic", t.LlamaForCausalLM, t.LlamaConfig(  # the prompt is longer than the trained length
        **{**common(**gqa), "max_position_embeddings": 16},
        rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0})
    yield "llama-rope-longrope-within", t.LlamaForCausalLM, t.LlamaConfig(  # short factors, but cos and sin are scaled
        **common(**gqa), rope_parameters={**LONG, "original_max_position_embeddings": 32})
    mla = dict(num_key_value_heads=HEADS, kv_lora_rank=12, qk_nope_head_dim=6, qk_rope_head_dim=8, v_head_dim=10,
               tie_word_embeddings=True, scale_emb=12, scale_depth=1.4, dim_model_base=8, rope_parameters=LONG)
    yield "minicpm3", t.MiniCPM3ForCausalLM, t.MiniCPM3Config(**common(**mla, q_lora_rank=20))
    yield "minicpm3-whole-queries", t.MiniCPM3ForCausalLM, t.MiniCPM3Config(
        **common(**{**mla, "v_head_dim": None}, q_lora_rank=None, attention_bias=True, mlp_bias=True))


def randomise(model, seed):
    """Every weight away from its start value: gains around 1, biases not 0, matrices that keep the size of activations."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                parameter.add_(0.1 * noise)
            else:
                parameter.copy_(noise * parameter.shape[1] ** -0.5)


def prompt(seed):  # longer than the original context of longrope, so that its long factors hold
    return torch.randint(3, VOCAB, (1, 20), generator=torch.Generator().manual_seed(seed), dtype=torch.int64)


def save_expected(folder, ids, logits):
    save_file({"ids": ids[0].to(torch.int32).contiguous(), "logits": logits[0].float().contiguous()},
              folder / "expected.safetensors")


def save_model(root, name, model, seed):
    model = model.float().eval()
    randomise(model, seed)
    folder = root / name
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    ids = prompt(seed)
    with torch.no_grad():
        save_expected(folder, ids, model(ids).logits)
    return folder, ids


def save_minicpm(root, seed):
    """MiniCPM without its own class: the folded form (minicpm scales inside the matrices) runs as a Llama; what is saved
    is the unfolded form under MiniCPM's config."""
    scale_emb, scale_depth, base = 12, 1.4, 8
    residual, logit = scale_depth / BLOCKS ** 0.5, WIDTH / base
    config = transformers.LlamaConfig(**common(num_key_value_heads=KV_HEADS))
    folded = transformers.LlamaForCausalLM(config).float().eval()
    randomise(folded, seed)
    state = {name: tensor.clone() for name, tensor in folded.state_dict().items() if name != "lm_head.weight"}
    with torch.no_grad():
        folded.lm_head.weight.copy_(state["model.embed_tokens.weight"] / logit)
        folded.model.embed_tokens.weight.mul_(scale_emb)
        for layer in folded.model.layers:
            layer.self_attn.o_proj.weight.mul_(residual)
            layer.mlp.down_proj.weight.mul_(residual)
    folder = root / "minicpm"
    folder.mkdir(parents=True, exist_ok=True)
    fields = common(num_key_value_heads=KV_HEADS, model_type="minicpm", architectures=["MiniCPMForCausalLM"],
                    hidden_act="silu", rms_norm_eps=config.rms_norm_eps, rope_theta=10000.0, rope_scaling=None,
                    tie_word_embeddings=True, scale_emb=scale_emb, scale_depth=scale_depth, dim_model_base=base)
    del fields["attn_implementation"]
    (folder / "config.json").write_text(json.dumps(fields, indent=2) + "\n")
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    ids = prompt(seed)
    with torch.no_grad():
        save_expected(folder, ids, folded(ids).logits)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/language")
    for seed, (name, make, config) in enumerate(models(), start=1):
        save_model(root, name, make(config), seed)
    save_minicpm(root, 100)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
