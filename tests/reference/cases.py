"""What compare.py compares: one row a model."""
from dataclasses import dataclass, field
from types import ModuleType

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
    Case("llama in Q4_0", transformer, {"n_embd": 64, "n_ff": 96, "key_size": 16}, 0.05, "Q4_0", closest=0.01),
    Case("bitnet in TQ2_0", transformer, {"architecture": "bitnet", "n_embd": 256, "n_ff": 512, "key_size": 64},
         ROUNDED, "TQ2_0", {"token_embd": "F16"}),
    Case("bitnet in TQ1_0", transformer, {"architecture": "bitnet-b1.58", "n_embd": 256, "n_ff": 512, "key_size": 64},
         ROUNDED, "TQ1_0", {"token_embd": "F16"}),
    Case("bitnet of odd sizes", transformer, {"architecture": "bitnet-25", "key_size": 24}, ROUNDED, "F16"),
]
