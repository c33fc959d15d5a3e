"""What every family's reference is made of: a model is hyper-parameters, tensors and the types they are stored as.

A family is a module with

    make(rng, **parameters)      -> Model with random weights
    logits(model, tokens)        -> float64 [len(tokens)][n_vocab], from model.keys and model.weights alone

written from the papers and the descriptions of the format, in float64, with nothing rounded but what the definition of
the arithmetic rounds: the inputs of ternary matrices to 8 bits a token (BitNet) and of Q8_0 and Q4_0 matrices to 8 bits in
blocks of 32 (see multiply())."""
import re
from dataclasses import dataclass, field

import numpy as np

import gguf


@dataclass
class Model:
    architecture: str
    keys: dict  # without the architecture's prefix
    tensors: dict  # name to float array: what is to be stored
    types: dict = field(default_factory=dict)  # name to type; a tensor that is not in it is F32
    full_keys: dict = field(default_factory=dict)  # with their prefix, as "general.name"
    kv_type: str = "F32"  # what the engine keeps keys and values as
    n_ctx: int = 0  # positions that the engine is opened for, where that counts

    def __post_init__(self):
        self.weights = dict(self.tensors)

    @property
    def n_vocab(self):
        return len(self.tensors["token_embd.weight"])

    def store(self, kind, exceptions=None):
        """Stores matrices as a type where their rows are whole blocks, else as F32; `exceptions` is a dict of parts of
        names to types. weights become what the file will hold."""
        for name, values in self.tensors.items():
            wanted = next((t for part, t in (exceptions or {}).items() if part in name), kind)
            fits = values.ndim > 1 and min(values.shape) > 1 and values.shape[-1] % gguf.TYPES[wanted][1] == 0
            self.types[name] = wanted if fits and name not in self.types else self.types.get(name, "F32")
            data = gguf.encode(self.types[name], values)
            self.weights[name] = gguf.decode(self.types[name], data, values.shape)

    def write(self, path):
        keys = {"general.architecture": self.architecture, "general.name": "reference"}
        keys |= {f"{self.architecture}.{key}": value for key, value in self.keys.items()}
        keys |= gguf.vocabulary(self.n_vocab) | self.full_keys
        tensors = {name: (self.types.get(name, "F32"), values.shape,
                          gguf.encode(self.types.get(name, "F32"), values))
                   for name, values in self.tensors.items()}
        gguf.write(path, keys, tensors)

    def without(self, *names):
        """The same model with keys or tensors ("attn_q.bias": of all layers) left out: what a reference computes that
        does not know them."""
        keys = {k: v for k, v in self.keys.items() if k not in names}
        other = Model(self.architecture, keys, {}, self.types, kv_type=self.kv_type, n_ctx=self.n_ctx)
        other.tensors = self.tensors
        other.weights = {k: v for k, v in self.weights.items() if re.sub(r"^blk\.\d+\.", "", k) not in names}
        return other

    # ---- For logits(): weights by name ----

    def get(self, name):
        """None where the model has no such tensor."""
        return self.weights.get(name)

    def rounded(self, weight, x, ternary=False):
        """x as it meets a matrix. `ternary`: the model computes with 8-bit inputs here, whatever it is stored as."""
        if ternary or is_ternary(self.types.get(weight), self.weights[weight]):
            return quantise_token(x)
        return quantise_blocks(x) if self.types.get(weight) in ("Q8_0", "Q4_0") else x

    def multiply(self, name, x, ternary=False):
        """x W^T + b for rows x."""
        bias = self.weights.get(name + ".bias")
        y = self.rounded(name + ".weight", x, ternary) @ self.weights[name + ".weight"].T
        return y if bias is None else y + bias


def is_ternary(kind, weights):
    return kind in ("TQ1_0", "TQ2_0") and len(np.unique(np.abs(weights))) <= 2


# ---- What 8-bit inputs are rounded to ----

def quantise_token(x):
    """BitNet's (arXiv 2402.17764): q = round(x 127 / max|x|), one scale a row."""
    most = np.maximum(np.abs(x).max(-1, keepdims=True), 1e-5)
    return np.clip(np.rint(x * 127 / most), -128, 127) * most / 127


def quantise_blocks(x, n=32):
    width = x.shape[-1]
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -width % n)])
    blocks = padded.reshape(*x.shape[:-1], -1, n)
    d = np.abs(blocks).max(-1, keepdims=True) / 127
    q = np.rint(blocks * gguf.inverse(d))
    return (q * d).reshape(padded.shape)[..., :width]


# ---- Formulas that families share ----

def rms_norm(x, weight, epsilon):
    y = x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon)
    return y if weight is None else y * weight


def layer_norm(x, weight, bias, epsilon):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + epsilon) * weight + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# ---- Random weights ----

def matrix(rng, n_rows, n_cols, gain=1.0):
    """Keeps the spread of its input, times gain."""
    return (rng.standard_normal((n_rows, n_cols)) * gain / np.sqrt(n_cols)).astype(np.float32)


def ternary(rng, n_rows, n_cols, gain=1.0):
    """-s, 0 and s, a third each; s is a half."""
    s = np.float32(np.float16(gain * np.sqrt(1.5 / n_cols)))
    values = rng.integers(-1, 2, (n_rows, n_cols)).astype(np.float32)
    values.flat[0] = 1  # every matrix has its s, however small
    return values * s


def vector(rng, n, middle=0.0, spread=0.3):
    return (middle + spread * rng.uniform(-1, 1, n)).astype(np.float32)
