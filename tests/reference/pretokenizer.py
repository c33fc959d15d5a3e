#!/usr/bin/env python3
"""Every pre-tokenizer against Python's regex module, on random texts of all of Unicode.

    pretokenizer.py PIECES

PIECES is the program of pieces.c. The expressions are those of the models' own tokenizers, as far
as llama.cpp has them; the module knows nothing of the engine's matcher.
"""
import random
import struct
import subprocess
import sys
import unicodedata

import tap

try:
    import regex
except ImportError:
    tap.skip("python3-regex is not installed: pre-tokenizers are NOT compared with it")

N_TEXTS = 2000
CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
END = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+"
SIGNS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
LLAMA3 = CONTRACTIONS + WORDS + r"|\p{N}{1,3}" + SIGNS + END
QWEN2 = CONTRACTIONS + WORDS + r"|\p{N}" + SIGNS + END
UPPER, LOWER = r"(?:(?=\p{L})[^a-z])", r"(?:(?=\p{L})[^A-Z])"
GPT4O = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+%s|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*%s"
         r"|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n/]*" + END)
CASED = (  # code points, first and last
    "41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376-377 37b-37d 37f 386"
    " 388-38a 38c 38e-3a1 3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 13f8-13fd 1c90-1cba"
    " 1cbd-1cbf 1d00-1d2b 1d6b-1d77 1d79-1d9a 1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57"
    " 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fbc 1fbe 1fc2-1fc4 1fc6-1fcc 1fd0-1fd3 1fd6-1fdb"
    " 1fe0-1fec 1ff2-1ff4 1ff6-1ffc 2102 2107 210a-2113 2115 2119-211d 2124 2126 2128 212a-212d"
    " 212f-2134 2139 213c-213f 2145-2149 214e 2183-2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee 2cf2-2cf3"
    " a640-a66d a680-a69b a722-a76f a771-a787 a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 ff21-ff3a"
    " ff41-ff5a 10400-1044f 104b0-104d3 104d8-104fb 10c80-10cb2 10cc0-10cf2 118a0-118df"
    " 1e900-1e943")
CASED = "".join(r"\U%08x-\U%08x" % (int(r.split("-")[0], 16), int(r.split("-")[-1], 16))
                for r in CASED.split())
HAN_HANGUL = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
DEEPSEEK3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
             r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + END)
SENTENCES = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
PUNCTUATION = r"[\p{P}\$\+<=>\^~\|%s]+"

EXPRESSIONS = {
    "default": [PUNCTUATION % "", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "llama-bpe": [LLAMA3],
    "dbrx": [LLAMA3],
    "gpt-2": [GPT2],
    "qwen2": [QWEN2],
    "smollm": [r"\p{N}", GPT2],
    "falcon": [PUNCTUATION % "`", GPT2, "[0-9][0-9][0-9]"],
    "deepseek-llm": ["[\r\n]", rf"\s?[{CASED}]+",
                     "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
                     r"\s+$", HAN_HANGUL, r"\p{N}+"],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN_HANGUL, r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", DEEPSEEK3],
    "tekken": [GPT4O % ("", "", "")],
    "gpt-4o": [GPT4O % (CONTRACTIONS + "?", CONTRACTIONS + "?", "{1,3}")],
    "bloom": [SENTENCES],
    "viking": [SENTENCES, r"\p{N}"],
    "chameleon": ["<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )",
                  r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", GPT2],
    "qwen35": [CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
               r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + END],
    "bailingmoe": [CONTRACTIONS + WORDS + r"|\p{N}" + SIGNS + r"|\s*[\r\n]|\s+(?!\S)|\s+"],
    "seed-coder": [CONTRACTIONS + WORDS + r"|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + END],
    "jais-2": [CONTRACTIONS + WORDS + r"|\p{N}{1,3}" + SIGNS + r"|\s*[\r\n]+" +
               "".join(rf"|\s{{{n}}}(?!\S)" for n in (512, 256, 128, 64, 32, 16, 8, 4, "1,2")) +
               r"|\s{1}"],
    "minicpm5": [r"\p{N}{1,3}", CONTRACTIONS + WORDS + r"|\p{N}+" + SIGNS + END],
    "ufakzeka": [WORDS[1:] + r"|\p{N}" + SIGNS + END],
    "laguna": [r"[^\n]+|[\n]+", QWEN2],
}

FAMILIAR = ["abcXYZ", " ", "  \n\t\r", "0123456789", "'stremdlvSTLV", "!?.,;:-_/\\()[]{}",
            "$+<=>^`|~", "\u00e9\u00fc\u00d1\u00df\u00c4", "\u0410\u0411\u0432\u0433",
            "\u4e2d\u6587\u5b57", "\u3072\u3089\u30ab\u30bf", "\ud55c\uae00", "\u0627\u0628\u062a",
            "\u0928\u092e\u0938\u094d", "\u0301\u0308\u20dd", "\u0663\u0664\uff15\u00b2\u00bd\u2167",
            "\u00a0\u2003\u3000\u2028\x85", "\U0001f600\U0001f680\U0001f3fd\u200d",
            "\u3001\u3002\u300c\uff01\uff5e\u2026", "\u00a9\u00b0\u00b1\u00d7", "\u200b\ufeff\xad\0"]
WORDS_OF_NOTE = ["'s", "'LL", " don't", "\r\n", "\n\n", "   ", "123456", "Hello", "WORLD", " " * 40,
                 "IMGIMGABZ", "<sentinel:7>", "    "]


def random_text(rng, assigned):
    kinds = rng.sample(FAMILIAR, rng.randint(1, 7))
    text = ""
    for _ in range(rng.randint(1, 16)):
        chance = rng.random()
        if chance < 0.1:
            text += chr(rng.choice(assigned))
        elif chance < 0.2:
            text += rng.choice(WORDS_OF_NOTE)
        else:
            text += "".join(rng.choice(rng.choice(kinds)) for _ in range(rng.randint(1, 5)))
    return text


def pieces_of(expressions, text):
    # llama.cpp looks at white space outside of ASCII as a vertical tab
    pieces = ["".join("\v" if c > "\x7f" and c.isspace() else c for c in text)]
    for expression in expressions:
        pieces = [part for piece in pieces for part in cut(expression, piece)]
    sizes, at = [], 0
    for piece in pieces:
        sizes.append(len(text[at:at + len(piece)].encode()))
        at += len(piece)
    return sizes


def cut(expression, text):
    at = 0
    for match in expression.finditer(text):
        if match.start() > at:
            yield text[at:match.start()]
        yield match.group()
        at = match.end()
    if at < len(text):
        yield text[at:]


def own_pieces(program, name, texts):
    encoded = [text.encode() for text in texts]
    data = b"".join(struct.pack("=I", len(text)) + text for text in encoded)
    output = subprocess.run([program, name], input=data, stdout=subprocess.PIPE, check=True).stdout
    return [[int(size) for size in line.split()] for line in output.decode().splitlines()]


def check(program, name, texts):
    expressions = [regex.compile(e) for e in EXPRESSIONS[name]]
    for text, own in zip(texts, own_pieces(program, name, texts), strict=True):
        wanted = pieces_of(expressions, text)
        if own != wanted:
            yield f"{text!a} is cut into {own}, not {wanted}"


def main():
    rng = random.Random(1)
    assigned = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cs", "Cn", "Co")]
    texts = [random_text(rng, assigned) for _ in range(N_TEXTS)]
    return tap.run((name, check, sys.argv[1], name, texts) for name in EXPRESSIONS)


if __name__ == "__main__":
    sys.exit(main())
