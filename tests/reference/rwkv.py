"""RWKV-6 (Finch, arXiv 2404.05892) and RWKV-7 (Goose, arXiv 2503.14456), token after token in float64, with the names of
tensors and keys that llama.cpp's converter writes.

Their states are matrices [head][i][j]: in RWKV-6 i is the key's and j the value's index, in RWKV-7 the other way round,
as in the papers."""
import numpy as np

from model import Model, layer_norm, matrix, sigmoid, silu, vector

GROUP_NORM_EPSILON = 64e-5
LERPS = {"rwkv6": "wkvrg", "rwkv7": "rwkvag"}  # the order in time_mix_lerp_fused


# ---- Weights ----

def make_lerps(rng, tensors, block, architecture, n_embd, separate):
    names = LERPS[architecture]
    lerps = [vector(rng, n_embd, 0.5, 0.5) for _ in names]
    if separate:
        tensors |= {f"{block}time_mix_lerp_{name}.weight": lerp.reshape(1, 1, n_embd) for name, lerp in zip(names, lerps)}
    else:
        tensors[f"{block}time_mix_lerp_fused.weight"] = np.stack(lerps).reshape(len(names), 1, 1, n_embd)


def make_time_mix_6(rng, tensors, block, n_embd, head_size, ranks):
    mix, decay = ranks
    tensors |= {
        block + "time_mix_lerp_x.weight": vector(rng, n_embd, 0.5, 0.5).reshape(1, 1, n_embd),
        block + "time_mix_w1.weight": matrix(rng, 5 * mix, n_embd),
        block + "time_mix_w2.weight": np.stack([matrix(rng, n_embd, mix) for _ in range(5)]),
        block + "time_mix_first.weight": vector(rng, n_embd, 0.5, 1).reshape(-1, head_size),
        block + "time_mix_decay.weight": vector(rng, n_embd, -2, 3),
        block + "time_mix_decay_w1.weight": matrix(rng, decay, n_embd),
        block + "time_mix_decay_w2.weight": matrix(rng, n_embd, decay),
        block + "time_mix_gate.weight": matrix(rng, n_embd, n_embd),
    }


def make_time_mix_7(rng, tensors, block, n_embd, head_size, ranks, flat, is_first):
    for name, rank in zip("wavg", ranks):
        if name == "v" and is_first:
            rank = ranks[1]  # what the converter writes there stands for nothing
        if name != "g":
            tensors[f"{block}time_mix_{name}0.weight"] = vector(rng, n_embd, -1, 2)
        tensors[f"{block}time_mix_{name}1.weight"] = matrix(rng, rank, n_embd)
        tensors[f"{block}time_mix_{name}2.weight"] = matrix(rng, n_embd, rank, 1.5)
    r_k = vector(rng, n_embd, 0, 0.5)
    tensors |= {
        block + "time_mix_k_k.weight": vector(rng, n_embd, 0.8),
        block + "time_mix_k_a.weight": vector(rng, n_embd, 1),
        block + "time_mix_r_k.weight": r_k if flat else r_k.reshape(-1, head_size),
    }


def make(rng, architecture="rwkv7", n_layers=3, heads=3, head_size=8, n_ff=70, n_vocab=61, ranks=None, separate=False,
         flat=True, with_ranks=True, keys=None):
    """ranks: of time_mix_w1's fifths and the decay (6), of w, a, v and g (7). with_ranks: keys say them too."""
    n_embd, is_6 = heads * head_size, architecture == "rwkv6"
    ranks = ranks or ((5, 7) if is_6 else (9, 7, 5, 11))
    tensors = {"token_embd.weight": matrix(rng, n_vocab, n_embd, 3), "output.weight": matrix(rng, n_vocab, n_embd, 3)}
    for name in ("token_embd_norm", "output_norm"):
        tensors |= {name + ".weight": vector(rng, n_embd, 1), name + ".bias": vector(rng, n_embd)}
    for i in range(n_layers):
        block = f"blk.{i}."
        for name in ("attn_norm", "attn_norm_2", "time_mix_ln"):
            tensors |= {f"{block}{name}.weight": vector(rng, n_embd, 1), f"{block}{name}.bias": vector(rng, n_embd)}
        make_lerps(rng, tensors, block, architecture, n_embd, separate)
        if is_6:
            make_time_mix_6(rng, tensors, block, n_embd, head_size, ranks)
            tensors |= {block + "channel_mix_lerp_r.weight": vector(rng, n_embd, 0.5, 0.5).reshape(1, 1, n_embd),
                        block + "channel_mix_receptance.weight": matrix(rng, n_embd, n_embd)}
        else:
            make_time_mix_7(rng, tensors, block, n_embd, head_size, ranks, flat, i == 0)
        for name in ("receptance", "key", "value", "output"):
            tensors[f"{block}time_mix_{name}.weight"] = matrix(rng, n_embd, n_embd)
        tensors |= {block + "channel_mix_lerp_k.weight": vector(rng, n_embd, 0.5, 0.5).reshape(1, 1, n_embd),
                    block + "channel_mix_key.weight": matrix(rng, n_ff, n_embd),
                    block + "channel_mix_value.weight": matrix(rng, n_embd, n_ff, 0.5)}
    names = (("time_mix_extra_dim", "time_decay_extra_dim") if is_6 else
             [f"attention.{name}_lora_rank" for name in ("decay", "iclr", "value_residual_mix", "gate")])
    all_keys = {"context_length": 1048576, "embedding_length": n_embd, "block_count": n_layers,
                "feed_forward_length": n_ff, "attention.head_count": 0, "attention.layer_norm_epsilon": 1e-5,
                "wkv.head_size": head_size} | (dict(zip(names, ranks)) if with_ranks else {})
    return Model(architecture, all_keys | (keys or {}), tensors)


# ---- The pass ----

class Layer:
    """Weights of a layer by name, and what it remembers of the tokens before."""

    def __init__(self, model, i):
        self.model, self.block, self.i = model, f"blk.{i}.", i
        self.size = model.keys["wkv.head_size"]
        n_embd = model.keys["embedding_length"]
        self.time_shift, self.channel_shift = np.zeros(n_embd), np.zeros(n_embd)
        self.state = np.zeros((n_embd // self.size, self.size, self.size))
        names = LERPS[model.architecture]
        if model.get(self.block + "time_mix_lerp_fused.weight") is not None:
            self.lerps = dict(zip(names, self["time_mix_lerp_fused"].reshape(len(names), n_embd)))
        else:
            self.lerps = {name: self["time_mix_lerp_" + name].ravel() for name in names}

    def __getitem__(self, name):
        return self.model.weights[f"{self.block}{name}.weight"]

    def times(self, name, x):
        return self.model.multiply(self.block + name, x)

    def norm(self, name, x):
        return layer_norm(x, self[name], self.model.weights[f"{self.block}{name}.bias"],
                          self.model.keys["attention.layer_norm_epsilon"])

    def heads(self, x):
        return x.reshape(-1, self.size)

    def group_norm(self, y):
        centred = y - y.mean(1, keepdims=True)
        y = centred / np.sqrt((centred ** 2).mean(1, keepdims=True) + GROUP_NORM_EPSILON)
        return y.ravel() * self["time_mix_ln"] + self.model.weights[self.block + "time_mix_ln.bias"]

    def shifted(self, h, shift):
        """sx: on the way from this token's vector to the one before."""
        sx = getattr(self, shift) - h
        setattr(self, shift, h)
        return sx


def time_mix_6(layer, x):
    h = layer.norm("attn_norm", x)
    sx = layer.shifted(h, "time_shift")
    m = np.tanh(layer.times("time_mix_w1", h + sx * layer["time_mix_lerp_x"].ravel())).reshape(5, -1)
    m = layer.model.rounded(layer.block + "time_mix_w2.weight", m)
    mixed = {name: h + sx * (layer.lerps[name] + layer["time_mix_w2"][c] @ m[c])
             for c, name in enumerate(LERPS["rwkv6"])}
    r, k, v = (layer.heads(layer.times("time_mix_" + name, mixed[name[0]])) for name in ("receptance", "key", "value"))
    g = silu(layer.times("time_mix_gate", mixed["g"]))
    decay = layer["time_mix_decay"].ravel() + layer.times(
        "time_mix_decay_w2", np.tanh(layer.times("time_mix_decay_w1", mixed["w"])))
    w = layer.heads(np.exp(-np.exp(decay)))
    u = layer.heads(layer["time_mix_first"].ravel())
    kv = k[:, :, None] * v[:, None, :]
    y = np.einsum("hi,hij->hj", r, u[:, :, None] * kv + layer.state)
    layer.state = w[:, :, None] * layer.state + kv
    return layer.times("time_mix_output", layer.group_norm(y) * g)


def channel_mix_6(layer, x):
    h = layer.norm("attn_norm_2", x)
    sx = layer.shifted(h, "channel_shift")
    k = np.maximum(layer.times("channel_mix_key", h + sx * layer["channel_mix_lerp_k"].ravel()), 0) ** 2
    r = sigmoid(layer.times("channel_mix_receptance", h + sx * layer["channel_mix_lerp_r"].ravel()))
    return r * layer.times("channel_mix_value", k)


def time_mix_7(layer, x, first):
    """`first`: a list for the values of layer 0."""
    h = layer.norm("attn_norm", x)
    sx = layer.shifted(h, "time_shift")
    mixed = {name: h + sx * layer.lerps[name] for name in LERPS["rwkv7"]}
    r, k, v = (layer.times("time_mix_" + name, mixed[name[0]]) for name in ("receptance", "key", "value"))

    def lora(name, inner=lambda z: z):
        z = layer.times(f"time_mix_{name}2", inner(layer.times(f"time_mix_{name}1", mixed[name])))
        return z if name == "g" else z + layer[f"time_mix_{name}0"]

    w = np.exp(-np.exp(-0.5) * sigmoid(lora("w", np.tanh)))
    if layer.i == 0:
        first[:] = [v]
    else:
        v = v + (first[0] - v) * sigmoid(lora("v"))
    a, g = sigmoid(lora("a")), lora("g", sigmoid)
    kk = layer.heads(k * layer["time_mix_k_k"])
    kk = kk / np.maximum(np.sqrt((kk ** 2).sum(1, keepdims=True)), 1e-12)
    k = k * (1 + (a - 1) * layer["time_mix_k_a"])
    r, w, k, v, a = (layer.heads(z) for z in (r, w, k, v, a))
    transition = np.stack([np.diag(w[h]) - np.outer(kk[h], a[h] * kk[h]) for h in range(len(w))])
    layer.state = layer.state @ transition + v[:, :, None] * k[:, None, :]
    y = layer.group_norm(np.einsum("hij,hj->hi", layer.state, r))
    bonus = (r * k * layer.heads(layer["time_mix_r_k"].ravel())).sum(1, keepdims=True) * v
    return layer.times("time_mix_output", (y + bonus.ravel()) * g)


def channel_mix_7(layer, x):
    h = layer.norm("attn_norm_2", x)
    sx = layer.shifted(h, "channel_shift")
    k = np.maximum(layer.times("channel_mix_key", h + sx * layer["channel_mix_lerp_k"].ravel()), 0) ** 2
    return layer.times("channel_mix_value", k)


def logits(model, tokens):
    weights, epsilon = model.weights, model.keys["attention.layer_norm_epsilon"]
    layers = [Layer(model, i) for i in range(model.keys["block_count"])]
    rescale = model.keys.get("rescale_every_n_layers", 0)
    rows = []
    for token in tokens:
        x = layer_norm(weights["token_embd.weight"][token], weights["token_embd_norm.weight"],
                       weights["token_embd_norm.bias"], epsilon)
        first = []
        for layer in layers:
            if model.architecture == "rwkv6":
                x = x + time_mix_6(layer, x)
                x = x + channel_mix_6(layer, x)
            else:
                x = x + time_mix_7(layer, x, first)
                x = x + channel_mix_7(layer, x)
            if rescale and (layer.i + 1) % rescale == 0:
                x = x * 0.5
        x = layer_norm(x, weights["output_norm.weight"], weights["output_norm.bias"], epsilon)
        rows.append(model.multiply("output", x))
    return np.stack(rows)
