"""What test-reference.py compares: one row a model."""
from dataclasses import dataclass, field
from types import ModuleType

import mamba
import rwkv
import transformer

EXACT = 2e-4  # what sums of floats leave of logits of some units
ROUNDED = 0.3  # what it makes when inputs of 8 bits, of which all matrices have some, round another way


@dataclass
class Case:
    name: str
    family: ModuleType
    parameters: dict  # of the family's make()
    bound: float  # of the greatest difference of a logit
    type: str = "F32"  # of matrices
    exceptions: dict = field(default_factory=dict)  # parts of names to types
    seed: int = 1
    n_tokens: int = 70  # more than a page of keys and values
    matters: tuple = ()  # keys and tensors: without one of them the logits must be others
    kv_type: str = "F32"  # what keys and values are kept as
    options: tuple = ()  # of the program
    closest: float = EXACT  # of the difference at the best position
    refused: str = ""  # a part of the reason why the engine does not open it


LINEARS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def scaling(kind, also=None, **keys):
    """Parameters of a transformer with a kind of RoPE scaling."""
    return {"keys": {"rope.scaling.type": kind} | {f"rope.scaling.{k}": v for k, v in keys.items()} | (also or {})}


CASES = [
    Case("llama, GQA", transformer, {"key_size": 16, "kv_heads": 2, "heads": 6}, EXACT,
         matters=("output.weight",)),
    Case("llama, tied", transformer, {"key_size": 16, "tied": True}, EXACT),
    Case("llama in F16", transformer, {"key_size": 16}, EXACT, "F16"),
    Case("llama in BF16", transformer, {"key_size": 16}, EXACT, "BF16"),
    Case("llama in Q8_0", transformer, {"n_embd": 64, "n_ff": 96, "key_size": 16}, ROUNDED, "Q8_0"),
    Case("llama in Q4_0", transformer, {"n_embd": 64, "n_ff": 96, "key_size": 16}, ROUNDED, "Q4_0"),
    Case("bitnet in TQ2_0", transformer, {"architecture": "bitnet", "n_embd": 256, "n_ff": 512, "key_size": 64},
         ROUNDED, "TQ2_0", {"token_embd": "F16"}),
    Case("bitnet in TQ1_0", transformer, {"architecture": "bitnet-b1.58", "n_embd": 256, "n_ff": 512, "key_size": 64},
         ROUNDED, "TQ1_0", {"token_embd": "F16"}),
    Case("bitnet of odd sizes", transformer, {"architecture": "bitnet-25", "key_size": 24}, ROUNDED, "F16"),
    Case("bitnet with biases", transformer, {"architecture": "bitnet", "biases": ("attn_q", "ffn_down")}, ROUNDED,
         "BF16", matters=("attn_q.bias", "ffn_down.bias")),
    Case("llama with ternary weights in F16", transformer, {"ternary_matrices": True}, ROUNDED, "F16",
         {"token_embd": "F32", "output.weight": "F32"}),
    Case("llama with ternary weights in F32", transformer, {"ternary_matrices": True}, ROUNDED),
    Case("llama with all biases", transformer, {"biases": LINEARS + ("output",)}, EXACT,
         matters=tuple(f"{name}.bias" for name in LINEARS + ("output",))),
    Case("qwen2", transformer, {"architecture": "qwen2", "biases": ("attn_q", "attn_k", "attn_v"), "key_size": 16,
                                "keys": {"rope.freq_base": 1e6}}, EXACT,
         matters=("attn_q.bias", "attn_k.bias", "attn_v.bias", "rope.freq_base")),
    Case("qwen2, tied, in Q8_0", transformer, {"architecture": "qwen2", "biases": ("attn_q", "attn_k", "attn_v"),
                                               "n_embd": 64, "n_ff": 96, "tied": True, "key_size": 16},
         ROUNDED, "Q8_0"),
    Case("qwen3", transformer, {"architecture": "qwen3", "key_size": 20, "keys": {"rope.freq_base": 1e6}}, EXACT,
         matters=("attn_q_norm.weight", "attn_k_norm.weight")),
    Case("qwen3, heads wider than the model", transformer, {"architecture": "qwen3", "key_size": 32, "n_embd": 40,
                                                            "heads": 8, "tied": True}, EXACT, "F16"),
    *(Case(f"heads of {size}", transformer, {"key_size": size, "heads": 3, "kv_heads": 3, "n_embd": 3 * size}, EXACT)
      for size in (2, 6, 20, 80, 96, 100)),
    Case("keys of 20, values of 12", transformer, {"key_size": 20, "value_size": 12}, EXACT),
    Case("keys of 8, values of 50", transformer, {"key_size": 8, "value_size": 50, "architecture": "qwen2"}, EXACT),
    *(Case(f"{n} of 20 dimensions rotate, {architecture}", transformer,
           {"architecture": architecture, "key_size": 20, "keys": {"rope.dimension_count": n}}, EXACT,
           matters=("rope.dimension_count",))
      for n in (0, 6, 10, 18) for architecture in ("llama", "qwen2")),
    Case("an attention scale", transformer, {"keys": {"attention.scale": 0.6}}, EXACT, matters=("attention.scale",)),
    Case("heads and widths of their own in each layer", transformer,
         {"n_layers": 4, "heads": [4, 6, 2, 9], "kv_heads": [2, 6, 1, 3], "n_ff": [33, 80, 7, 48]}, EXACT,
         seed=2),
    Case("equal values in arrays", transformer, {"heads": [4, 4], "kv_heads": [2, 2], "n_ff": [30, 30]}, EXACT),
    Case("keys and values in F16", transformer, {"key_size": 20}, ROUNDED, kv_type="F16"),
    Case("keys and values in I8", transformer, {"key_size": 20, "value_size": 36}, ROUNDED, kv_type="I8"),
    Case("keys and values in I8, layers of their own", transformer,
         {"n_layers": 3, "heads": [4, 6, 2], "kv_heads": [2, 6, 1], "key_size": 33,
          "keys": {"rope.dimension_count": 32}}, ROUNDED, kv_type="I8"),
    Case("bitnet with keys and values in I8", transformer, {"architecture": "bitnet"}, ROUNDED, "F16", kv_type="I8"),
    Case("Llama 3 factors", transformer, {"rope_factors": True}, EXACT, matters=("rope_freqs.weight",)),
    Case("linear RoPE scaling", transformer, scaling("linear", factor=4.0), EXACT, matters=("rope.scaling.factor",)),
    Case("RoPE scaling without a type", transformer, {"keys": {"rope.scaling.factor": 3.0}}, EXACT,
         matters=("rope.scaling.factor",)),
    Case("the old key of linear scaling", transformer, {"keys": {"rope.scale_linear": 2.5}}, EXACT,
         matters=("rope.scale_linear",)),
    Case("no RoPE scaling, whatever the factor", transformer, scaling("none", factor=4.0), EXACT,
         matters=("rope.scaling.type",)),
    Case("YaRN", transformer, scaling("yarn", factor=4.0, original_context_length=64) | {"key_size": 64}, EXACT,
         matters=("rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length")),
    Case("YaRN, qwen3, part of a head", transformer,
         scaling("yarn", factor=8.0, original_context_length=32, attn_factor=1.2, also={"rope.dimension_count": 32})
         | {"key_size": 40, "architecture": "qwen3"}, EXACT,
         matters=("rope.scaling.type", "rope.scaling.attn_factor", "rope.scaling.original_context_length")),
    Case("YaRN with all its keys", transformer,
         scaling("yarn", factor=4.0, original_context_length=2048, yarn_beta_fast=16.0, yarn_beta_slow=8.0,
                 yarn_ext_factor=0.7, yarn_log_multiplier=0.5, yarn_attn_factor=3.0, also={"rope.freq_base": 100.0})
         | {"key_size": 64}, EXACT,
         matters=("rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow", "rope.scaling.yarn_ext_factor",
                  "rope.scaling.yarn_log_multiplier")),
    Case("YaRN that shrinks", transformer, scaling("yarn", factor=0.5) | {"key_size": 32}, EXACT),
    Case("YaRN without its mix", transformer,
         scaling("yarn", factor=4.0, yarn_ext_factor=0.0, yarn_attn_factor=1.3), EXACT,
         matters=("rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor")),
    Case("LongRoPE, long", transformer,
         scaling("longrope", original_context_length=64, attn_factor=1.2) | {"long_factors": True}, EXACT,
         matters=("rope_factors_long.weight", "rope.scaling.attn_factor",
                  "rope.scaling.original_context_length")),
    Case("LongRoPE, short", transformer,
         scaling("longrope", original_context_length=256) | {"long_factors": True}, EXACT,
         matters=("rope_factors_short.weight",)),
    Case("LongRoPE, long, but opened for less", transformer,
         scaling("longrope", original_context_length=128) | {"long_factors": True, "n_ctx": 128}, EXACT,
         matters=("rope_factors_short.weight",), options=("--context", "128")),
    Case("attn_factor alone", transformer, {"keys": {"rope.scaling.attn_factor": 1.25}}, EXACT,
         matters=("rope.scaling.attn_factor",)),
    Case("an unknown RoPE scaling", transformer, scaling("dynamic"), EXACT, refused='"dynamic" is not supported'),
    Case("a layer without attention", transformer, {"keys": {"attention.head_count_kv": [2, 0]}}, EXACT,
         refused="head_count_kv is 0 in layer 1"),
    Case("arrays that are too short", transformer, {"n_layers": 3, "keys": {"feed_forward_length": [80, 80]}}, EXACT,
         refused="feed_forward_length has 2 values for 3 layers"),
    Case("a llama with norms of heads", transformer, {"head_norms": True}, EXACT, refused="no tensor blk.0.attn_"),
    Case("more layers than there should be", transformer, {"keys": {"block_count": 1}}, EXACT,
         refused="no tensor blk.1."),
    Case("a mixture of experts", transformer, {"keys": {"expert_count": 8}}, EXACT, refused="8 experts"),
    Case("mamba", mamba, {"C": 24, "Di": 48, "N": 16, "K": 4, "R": 2}, EXACT, matters=("ssm_d",)),
    Case("mamba of odd sizes", mamba, {"C": 37, "Di": 61, "N": 5, "K": 3, "R": 7, "tied": False}, EXACT, seed=2,
         matters=("output.weight",)),
    Case("mamba, one tap", mamba, {"C": 16, "Di": 7, "N": 33, "K": 1, "R": 1}, EXACT, seed=3),
    Case("mamba, six taps", mamba, {"C": 40, "Di": 17, "N": 1, "K": 6, "R": 19}, EXACT, "F16", seed=4),
    Case("falcon-mamba", mamba, {"C": 32, "Di": 64, "N": 16, "K": 4, "R": 6, "norms": True, "tied": False}, EXACT,
         seed=5, matters=("ssm.dt_b_c_rms",)),
    Case("falcon-mamba in BF16", mamba, {"C": 29, "Di": 83, "N": 21, "K": 4, "R": 3, "norms": True}, EXACT, "BF16",
         seed=6, matters=("ssm.dt_b_c_rms",)),
    Case("mamba in Q8_0", mamba, {"C": 64, "Di": 96, "N": 16, "K": 4, "R": 32}, ROUNDED, "Q8_0", seed=7),
    Case("mamba2", mamba, {"architecture": "mamba2", "C": 32, "H": 4, "P": 16, "G": 1, "N": 32, "K": 4}, EXACT,
         seed=8, matters=("ssm_d",)),
    Case("mamba2, groups", mamba, {"architecture": "mamba2", "C": 45, "H": 6, "P": 24, "G": 3, "N": 20, "K": 4,
                                   "tied": False}, EXACT, "F16", seed=9, matters=("output.weight",)),
    Case("mamba2 of odd sizes", mamba, {"architecture": "mamba2", "C": 19, "H": 5, "P": 7, "G": 5, "N": 3, "K": 2}, EXACT,
         seed=10),
    Case("mamba2, one tap", mamba, {"architecture": "mamba2", "C": 26, "H": 3, "P": 33, "G": 1, "N": 129, "K": 1}, EXACT,
         "BF16", seed=11),
    Case("mamba2 in Q8_0", mamba, {"architecture": "mamba2", "C": 64, "H": 6, "P": 32, "G": 2, "N": 64, "K": 4}, ROUNDED,
         "Q8_0", seed=12),
    Case("rwkv6", rwkv, {"architecture": "rwkv6"}, EXACT, seed=1),
    Case("rwkv6, lerps apart", rwkv, {"architecture": "rwkv6", "separate": True, "heads": 2, "head_size": 40, "n_ff": 37,
                                      "with_ranks": False, "keys": {"token_shift_count": 2}}, EXACT, seed=2),
    Case("rwkv6, rescaled", rwkv, {"architecture": "rwkv6", "n_layers": 5, "heads": 5, "head_size": 16, "ranks": (33, 1),
                                   "keys": {"rescale_every_n_layers": 2}}, EXACT, "F16", seed=3,
         matters=("rescale_every_n_layers",)),
    Case("rwkv6, one head", rwkv, {"architecture": "rwkv6", "n_layers": 1, "heads": 1, "head_size": 64, "n_ff": 129},
         EXACT, "BF16", seed=4),
    Case("rwkv6 in Q8_0", rwkv, {"architecture": "rwkv6", "heads": 4, "head_size": 32, "n_ff": 160, "ranks": (32, 7)},
         ROUNDED, "Q8_0", {"time_mix_w": "F32", "time_mix_first": "F32", "decay": "F16"}, seed=5),
    Case("rwkv6, Q8_0 in slices", rwkv, {"architecture": "rwkv6", "heads": 5, "head_size": 8, "ranks": (32, 32)},
         ROUNDED, "Q8_0", {"time_mix_first": "F32"}, seed=12),
    Case("rwkv7", rwkv, {}, EXACT, seed=6),
    Case("rwkv7, r_k by head", rwkv, {"flat": False, "heads": 5, "head_size": 24, "with_ranks": False, "n_ff": 61}, EXACT,
         seed=7),
    Case("rwkv7, other ranks", rwkv, {"heads": 1, "head_size": 56, "ranks": (1, 17, 33, 64), "n_ff": 333}, EXACT, "F16",
         seed=8),
    Case("rwkv7, one layer", rwkv, {"n_layers": 1, "heads": 2, "head_size": 64, "with_ranks": False}, EXACT, "BF16",
         seed=9),
    Case("rwkv7, six layers", rwkv, {"n_layers": 6, "heads": 3, "head_size": 64, "n_ff": 401,
                                     "keys": {"attention.layer_norm_epsilon": 1e-3}}, EXACT, seed=10),
    Case("rwkv7 in Q8_0", rwkv, {"heads": 4, "head_size": 32, "n_ff": 160, "ranks": (7, 9, 11, 32)}, ROUNDED, "Q8_0",
         {"time_mix_g": "F16"}, seed=11),
    *(Case(f"{architecture}, more layers than there should be", family,
           {"architecture": architecture, "keys": {"block_count": 2}}, EXACT, refused="has no tensor blk.2.")
      for architecture, family in (("rwkv6", rwkv), ("rwkv7", rwkv))),
    Case("rwkv7, heads of 12", rwkv, {"head_size": 12}, EXACT, refused="multiple of 8"),
    Case("rwkv6, one token shift", rwkv, {"architecture": "rwkv6", "keys": {"token_shift_count": 1}}, EXACT,
         refused="token shift"),
]
