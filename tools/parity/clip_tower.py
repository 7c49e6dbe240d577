#!/usr/bin/env python3
"""Makes tests/golden/clip_tower.safetensors: a tiny random CLIP vision tower of transformers in its own names, pictures,
and what transformers computes from them: the last hidden state before the final norm, without the class token (float32,
eager attention). tests/models/clip_tower_test.cc reads it.

python3 tools/parity/clip_tower.py [file]        needs torch, transformers, safetensors (docs/parity.md)
"""
import sys

import torch
import transformers
from safetensors.torch import save_file

CONFIG = transformers.CLIPVisionConfig(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=28, patch_size=7,
    hidden_act="quick_gelu", layer_norm_eps=1e-5, attn_implementation="eager")


def randomise(model, generator):
    """Every weight away from its start value: gains around 1, biases not 0, matrices that keep the size of activations."""
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                parameter.add_(0.1 * noise)
            else:
                parameter.copy_(noise * (parameter.numel() / parameter.shape[0]) ** -0.5)


def main():
    generator = torch.Generator().manual_seed(1)
    model = transformers.CLIPVisionModel(CONFIG).float().eval()
    randomise(model, generator)
    pixels = torch.randn(2, 3, 28, 28, generator=generator)
    with torch.no_grad():
        hidden = model(pixels, output_hidden_states=True).hidden_states[-1][:, 1:]
    tensors = {name: value for name, value in model.state_dict().items() if not name.endswith("position_ids")}
    tensors = {name if name.startswith("vision_model.") else f"vision_model.{name}": value
               for name, value in tensors.items()}
    save_file({**tensors, "pixels": pixels, "hidden": hidden.contiguous()},
              sys.argv[1] if len(sys.argv) > 1 else "tests/golden/clip_tower.safetensors")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
