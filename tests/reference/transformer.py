"""Llama-like decoders and BitNet b1.58, all positions at once in float64.

Sources: LLaMA (arXiv 2302.13971), GQA (2305.13245), RoPE (2104.09864), YaRN (2309.00071), LongRoPE (2402.13753), BitNet
b1.58 (2402.17764), the model descriptions of Qwen2 (2407.10671) and Qwen3 (2505.09388), and llama.cpp's names and
meanings of keys.

A layer's own sizes come from its tensors; keys say how many heads they are cut into."""
import math

import numpy as np

from model import Model, matrix, quantise_blocks, rms_norm, silu, softmax, ternary, vector

NEOX = {"qwen2", "qwen3", "bitnet", "bitnet-25", "bitnet-b1.58"}  # rotates (i, i + n/2); the others (2i, 2i + 1)


def per_layer(value, layer):
    return value[layer] if isinstance(value, list) else value


def is_bitnet(architecture):
    return architecture.startswith("bitnet")


# ---- Weights ----

def make(rng, architecture="llama", n_layers=2, n_embd=48, heads=4, kv_heads=2, n_ff=80, n_vocab=61, key_size=12,
         value_size=None, tied=False, biases=(), head_norms=None, ternary_matrices=None, rope_factors=False,
         long_factors=False, n_ctx=256, keys=None):
    """heads, kv_heads and n_ff may be lists, one value a layer. biases: parts of names, as "attn_q". n_ctx: positions
    that are asked for; the trained length is 256."""
    value_size = value_size or key_size
    head_norms = architecture == "qwen3" if head_norms is None else head_norms
    bitnet = is_bitnet(architecture)
    linear = ternary if bitnet or ternary_matrices else matrix
    tensors = {"token_embd.weight": matrix(rng, n_vocab, n_embd, 3), "output_norm.weight": vector(rng, n_embd, 1)}
    if not tied and not bitnet:
        tensors["output.weight"] = matrix(rng, n_vocab, n_embd, 3)
    if "output" in biases:
        tensors["output.bias"] = vector(rng, n_vocab)
    n_rot = (keys or {}).get("rope.dimension_count", key_size)
    if rope_factors:
        tensors["rope_freqs.weight"] = vector(rng, n_rot // 2, 3, 2)
    if long_factors:
        tensors["rope_factors_long.weight"] = vector(rng, n_rot // 2, 5, 3)
        tensors["rope_factors_short.weight"] = vector(rng, n_rot // 2, 1.5, 0.5)
    for i in range(n_layers):
        h, g, f = per_layer(heads, i), per_layer(kv_heads, i), per_layer(n_ff, i)
        shapes = {"attn_q": (h * key_size, n_embd), "attn_k": (g * key_size, n_embd),
                  "attn_v": (g * value_size, n_embd), "attn_output": (n_embd, h * value_size),
                  "ffn_gate": (f, n_embd), "ffn_up": (f, n_embd), "ffn_down": (n_embd, f)}
        for name, (rows, cols) in shapes.items():
            gain = 1.5 if name in ("attn_q", "attn_k") else 1
            tensors[f"blk.{i}.{name}.weight"] = linear(rng, rows, cols, gain)
            if name in biases:
                tensors[f"blk.{i}.{name}.bias"] = vector(rng, rows, 0, 0.5)
        norms = {"attn_norm": n_embd, "ffn_norm": n_embd}
        if head_norms:
            norms |= {"attn_q_norm": key_size, "attn_k_norm": key_size}
        if bitnet:
            norms |= {"attn_sub_norm": h * value_size, "ffn_sub_norm": f}
        for name, n in norms.items():
            tensors[f"blk.{i}.{name}.weight"] = vector(rng, n, 1, 0.5)
    all_keys = {"context_length": 256, "embedding_length": n_embd, "block_count": n_layers,
                "feed_forward_length": n_ff, "attention.head_count": heads, "attention.head_count_kv": kv_heads,
                "attention.key_length": key_size, "attention.value_length": value_size,
                "attention.layer_norm_rms_epsilon": 1e-5}
    return Model(architecture, all_keys | (keys or {}), tensors, n_ctx=n_ctx)


# ---- RoPE ----

def yarn_ramp(pairs, n_rot, base, n_ctx, fast, slow):
    """1 where a pair turns so often within the trained length that its frequency stays, 0 where it turns so seldom that
    it is stretched; straight in between (YaRN, section 3.2)."""
    def pair_of(rotations):
        return n_rot * math.log(n_ctx / (rotations * 2 * math.pi)) / (2 * math.log(base))
    first = max(math.floor(pair_of(fast)), 0)
    last = min(math.ceil(pair_of(slow)), n_rot - 1)
    return 1 - np.clip((pairs - first) / max(last - first, 0.001), 0, 1)


def rope_factors(model, n_ctx):
    """LongRoPE has two lists of divisors, one for contexts past the original length."""
    original = model.keys.get("rope.scaling.original_context_length", model.keys["context_length"])
    name = "rope_factors_long.weight" if n_ctx > original else "rope_factors_short.weight"
    factors = model.get("rope_freqs.weight") if model.get("rope_freqs.weight") is not None else model.get(name)
    return 1.0 if factors is None else factors


def rope_angles(model, n_rot, positions, n_ctx):
    """Cosines and sines [position][n_rot / 2], with what the scaling multiplies them by."""
    keys = model.keys
    base = keys.get("rope.freq_base", 10000.0)
    kind = keys.get("rope.scaling.type", "linear")
    factor = keys.get("rope.scaling.factor", keys.get("rope.scale_linear", 0.0)) or 1.0
    pairs = np.arange(n_rot // 2)
    free = base ** (-2.0 * pairs / n_rot) / rope_factors(model, n_ctx)
    stretched = free if kind == "none" else free / factor
    magnitude = keys.get("rope.scaling.attn_factor", 1.0)
    mix = keys.get("rope.scaling.yarn_ext_factor", 1.0 if kind == "yarn" else 0.0)
    if mix:
        n_original = keys.get("rope.scaling.original_context_length", keys["context_length"])
        ramp = mix * yarn_ramp(pairs, n_rot, base, n_original, keys.get("rope.scaling.yarn_beta_fast", 32.0),
                               keys.get("rope.scaling.yarn_beta_slow", 1.0))
        stretched = stretched * (1 - ramp) + free * ramp
        if factor > 1:
            magnitude *= 1 + 0.1 * math.log(factor)
            magnitude /= 1 + 0.1 * keys.get("rope.scaling.yarn_log_multiplier", 0.0) * math.log(factor)
    else:
        magnitude *= keys.get("rope.scaling.yarn_attn_factor", 1.0)
    theta = np.outer(positions, stretched)
    return np.cos(theta) * magnitude, np.sin(theta) * magnitude


def rotate(x, cosines, sines, neox):
    """x: [position][head][size]; pairs beyond the angles' stay as they are."""
    n = cosines.shape[1]
    first, second = (slice(0, n), slice(n, 2 * n)) if neox else (slice(0, 2 * n, 2), slice(1, 2 * n, 2))
    c, s = cosines[:, None, :], sines[:, None, :]
    y = x.copy()
    y[..., first] = x[..., first] * c - x[..., second] * s
    y[..., second] = x[..., first] * s + x[..., second] * c
    return y


# ---- The pass ----

def kept(kind, x):
    """Keys or values as they come back from the cache."""
    if kind == "I8":
        return quantise_blocks(x, x.shape[-1])
    return x.astype(np.float16).astype(np.float64) if kind == "F16" else x



def attention(model, i, h):
    keys, architecture, n = model.keys, model.architecture, len(h)
    heads = per_layer(keys["attention.head_count"], i)
    kv_heads = per_layer(keys.get("attention.head_count_kv", heads), i)
    q, k, v = (model.multiply(f"blk.{i}.attn_{part}", h, is_linear_ternary(model, i, f"attn_{part}"))
               for part in "qkv")
    q, k, v = q.reshape(n, heads, -1), k.reshape(n, kv_heads, -1), v.reshape(n, kv_heads, -1)
    for name in ("attn_q_norm", "attn_k_norm"):
        norm = model.get(f"blk.{i}.{name}.weight")
        if norm is not None and name == "attn_q_norm":
            q = rms_norm(q, norm, keys["attention.layer_norm_rms_epsilon"])
        elif norm is not None:
            k = rms_norm(k, norm, keys["attention.layer_norm_rms_epsilon"])
    n_rot = keys.get("rope.dimension_count", q.shape[2])
    angles = rope_angles(model, n_rot, np.arange(n), model.n_ctx)
    q, k = (rotate(x, *angles, architecture in NEOX) for x in (q, k))
    k, v = kept(model.kv_type, k), kept(model.kv_type, v)
    scale = keys.get("attention.scale", 0.0) or 1 / math.sqrt(q.shape[2])
    future = np.triu(np.full((n, n), -np.inf), 1)
    out = []
    for head in range(heads):
        group = head // (heads // kv_heads)
        out.append(softmax(q[:, head] @ k[:, group].T * scale + future) @ v[:, group])
    return np.hstack(out)


def activation(model):
    default = "relu2" if model.architecture in ("bitnet-b1.58", "bitnet-25") else "silu"
    if model.keys.get("hidden_activation", default) == "relu2":
        return lambda z: np.maximum(z, 0) ** 2
    return silu


def is_linear_ternary(model, i, name):
    """BitNet's layers, and those of any model whose weights are -s, 0 and s."""
    weights = model.weights[f"blk.{i}.{name}.weight"]
    return is_bitnet(model.architecture) or set(np.unique(weights / np.abs(weights).max())) <= {-1, 0, 1}


def logits(model, tokens):
    epsilon = model.keys["attention.layer_norm_rms_epsilon"]

    def norm(name, x):
        weight = model.get(name + ".weight")
        return x if weight is None else rms_norm(x, weight, epsilon)

    def multiply(i, name, x):
        return model.multiply(f"blk.{i}.{name}", x, is_linear_ternary(model, i, name))

    act = activation(model)
    x = model.weights["token_embd.weight"][tokens]
    for i in range(model.keys["block_count"]):
        o = attention(model, i, norm(f"blk.{i}.attn_norm", x))
        x = x + multiply(i, "attn_output", norm(f"blk.{i}.attn_sub_norm", o))
        h = norm(f"blk.{i}.ffn_norm", x)
        u = act(multiply(i, "ffn_gate", h)) * multiply(i, "ffn_up", h)
        x = x + multiply(i, "ffn_down", norm(f"blk.{i}.ffn_sub_norm", u))
    has_head = model.get("output.weight") is not None and not is_bitnet(model.architecture)
    y = model.multiply("output" if has_head else "token_embd", norm("output_norm", x))
    bias = model.get("output.bias")
    return y if bias is None or has_head else y + bias
