"""What compare.py compares: one row a model."""
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
    options: tuple = ()  # of the program
    closest: float = EXACT  # of the difference at the best position
    refused: str = ""  # a part of the reason why the engine does not open it


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
    Case("rwkv7, heads of 12", rwkv, {"head_size": 12}, EXACT, refused="multiple of 8"),
    Case("rwkv6, one token shift", rwkv, {"architecture": "rwkv6", "keys": {"token_shift_count": 1}}, EXACT,
         refused="token shift"),
]
