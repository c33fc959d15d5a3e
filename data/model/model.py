"""The network and its quantisation-aware training, for arch "bitnet" of GGUF.

    h = rms(x);  q, k, v = Wq h, Wk h, Wv h;  x += Wo rms(attention)
    h = rms(x);  x += Wdown rms( silu(Wgate h) * (Wup h) )
    logits = embedding . rms(x)

Every W is ternary in the forward pass (t = clip(round(W / s)), s = mean|W|, per tensor) and sees
activations rounded to int8 per token; gradients pass straight through both roundings. In this
architecture a norm stands before every W, so norm, rounding and product are one autograd
function with a hand-written backward: that is what makes training on a CPU bearable. The
products of small integers are exact in bfloat16.
"""
import torch
import torch.nn.functional as F

SHAPE = dict(vocab=4096, width=256, layers=4, heads=4, kv_heads=2, ffn=768, context=512)
EPS = 1e-5
ROPE_BASE = 10000.0


def parts(shape):
    """The ternary matrices of a layer: fused parameter -> [(GGUF name, rows)], and its width."""
    c, d = shape["width"], shape["width"] // shape["heads"]
    kv = shape["kv_heads"] * d
    return {"qkv": ([("attn_q", c), ("attn_k", kv), ("attn_v", kv)], c),
            "out": ([("attn_output", c)], c),
            "gate_up": ([("ffn_gate", shape["ffn"]), ("ffn_up", shape["ffn"])], c),
            "down": ([("ffn_down", c)], shape["ffn"])}


NORMS = {"qkv": "attn_norm", "out": "attn_sub_norm", "gate_up": "ffn_norm", "down": "ffn_sub_norm"}


def parameter_shapes(shape):
    """Ordered name -> size of everything that is trained."""
    sizes = {"embedding": (shape["vocab"], shape["width"]), "output_norm": (shape["width"],)}
    for layer in range(shape["layers"]):
        for fused, (rows, width) in parts(shape).items():
            sizes[f"{layer}.{fused}"] = (sum(n for _, n in rows), width)
            sizes[f"{layer}.{NORMS[fused]}"] = (width,)
    return sizes


def initialise(params, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, p in params.items():
        if p.dim() == 1:
            p.data.fill_(1.0)
        else:
            std = 0.02 if name == "embedding" else p.shape[1] ** -0.5
            p.data.copy_(torch.randn(p.shape, generator=generator) * std)


def ternary(weight, rows):
    """Trits of a fused matrix and the scale of each of its rows.

    The scale is rounded to f16 because TQ2_0 stores it so: the file then holds what was trained.
    """
    trits, scales = [], []
    for part in weight.split([n for _, n in rows]):
        scale = part.abs().mean().clamp_min(1e-5).half().float()
        trits.append((part / scale).round_().clamp_(-1, 1))
        scales.append(scale.expand(part.shape[0]))
    return torch.cat(trits), torch.cat(scales)


class NormLinear(torch.autograd.Function):
    """rms norm, int8 rounding per token, ternary product."""

    @staticmethod
    def forward(ctx, x, gain, weight, trits, row_scale):
        r = torch.rsqrt(x.square().mean(-1, keepdim=True).add_(EPS))
        normed = x * r
        h = normed * gain
        step = h.abs().amax(-1, keepdim=True).clamp_min_(1e-5).div_(127)
        q = h.div_(step).round_().to(trits.dtype)
        ctx.save_for_backward(normed, r, gain, q, step, trits, row_scale)
        return (q @ trits.t()).float().mul_(row_scale).mul_(step)

    @staticmethod
    def backward(ctx, dy):
        normed, r, gain, q, step, trits, row_scale = ctx.saved_tensors
        dweight = (dy * step).to(trits.dtype).t() @ q
        dh = ((dy * row_scale).to(trits.dtype) @ trits).float()
        dgain = (dh * normed).sum(0)
        dh.mul_(gain)
        dx = dh.sub_(normed * (dh * normed).mean(-1, keepdim=True)).mul_(r)
        return dx, dgain, dweight.float(), None, None


class Gate(torch.autograd.Function):
    """silu(gate) * up of a fused [gate | up] row."""

    @staticmethod
    def forward(ctx, gate_up):
        gate, up = gate_up.chunk(2, -1)
        sig = torch.sigmoid(gate)
        act = gate * sig
        ctx.save_for_backward(gate_up, sig, act)
        return act * up

    @staticmethod
    def backward(ctx, du):
        gate_up, sig, act = ctx.saved_tensors
        gate, up = gate_up.chunk(2, -1)
        d = torch.empty_like(gate_up)
        torch.mul(du, act, out=d[:, act.shape[1]:])
        slope = (1 - sig).mul_(act).add_(sig)
        torch.mul(du * up, slope, out=d[:, :act.shape[1]])
        return d


class TokenLoss(torch.autograd.Function):
    """Summed cross-entropy; the softmax of the forward pass is kept and becomes the gradient."""

    @staticmethod
    def forward(ctx, logits, targets):
        p = logits.float()
        p -= p.amax(-1, keepdim=True)
        chosen = p.gather(1, targets[:, None])
        p.exp_()
        total = p.sum(-1, keepdim=True)
        ctx.save_for_backward(p.div_(total), targets)
        ctx.dtype = logits.dtype
        return (total.log() - chosen).sum()

    @staticmethod
    def backward(ctx, d):
        p, targets = ctx.saved_tensors
        p[torch.arange(len(p), device=p.device), targets] -= 1
        return p.mul_(d).to(ctx.dtype), None


class Rope(torch.autograd.Function):
    """NEOX rotation of [batch, time, heads, dim]; its gradient is the rotation back."""

    @staticmethod
    def rotate(x, cos, sin):
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    @staticmethod
    def forward(ctx, x, cos, sin):
        ctx.save_for_backward(cos, sin)
        return Rope.rotate(x, cos, sin)

    @staticmethod
    def backward(ctx, d):
        cos, sin = ctx.saved_tensors
        return Rope.rotate(d, cos, -sin), None, None


def rope_tables(shape, device):
    half = shape["width"] // shape["heads"] // 2
    angle = torch.arange(shape["context"])[:, None] * ROPE_BASE ** (-torch.arange(half) / half)
    return angle.cos()[:, None].to(device), angle.sin()[:, None].to(device)


class Model:
    """The forward pass over a dictionary of parameters, for batches of rows of one length."""

    def __init__(self, shape, params, dtype):
        self.shape, self.params, self.dtype = shape, params, dtype
        self.rows = {fused: rows for fused, (rows, _) in parts(shape).items()}
        self.rope = rope_tables(shape, params["embedding"].device)
        self.trits = {}

    def quantise(self):
        """Takes the trits of the present weights; to be called after every optimiser step."""
        with torch.no_grad():
            for name, p in self.params.items():
                fused = name.split(".")[-1]
                if fused in self.rows:
                    trits, scale = ternary(p, self.rows[fused])
                    self.trits[name] = trits.to(self.dtype), scale

    def linear(self, x, layer, fused):
        name = f"{layer}.{fused}"
        gain = self.params[f"{layer}.{NORMS[fused]}"]
        return NormLinear.apply(x, gain, self.params[name], *self.trits[name])

    def attention(self, qkv, batch, time, mask):
        """Causal attention with grouped heads; the queries of a group share one product."""
        heads, groups = self.shape["heads"], self.shape["kv_heads"]
        cos, sin = (table[:time] for table in self.rope)
        qk, v = qkv.view(batch, time, heads + 2 * groups, -1).split([heads + groups, groups], 2)
        q, k = Rope.apply(qk, cos, sin).split([heads, groups], 2)
        dim = q.shape[-1]
        q = q.reshape(batch, time, groups, heads // groups, dim).permute(0, 2, 3, 1, 4)
        q = q.reshape(batch * groups, heads // groups * time, dim)
        k = k.permute(0, 2, 3, 1).reshape(batch * groups, dim, time)
        v = v.permute(0, 2, 1, 3).reshape(batch * groups, time, dim)
        score = torch.bmm(q.to(self.dtype), k.to(self.dtype)).float() * dim ** -0.5
        weight = F.softmax(score.view(batch * groups, -1, time, time) + mask, -1)
        weight = weight.view(batch * groups, -1, time).to(self.dtype)
        out = torch.bmm(weight, v.to(self.dtype)).float()
        out = out.view(batch, groups, heads // groups, time, dim).permute(0, 3, 1, 2, 4)
        return out.reshape(batch * time, -1)

    def loss(self, tokens, wanted):
        """Summed cross-entropy at the `wanted` (flat) positions of a [batch, time] array.

        Behind the last attention only the wanted positions are computed.
        """
        batch, time = tokens.shape
        inputs = tokens[:, :-1]
        time -= 1
        mask = torch.full((time, time), float("-inf"), device=tokens.device).triu_(1)
        x = F.embedding(inputs.reshape(-1), self.params["embedding"])
        for layer in range(self.shape["layers"]):
            mixed = self.attention(self.linear(x, layer, "qkv"), batch, time, mask)
            if layer == self.shape["layers"] - 1:
                x, mixed = x[wanted], mixed[wanted]
            x = x + self.linear(mixed, layer, "out")
            x = x + self.linear(Gate.apply(self.linear(x, layer, "gate_up")), layer, "down")
        x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPS) * self.params["output_norm"]
        logits = x.to(self.dtype) @ self.params["embedding"].to(self.dtype).t()
        return TokenLoss.apply(logits, tokens[:, 1:].reshape(-1)[wanted])
