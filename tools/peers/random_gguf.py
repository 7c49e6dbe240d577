#!/usr/bin/env python3
"""A GGUF text model in llama.cpp's layout with random weights, so that several engines can be timed on the same file.

Blocks have a random payload and scales with which the values spread by about 0.02; norms are 1 +- 0.05. The vocabulary is
made up (SentencePiece: three specials, 256 bytes, filler words). As the usual quantizer does, the output matrix of
a Q4_0 file is Q6_K, or Q8_0 where a row is no whole number of its blocks.

python3 tools/peers/random_gguf.py minicpm-2.4b q4_0 minicpm-q4_0.gguf        needs numpy and gguf
"""
import argparse
import collections

import gguf
import numpy as np

Q = gguf.GGMLQuantizationType
Size = collections.namedtuple("Size", "arch blocks d ffn heads kv_heads vocab tied context rope_base bias")
SIZES = {
    "minicpm-2.4b": Size("minicpm", 40, 2304, 5760, 36, 36, 122753, True, 4096, 1e4, False),
    "internlm2-1.8b": Size("internlm2", 24, 2048, 8192, 16, 8, 92553, False, 32768, 1e6, False),
    "qwen2-0.5b": Size("qwen2", 24, 896, 4864, 14, 2, 151936, True, 32768, 1e6, True),
    "qwen2-7b": Size("qwen2", 28, 3584, 18944, 28, 4, 151666, False, 32768, 1e6, True),
}
SPREAD = 0.02


def f16_scales(rng, n, mean):
    scales = mean * rng.uniform(0.8, 1.2, n) * rng.choice([-1.0, 1.0], n)
    return scales.astype(np.float16).view(np.uint8).reshape(n, 2)


def q4_0(rng, n):  # scale, 32 nibbles of q + 8
    nibbles = rng.integers(0, 256, (n, 16), dtype=np.uint8)
    return np.hstack([f16_scales(rng, n, SPREAD / 4.63), nibbles])


def q8_0(rng, n):  # scale, 32 signed bytes
    codes = rng.integers(-127, 128, (n, 32), dtype=np.int8)
    return np.hstack([f16_scales(rng, n, SPREAD / 73.3), codes.view(np.uint8)])


def q6_k(rng, n):  # 256 codes of 6 bits, 16 signed scales, one scale of these (8..16: it is no denormal then)
    codes = rng.integers(0, 256, (n, 192), dtype=np.uint8)
    scales = rng.integers(8, 17, (n, 16), dtype=np.int8) * rng.choice(np.array([-1, 1], np.int8), (n, 16))
    return np.hstack([codes, scales.view(np.uint8), f16_scales(rng, n, SPREAD / (18.5 * 12.3))])


FORMATS = {Q.Q4_0: q4_0, Q.Q8_0: q8_0, Q.Q6_K: q6_k}


def matrix(rng, rows, columns, kind):
    values, n_bytes = gguf.GGML_QUANT_SIZES[kind]
    return FORMATS[kind](rng, rows * columns // values).reshape(rows, columns // values * n_bytes)


def tensors(size, kind):
    """Name, shape and format (None: a vector of f32), in the order of the file."""
    head = Q.Q6_K if kind == Q.Q4_0 and size.d % 256 == 0 else Q.Q8_0
    kv = size.d // size.heads * size.kv_heads
    yield "token_embd.weight", (size.vocab, size.d), head if size.tied else kind
    if not size.tied:
        yield "output.weight", (size.vocab, size.d), head
    yield "output_norm.weight", (size.d,), None
    for i in range(size.blocks):
        for name, rows in ("q", size.d), ("k", kv), ("v", kv):
            yield f"blk.{i}.attn_{name}.weight", (rows, size.d), kind
            if size.bias:
                yield f"blk.{i}.attn_{name}.bias", (rows,), None
        yield f"blk.{i}.attn_output.weight", (size.d, size.d), kind
        yield f"blk.{i}.ffn_gate.weight", (size.ffn, size.d), kind
        yield f"blk.{i}.ffn_up.weight", (size.ffn, size.d), kind
        yield f"blk.{i}.ffn_down.weight", (size.d, size.ffn), kind
        yield f"blk.{i}.attn_norm.weight", (size.d,), None
        yield f"blk.{i}.ffn_norm.weight", (size.d,), None


def write_metadata(writer, size, kind):
    writer.add_context_length(size.context)
    writer.add_embedding_length(size.d)
    writer.add_block_count(size.blocks)
    writer.add_feed_forward_length(size.ffn)
    writer.add_head_count(size.heads)
    writer.add_head_count_kv(size.kv_heads)
    writer.add_rope_dimension_count(size.d // size.heads)
    writer.add_rope_freq_base(size.rope_base)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(size.vocab)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind.name}"])


def write_vocabulary(writer, n):
    special = ["<unk>", "<s>", "</s>"]
    tokens = special + [f"<0x{byte:02X}>" for byte in range(256)]
    types = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    tokens += [f"\u2581w{i}" for i in range(n - len(tokens))]
    types += [gguf.TokenType.NORMAL] * (n - len(types))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(i) for i in range(n)])
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def data(rng, name, shape, kind):
    if kind is not None:
        return matrix(rng, *shape, kind)
    values = rng.normal(0, SPREAD, shape) if name.endswith("bias") else rng.uniform(0.95, 1.05, shape)
    return values.astype(np.float32)


def write(path, size, kind, seed):
    writer = gguf.GGUFWriter(path, size.arch)
    write_metadata(writer, size, kind)
    write_vocabulary(writer, size.vocab)
    rows = list(tensors(size, kind))
    for name, shape, as_kind in rows:
        if as_kind is None:
            writer.add_tensor_info(name, shape, np.dtype(np.float32), shape[0] * 4)
        else:
            values, n_bytes = gguf.GGML_QUANT_SIZES[as_kind]
            stored = (shape[0], shape[1] // values * n_bytes)
            writer.add_tensor_info(name, stored, np.dtype(np.uint8), stored[0] * stored[1], as_kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    rng = np.random.default_rng(seed)
    for name, shape, as_kind in rows:  # one at a time: the file may be larger than the memory
        writer.write_tensor_data(data(rng, name, shape, as_kind))
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("type", choices=["q4_0", "q8_0"])
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    write(o.out, SIZES[o.size], Q[o.type.upper()], o.seed)


if __name__ == "__main__":
    main()
