"""Writes the trained model as a GGUF file (version 3) for arch "bitnet".

Ternary matrices are TQ2_0, the tied embedding F16, the norms F32.
"""
import os
import struct

import numpy as np

from tokenizer import END, PAD, SPECIALS, USER

F32, F16, TQ2_0 = 0, 1, 35
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
ALIGNMENT = 32
CONTROL, NORMAL = 3, 1
MOSTLY_TQ2_0 = 37
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}<|user|>{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}<|assistant|>{{ message['content'] }}<|end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}")


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, x):
    """A metadata value with its type in front; kind may be (ARRAY, element kind)."""
    if isinstance(kind, tuple):
        body = b"".join(value(kind[1], e)[4:] for e in x)
        return struct.pack("<IIQ", ARRAY, kind[1], len(x)) + body
    if kind == STRING:
        return struct.pack("<I", STRING) + string(x)
    return struct.pack("<I" + {U32: "I", I32: "i", FLOAT: "f", BOOL: "?"}[kind], kind, x)


def tq2_0(trits, scale):
    """Packs rows of trits: per 256 elements 64 bytes of two-bit codes and the f16 scale.

    Byte m of half h holds elements 128h + 32l + m in bits 2l, 2l+1. A block of zeros has scale 0.
    """
    blocks = (trits.reshape(-1, 2, 4, 32) + 1).astype(np.uint8)
    shifts = np.array([0, 2, 4, 6], np.uint8)[None, None, :, None]
    codes = np.bitwise_or.reduce(blocks << shifts, axis=2).reshape(-1, 64)
    used = np.abs(trits.reshape(-1, 256)).max(1) > 0
    scales = np.where(used, np.float16(scale), np.float16(0)).astype("<f2")
    scales = scales.view(np.uint8).reshape(-1, 2)
    return np.concatenate([codes, scales], 1).tobytes()


def metadata(shape, eps, rope_base, tokenizer, description):
    tokens = tokenizer.tokens
    head = shape["width"] // shape["heads"]
    return [
        ("general.architecture", STRING, "bitnet"),
        ("general.type", STRING, "model"),
        ("general.name", STRING, "ryzen-llm-default"),
        ("general.description", STRING, description),
        ("general.quantization_version", U32, 2),
        ("general.file_type", U32, MOSTLY_TQ2_0),
        ("bitnet.context_length", U32, shape["context"]),
        ("bitnet.embedding_length", U32, shape["width"]),
        ("bitnet.block_count", U32, shape["layers"]),
        ("bitnet.feed_forward_length", U32, shape["ffn"]),
        ("bitnet.attention.head_count", U32, shape["heads"]),
        ("bitnet.attention.head_count_kv", U32, shape["kv_heads"]),
        ("bitnet.attention.layer_norm_rms_epsilon", FLOAT, eps),
        ("bitnet.rope.freq_base", FLOAT, rope_base),
        ("bitnet.rope.dimension_count", U32, head),
        ("bitnet.vocab_size", U32, shape["vocab"]),
        ("bitnet.hidden_activation", STRING, "silu"),
        ("tokenizer.ggml.model", STRING, "gpt2"),
        ("tokenizer.ggml.pre", STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", (ARRAY, STRING), tokens),
        ("tokenizer.ggml.token_type", (ARRAY, I32),
         [CONTROL if i < len(SPECIALS) else NORMAL for i in range(len(tokens))]),
        ("tokenizer.ggml.merges", (ARRAY, STRING), [" ".join(m) for m in tokenizer.merges]),
        ("tokenizer.ggml.bos_token_id", U32, USER),
        ("tokenizer.ggml.eos_token_id", U32, END),
        ("tokenizer.ggml.padding_token_id", U32, PAD),
        ("tokenizer.ggml.add_bos_token", BOOL, False),
        ("tokenizer.ggml.add_eos_token", BOOL, False),
        ("tokenizer.chat_template", STRING, CHAT_TEMPLATE),
    ]


def write(path, meta, tensors):
    """tensors: (name, dims with the fastest first, type, bytes). Replaces `path` at once."""
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(meta))]
    head += [string(key) + value(kind, x) for key, kind, x in meta]
    offset, body = 0, []
    for name, dims, kind, data in tensors:
        head.append(string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset))
        data += bytes(-len(data) % ALIGNMENT)
        body.append(data)
        offset += len(data)
    start = b"".join(head)
    temporary = f"{path}.part"
    with open(temporary, "wb") as f:
        f.write(start + bytes(-len(start) % ALIGNMENT) + b"".join(body))
    os.replace(temporary, path)


def export(path, model, tokenizer, description):
    """Writes a trained model.Model; its trits must be up to date (Model.quantise)."""
    from model import EPS, NORMS, ROPE_BASE
    params = {k: p.detach().float().cpu().numpy() for k, p in model.params.items()}
    vocab, width = params["embedding"].shape
    embedding, norm = params["embedding"].astype("<f2"), params["output_norm"].astype("<f4")
    tensors = [("token_embd.weight", (width, vocab), F16, embedding.tobytes()),
               ("output_norm.weight", (width,), F32, norm.tobytes())]
    for name, (trits, scales) in model.trits.items():
        layer, fused = name.split(".")
        norm = params[f"{layer}.{NORMS[fused]}"].astype("<f4")
        tensors.append((f"blk.{layer}.{NORMS[fused]}.weight", norm.shape, F32, norm.tobytes()))
        trits, row = trits.float().cpu().numpy().astype(np.int8), 0
        for part, rows in model.rows[fused]:
            tensors.append((f"blk.{layer}.{part}.weight", (trits.shape[1], rows), TQ2_0,
                            tq2_0(trits[row:row + rows], float(scales[row]))))
            row += rows
    write(path, metadata(model.shape, EPS, ROPE_BASE, tokenizer, description), tensors)
