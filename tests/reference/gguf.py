"""Writes GGUF v3 files, and encodes and decodes the weights in them.

What encode() rounded, decode() gives back: a reference computes with the very weights that are in the file. Formats are
described in ggml-common.h of ggml; this is numpy code that shares nothing with the engine's.

A matrix is an array [n_rows][n_cols]; the file has its dimensions the other way round, fastest first."""
import struct

import numpy as np

ALIGNMENT = 32

# value types of keys
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


# ---- Blocks of quantised weights: floats [n_blocks][n] to bytes [n_blocks][size] and back ----

def f16_bytes(values):
    return values.astype("<f2").reshape(-1, 1).view(np.uint8)


def f16_at(blocks, offset):
    return blocks[:, offset:offset + 2].copy().view("<f2").astype(np.float64)


def round_half_away(x):
    return np.trunc(x + np.copysign(0.5, x))


def inverse(d):
    return np.divide(1.0, d, out=np.zeros_like(d), where=d != 0)


def stored_scale(d):
    """A scale as the file will have it: codes are chosen for that one."""
    return d.astype("<f2").astype(np.float64)


def encode_q8_0(x):
    d = stored_scale(np.abs(x).max(1, keepdims=True) / 127)
    q = np.clip(round_half_away(x * inverse(d)), -127, 127).astype(np.int8)
    return np.hstack([f16_bytes(d), q.view(np.uint8)])


def decode_q8_0(blocks):
    return blocks[:, 2:].copy().view(np.int8) * f16_at(blocks, 0)


def encode_q4_0(x):
    largest = np.take_along_axis(x, np.abs(x).argmax(1)[:, None], 1)
    d = stored_scale(largest / -8)
    q = np.clip(np.floor(x * inverse(d) + 8.5), 0, 15).astype(np.uint8)
    return np.hstack([f16_bytes(d), q[:, :16] | q[:, 16:] << 4])


def decode_q4_0(blocks):
    codes = np.hstack([blocks[:, 2:] & 15, blocks[:, 2:] >> 4]).astype(np.float64)
    return (codes - 8) * f16_at(blocks, 0)


def trits(x):
    """-1, 0, 1 of a block that holds -s, 0 and s; and s."""
    s = stored_scale(np.abs(x).max(1, keepdims=True))
    return np.rint(x * inverse(s)).astype(np.int64), s


def encode_tq2_0(x):
    t, s = trits(x)
    fields = (t + 1).reshape(-1, 2, 4, 32)  # half, two bits, byte
    codes = (fields << np.array([0, 2, 4, 6])[:, None]).sum(2).astype(np.uint8)
    return np.hstack([codes.reshape(-1, 64), f16_bytes(s)])


def decode_tq2_0(blocks):
    codes = blocks[:, :64].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    return (codes.reshape(-1, 256).astype(np.float64) - 1) * f16_at(blocks, 64)


# Of a TQ1_0 block: (first element, bytes, trits a byte); trit n of byte m is element first + n * bytes + m.
TQ1_PARTS = ((0, 32, 5), (160, 16, 5), (240, 4, 4))


def encode_tq1_0(x):
    t, s = trits(x)
    parts = []
    for first, n_bytes, n_trits in TQ1_PARTS:
        digits = (t + 1)[:, first:first + n_bytes * n_trits].reshape(-1, n_trits, n_bytes)
        value = sum(digits[:, n] * 3 ** (4 - n) for n in range(n_trits))
        parts.append(((value * 256 + 242) // 243).astype(np.uint8))
    return np.hstack(parts + [f16_bytes(s)])


def decode_tq1_0(blocks):
    out, at = np.empty((len(blocks), 256)), 0
    for first, n_bytes, n_trits in TQ1_PARTS:
        part = blocks[:, at:at + n_bytes].astype(np.int64)
        at += n_bytes
        for n in range(n_trits):
            out[:, first + n * n_bytes:first + (n + 1) * n_bytes] = (part * 3 ** n % 256 * 3 >> 8) - 1
    return out * f16_at(blocks, 52)


def encode_bf16(x):
    bits = x.astype("<f4").view(np.uint32)
    return (bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype("<u2").view(np.uint8)


def decode_bf16(blocks):
    return (blocks.copy().view("<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def plain(dtype):
    return (lambda x: x.astype(dtype).view(np.uint8), lambda blocks: blocks.copy().view(dtype).astype(np.float64))


# name: (id, weights a block, bytes a block, encode, decode)
TYPES = {
    "F32": (0, 1, 4, *plain("<f4")),
    "F16": (1, 1, 2, *plain("<f2")),
    "BF16": (30, 1, 2, encode_bf16, decode_bf16),
    "Q4_0": (2, 32, 18, encode_q4_0, decode_q4_0),
    "Q8_0": (8, 32, 34, encode_q8_0, decode_q8_0),
    "TQ1_0": (34, 256, 54, encode_tq1_0, decode_tq1_0),
    "TQ2_0": (35, 256, 66, encode_tq2_0, decode_tq2_0),
}


def encode(name, values):
    """The bytes of an array whose last dimension is a multiple of the type's block."""
    _, block, _, encoder, _ = TYPES[name]
    if values.shape[-1] % block:
        raise ValueError(f"rows of {values.shape[-1]} are no blocks of {name}")
    return encoder(np.ascontiguousarray(values).reshape(-1, block)).tobytes()


def decode(name, data, shape):
    _, _, size, _, decoder = TYPES[name]
    return decoder(np.frombuffer(data, np.uint8).reshape(-1, size)).reshape(shape)


# ---- Files ----

def text_bytes(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value_bytes(value):
    """A key's value: type and bytes. Lists are arrays of what their first element is; an int is u32, in a list i32."""
    if isinstance(value, bool):
        return BOOL, struct.pack("<?", value)
    if isinstance(value, (int, np.integer)):
        return U32, struct.pack("<I", value)
    if isinstance(value, (float, np.floating)):
        return F32, struct.pack("<f", value)
    if isinstance(value, str):
        return STRING, text_bytes(value)
    if isinstance(value[0], (int, np.integer)):
        kind, elements = I32, [struct.pack("<i", element) for element in value]
    else:
        kind, elements = value_bytes(value[0])[0], [value_bytes(element)[1] for element in value]
    return ARRAY, struct.pack("<IQ", kind, len(elements)) + b"".join(elements)


def vocabulary(n):
    """A tokenizer of n tokens, for models whose tests never need text: SentencePiece's kind. The 256 bytes are among them
    where there is room, as llama.cpp wants them."""
    texts, types = ["<unk>", "<s>", "</s>"], [2, 3, 3]
    if n >= len(texts) + 256:
        texts += [f"<0x{byte:02X}>" for byte in range(256)]
        types += [6] * 256
    n_words = n - len(texts)
    texts += [chr(97 + i) if i < 26 else f"[{i}]" for i in range(n_words)]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": texts,
        "tokenizer.ggml.scores": [0.0] * n,
        "tokenizer.ggml.token_type": types + [1] * n_words,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }


def padding(n):
    return bytes(-n % ALIGNMENT)


def write(path, keys, tensors):
    """keys: full name to value. tensors: name to (type name, shape as numpy has it, bytes)."""
    header = [struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys))]
    for key, value in keys.items():
        kind, data = value_bytes(value)
        header += [text_bytes(key), struct.pack("<I", kind), data]
    offset = 0
    for name, (kind, shape, data) in tensors.items():
        header += [text_bytes(name), struct.pack("<I", len(shape)), struct.pack(f"<{len(shape)}Q", *reversed(shape)),
                   struct.pack("<IQ", TYPES[kind][0], offset)]
        offset += len(data) + len(padding(len(data)))
    head = b"".join(header)
    with open(path, "wb") as file:
        file.write(head + padding(len(head)))
        for _, _, data in tensors.values():
            file.write(data + padding(len(data)))
