"""Mamba (arXiv 2312.00752), FalconMamba (arXiv 2410.05355) and Mamba-2 (arXiv 2405.21060) in float64.

C: width of the residual stream, Di: of the blocks inside (any number, not only 2 C), N: states a channel, K: taps of the
convolution, R: rank of the time step, H: heads, P = Di / H: channels of a head, G: groups that heads share B and C in."""
import numpy as np

from model import Model, matrix, rms_norm, silu, vector


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# ---- Models ----

def make_ends(rng, keys, n_vocab, tied):
    C = keys["embedding_length"]
    tensors = {"token_embd.weight": matrix(rng, n_vocab, C, np.sqrt(C)), "output_norm.weight": vector(rng, C, 1)}
    if not tied:
        tensors["output.weight"] = matrix(rng, n_vocab, C)
    return tensors


def make_keys(C, Di, N, K, R, n_layers, epsilon):
    return {"context_length": 1048576, "embedding_length": C, "feed_forward_length": 0, "block_count": n_layers,
            "attention.head_count": 0, "attention.layer_norm_rms_epsilon": epsilon, "ssm.conv_kernel": K,
            "ssm.inner_size": Di, "ssm.state_size": N, "ssm.time_step_rank": R}


def make_conv(rng, name, n, K):
    return {f"{name}.ssm_conv1d.weight": matrix(rng, n, K, 1.5), f"{name}.ssm_conv1d.bias": vector(rng, n)}


def finish(architecture, keys, tensors):
    """Small tensors are F32 in every file, whatever the matrices are."""
    small = ("ssm_conv1d.weight", "ssm_a", "ssm_d", "ssm_norm.weight")
    return Model(architecture, keys, tensors, {name: "F32" for name in tensors if name.endswith(small)})


def make_mamba1(rng, C, Di, N, K, R, n_layers=3, n_vocab=50, tied=True, norms=None, epsilon=1e-5):
    keys = make_keys(C, Di, N, K, R, n_layers, epsilon)
    if norms is not None:
        keys["ssm.dt_b_c_rms"] = norms
    tensors = make_ends(rng, keys, n_vocab, tied)
    for i in range(n_layers):
        name = f"blk.{i}"
        tensors |= {
            f"{name}.attn_norm.weight": vector(rng, C, 1),
            f"{name}.ssm_in.weight": matrix(rng, 2 * Di, C),
            **make_conv(rng, name, Di, K),
            f"{name}.ssm_x.weight": matrix(rng, R + 2 * N, Di),
            f"{name}.ssm_dt.weight": matrix(rng, Di, R),
            f"{name}.ssm_dt.bias": vector(rng, Di, -2, 2),
            f"{name}.ssm_a": -np.exp(vector(rng, Di * N, 0.5, 2)).reshape(Di, N),
            f"{name}.ssm_d": vector(rng, Di, 1),
            f"{name}.ssm_out.weight": matrix(rng, C, Di, 2),
        }
    return finish("mamba", keys, tensors)


def make_mamba2(rng, C, H, P, G, N, K, n_layers=3, n_vocab=50, tied=True, epsilon=1e-5):
    Di, Dc = H * P, H * P + 2 * G * N
    keys = make_keys(C, Di, N, K, H, n_layers, epsilon) | {"ssm.group_count": G}
    tensors = make_ends(rng, keys, n_vocab, tied)
    for i in range(n_layers):
        name = f"blk.{i}"
        tensors |= {
            f"{name}.attn_norm.weight": vector(rng, C, 1),
            f"{name}.ssm_in.weight": matrix(rng, Di + Dc + H, C),
            **make_conv(rng, name, Dc, K),
            f"{name}.ssm_dt.bias": vector(rng, H, -2, 2),
            f"{name}.ssm_a": -np.exp(vector(rng, H, 0, 2)).reshape(H, 1),
            f"{name}.ssm_d": vector(rng, H, 1).reshape(H, 1),
            f"{name}.ssm_norm.weight": vector(rng, Di, 1).reshape(G, Di // G),
            f"{name}.ssm_out.weight": matrix(rng, C, Di, 2),
        }
    return finish("mamba2", keys, tensors)


def make(rng, architecture="mamba", **parameters):
    return (make_mamba2 if architecture == "mamba2" else make_mamba1)(rng, **parameters)


# ---- Forward passes: x is [n_tokens][C], every line is for all tokens but the recurrence ----

def convolve(model, name, x):
    """Causal and depthwise: tap K - 1 is for the newest input."""
    weight, bias = model.get(f"{name}.ssm_conv1d.weight"), model.get(f"{name}.ssm_conv1d.bias")
    K = weight.shape[1]
    padded = np.vstack([np.zeros((K - 1, x.shape[1])), x])
    return silu(bias + sum(weight[:, k] * padded[k:k + len(x)] for k in range(K)))


def zeros_if_none(values):
    return 0 if values is None else values


def mixer1(model, name, u):
    keys, epsilon = model.keys, model.keys["attention.layer_norm_rms_epsilon"]
    Di, N, R = keys["ssm.inner_size"], keys["ssm.state_size"], keys["ssm.time_step_rank"]
    x, z = np.split(model.multiply(f"{name}.ssm_in", u), 2, axis=1)
    x = convolve(model, name, x)
    dt, B, C = np.split(model.multiply(f"{name}.ssm_x", x), [R, R + N], axis=1)
    if keys.get("ssm.dt_b_c_rms"):
        dt, B, C = (rms_norm(v, None, epsilon) for v in (dt, B, C))
    delta = softplus(model.multiply(f"{name}.ssm_dt", dt))
    A, D = model.get(f"{name}.ssm_a"), zeros_if_none(model.get(f"{name}.ssm_d"))
    h, y = np.zeros((Di, N)), np.empty_like(x)
    for t in range(len(u)):
        h = h * np.exp(delta[t][:, None] * A) + np.outer(delta[t] * x[t], B[t])
        y[t] = h @ C[t] + D * x[t]
    return model.multiply(f"{name}.ssm_out", y * silu(z))


def mixer2(model, name, u):
    keys, epsilon = model.keys, model.keys["attention.layer_norm_rms_epsilon"]
    Di, N = keys["ssm.inner_size"], keys["ssm.state_size"]
    H, G = keys["ssm.time_step_rank"], keys["ssm.group_count"]
    Dc = Di + 2 * G * N
    z, xBC, dt = np.split(model.multiply(f"{name}.ssm_in", u), [Di, Di + Dc], axis=1)
    x, B, C = np.split(convolve(model, name, xBC), [Di, Di + G * N], axis=1)
    group = np.arange(H) // (H // G)
    B, C = (v.reshape(-1, G, N)[:, group] for v in (B, C))  # [n_tokens][H][N]
    x = x.reshape(len(u), H, -1)
    delta = softplus(dt + model.get(f"{name}.ssm_dt.bias"))
    A, D = model.get(f"{name}.ssm_a"), zeros_if_none(model.get(f"{name}.ssm_d"))
    S, y = np.zeros((H, x.shape[2], N)), np.empty_like(x)
    for t in range(len(u)):
        step = delta[t][:, None]
        S = S * np.exp(step * A)[:, :, None] + (step * x[t])[:, :, None] * B[t][:, None, :]
        y[t] = (S * C[t][:, None, :]).sum(2) + D * x[t]
    y = (y.reshape(len(u), Di) * silu(z)).reshape(len(u), G, -1)
    y = rms_norm(y, model.get(f"{name}.ssm_norm.weight"), epsilon).reshape(len(u), Di)
    return model.multiply(f"{name}.ssm_out", y)


def logits(model, tokens):
    mixer, epsilon = mixer2 if model.architecture == "mamba2" else mixer1, model.keys["attention.layer_norm_rms_epsilon"]
    x = model.get("token_embd.weight")[tokens].astype(np.float64)
    for i in range(model.keys["block_count"]):
        x = x + mixer(model, f"blk.{i}", rms_norm(x, model.get(f"blk.{i}.attn_norm.weight"), epsilon))
    head = "token_embd" if model.get("output.weight") is None else "output"
    return model.multiply(head, rms_norm(x, model.get("output_norm.weight"), epsilon))
