"""The scenes model (hf-nanovlm preset "scenes") written plainly in PyTorch, trained on random data: the yardstick of
bench/train_bench.cc. Batch 32, 32 text tokens, 128 x 128 pictures, autocast to bf16, AdamW (fused where the version
has it), global norm clipped to 1.

  python3 tools/torch_train_pair.py [steps] [threads]             the PyTorch half alone
  python3 tools/torch_train_pair.py --against TRAIN_BENCH [rounds] [steps] [threads]   both in turn, A B A B, and the ratio
"""
import re
import statistics
import subprocess
import sys
import time


def build(torch):
    nn, F = torch.nn, torch.nn.functional
    D, VIT_FFN, VIT_HEADS, VIT_BLOCKS = 256, 768, 8, 3
    d, LM_FFN, HEADS, KV_HEADS, LM_BLOCKS, VOCAB = 256, 640, 8, 4, 3, 2048
    HEAD = d // HEADS

    class LayerNorm(nn.LayerNorm):
        def forward(self, x):  # before 2.0 autocast did not widen it on the CPU
            return super().forward(x if hasattr(F, "scaled_dot_product_attention") else x.float())

    class Stem(nn.Module):
        def __init__(self):
            super().__init__()
            widths = [3, 32, 64, 128, 256]
            self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in zip(widths, widths[1:]))
            self.norm, self.fc = LayerNorm(256), nn.Linear(256, D)

        def forward(self, x):
            for conv in self.convs:
                x = F.relu(conv(x))
            return self.fc(F.relu(self.norm(x.flatten(2).transpose(1, 2))))

    class VitBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = LayerNorm(D, 1e-6), LayerNorm(D, 1e-6)
            self.qkv, self.proj = nn.Linear(D, 3 * D), nn.Linear(D, D)
            self.fc1, self.fc2 = nn.Linear(D, VIT_FFN), nn.Linear(VIT_FFN, D)

        def forward(self, x):
            B, T, _ = x.shape
            q, k, v = self.qkv(self.ln1(x)).view(B, T, 3, VIT_HEADS, D // VIT_HEADS).permute(2, 0, 3, 1, 4)
            x = x + self.proj(attend(q, k, v, False).transpose(1, 2).reshape(B, T, D))
            return x + self.fc2(F.gelu(self.fc1(self.ln2(x)), approximate="tanh"))

    def attend(q, k, v, causal):
        if hasattr(F, "scaled_dot_product_attention"):
            return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if causal:
            T = q.shape[2]
            scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), float("-inf"))
        return scores.softmax(-1).to(v.dtype) @ v

    class RmsNorm(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(d))

        def forward(self, x):
            if hasattr(F, "rms_norm"):
                return F.rms_norm(x, (d,), self.weight, 1e-5)
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight

    def rope(x, cos, sin):
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat((-b, a), -1) * sin

    class TextBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = RmsNorm(), RmsNorm()
            self.q, self.kv = nn.Linear(d, d, bias=False), nn.Linear(d, 2 * KV_HEADS * HEAD, bias=False)
            self.proj = nn.Linear(d, d, bias=False)
            self.gate, self.up = nn.Linear(d, LM_FFN, bias=False), nn.Linear(d, LM_FFN, bias=False)
            self.down = nn.Linear(LM_FFN, d, bias=False)

        def forward(self, x, cos, sin):
            B, T, _ = x.shape
            h = self.norm1(x)
            q = self.q(h).view(B, T, HEADS, HEAD).transpose(1, 2)
            k, v = self.kv(h).view(B, T, 2, KV_HEADS, HEAD).permute(2, 0, 3, 1, 4)
            q, k = rope(q, cos, sin), rope(k, cos, sin)
            k, v = (t.repeat_interleave(HEADS // KV_HEADS, 1) for t in (k, v))
            x = x + self.proj(attend(q, k, v.to(k.dtype), True).transpose(1, 2).reshape(B, T, d))
            h = self.norm2(x)
            return x + self.down(F.silu(self.gate(h)) * self.up(h))

    class Captioner(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.pos = Stem(), nn.Parameter(torch.zeros(1, 64, D))
            self.vit = nn.ModuleList(VitBlock() for _ in range(VIT_BLOCKS))
            self.vit_norm, self.projector = LayerNorm(D, 1e-6), nn.Linear(4 * D, d, bias=False)
            self.tokens = nn.Embedding(VOCAB, d)
            self.text = nn.ModuleList(TextBlock() for _ in range(LM_BLOCKS))
            self.norm = RmsNorm()
            angles = torch.outer(torch.arange(256.0), 1e5 ** (-torch.arange(0, HEAD, 2) / HEAD)).repeat(1, 2)
            self.register_buffer("cos", angles.cos())
            self.register_buffer("sin", angles.sin())
            for p in self.parameters():
                if p.dim() > 1:
                    nn.init.normal_(p, std=0.02)

        def forward(self, pixels, ids, targets):
            x = self.stem(pixels) + self.pos
            for block in self.vit:
                x = block(x)
            x = self.vit_norm(x).view(-1, 4, 2, 4, 2 * D).transpose(2, 3).reshape(-1, 16, 4 * D)  # pixel shuffle
            x = torch.cat((self.projector(x), self.tokens(ids)), 1)
            cos, sin = self.cos[: x.shape[1]], self.sin[: x.shape[1]]
            for block in self.text:
                x = block(x, cos, sin)
            logits = F.linear(self.norm(x[:, 16:]), self.tokens.weight)
            return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())

    return Captioner()


def optimizer(torch, model):
    groups = [{"params": [p for p in model.parameters() if (p.dim() > 1) == wide], "weight_decay": decay}
              for wide, decay in ((True, 0.1), (False, 0.0))]
    for extra in ({"fused": True}, {"foreach": True}, {}):  # the fastest this version has on the CPU
        try:
            made = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), **extra)
            return made, next(iter(extra), "plain")
        except (TypeError, RuntimeError):
            continue


def measure(steps, threads, batch=32, n_text=32):
    import torch
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = build(torch).train()
    adamw, kind = optimizer(torch, model)
    pixels = torch.rand(batch, 3, 128, 128)
    ids, targets = torch.randint(0, 2048, (2, batch, n_text))
    times = []
    for i in range(steps + 3):  # three to warm up
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(pixels, ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        loss = loss.item()
        if i >= 3:
            times.append(time.perf_counter() - start)
    n = sum(p.numel() for p in model.parameters())
    print(f"PyTorch {torch.__version__} ({kind} AdamW)  parameters {n}  loss {loss:.3f}  "
          f"median {batch / statistics.median(times):.1f} pictures/s  best {batch / min(times):.1f}")


def alternate(bench, rounds, steps, threads):
    commands = {"galago": [bench, steps, threads], "PyTorch": [sys.executable, __file__, steps, threads]}
    medians = {name: [] for name in commands}
    for _ in range(int(rounds)):
        for name, command in commands.items():
            line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            print(line, flush=True)
            medians[name].append(float(re.search(r"median ([\d.]+)", line).group(1)))
    ours, theirs = (statistics.median(medians[name]) for name in ("galago", "PyTorch"))
    print(f"galago {ours:.1f}, PyTorch {theirs:.1f} pictures/s: ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["--against"]:
        alternate(words[1], *(words[2:] + ["4", "15", "1"][len(words) - 2:]))
    else:
        measure(int(words[0]) if words else 20, int(words[1]) if len(words) > 1 else 1)
