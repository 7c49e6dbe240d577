#!/usr/bin/env python3
"""Makes tests/golden/bluelm-v: a tiny BlueLM-V of transformers' SigLIP tower and Llama, with VILA's downsampling
projector between them in torch, and the logits of one picture of two tiles followed by ids (float32).

python3 tools/parity/bluelmv.py [tests/golden/bluelm-v]        needs torch, transformers, safetensors (docs/parity.md)
"""
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

from language import BLOCKS, CONTEXT, FFN, HEADS, KV_HEADS, VOCAB, WIDTH, common, randomise

D, TOWER_FFN, TOWER_HEADS, LAYERS, IMAGE, PATCH = 16, 24, 2, 3, 44, 8


def downsample(x):
    """VILA's DownSampleBlock: [N, side^2, C] -> [N, merged, 4 C], merged tokens column by column."""
    n, length, c = x.shape
    side = int(length**0.5)
    x = x.reshape(n, side, side, c)
    if side % 2:
        x = torch.nn.functional.pad(x, (0, 0, 0, 1, 0, 1))
    half = (side + side % 2) // 2
    tokens = [torch.cat([x[:, 2 * i, 2 * j], x[:, 2 * i, 2 * j + 1], x[:, 2 * i + 1, 2 * j], x[:, 2 * i + 1, 2 * j + 1]], -1)
              for j in range(half) for i in range(half)]
    return torch.stack(tokens, 1)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/bluelm-v")
    folder.mkdir(parents=True, exist_ok=True)
    tower = transformers.SiglipVisionModel(transformers.SiglipVisionConfig(
        hidden_size=D, intermediate_size=TOWER_FFN, num_hidden_layers=LAYERS, num_attention_heads=TOWER_HEADS,
        image_size=IMAGE, patch_size=PATCH, attn_implementation="eager")).float().eval()
    text = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**common(num_key_value_heads=KV_HEADS))).float().eval()
    projector = torch.nn.Sequential(torch.nn.Identity(), torch.nn.LayerNorm(4 * D), torch.nn.Linear(4 * D, WIDTH),
                                    torch.nn.GELU(), torch.nn.Linear(WIDTH, WIDTH))
    for seed, part in enumerate((tower, text, projector), start=7):
        randomise(part, seed)
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(2, 3, IMAGE, IMAGE, generator=generator) * 2 - 1
    ids = torch.randint(3, VOCAB, (1, 6), generator=generator)
    with torch.no_grad():
        features = tower(pixels, output_hidden_states=True).hidden_states[-2]
        rows = projector(downsample(features)).reshape(1, -1, WIDTH)
        x = torch.cat([rows, text.get_input_embeddings()(ids)], 1)
        logits = text(inputs_embeds=x).logits[0]
    state = {"vision_tower." + name: tensor for name, tensor in tower.state_dict().items()}
    state |= {"mm_projector.layers." + name: tensor for name, tensor in projector.state_dict().items()}
    state |= {"llm." + name: tensor for name, tensor in text.state_dict().items()}
    state = {name: tensor.contiguous() for name, tensor in state.items() if ".head." not in name}
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    save_file({"pixels": pixels, "ids": ids[0].to(torch.int32), "rows": rows[0].contiguous(),
               "logits": logits.contiguous()}, folder / "expected.safetensors")
    llm = dict(model_type="llama", hidden_size=WIDTH, intermediate_size=FFN, num_hidden_layers=BLOCKS, vocab_size=VOCAB,
               num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, max_position_embeddings=CONTEXT,
               rms_norm_eps=1e-6, rope_theta=10000.0)
    vision = dict(type="siglip", image_size=IMAGE, patch=PATCH, hidden=D, ffn=TOWER_FFN, layers=LAYERS,
                  heads=TOWER_HEADS, ln_eps=1e-6, feature_layer=-2)
    (folder / "config.json").write_text(json.dumps(dict(model_type="bluelm_v", vision=vision, llm=llm), indent=2) + "\n")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
