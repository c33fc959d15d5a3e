"""Byte-level BPE with gpt-2 splitting, trained so that names can be copied.

A tiny model copies a file name best when the name has the same tokens wherever it stands: after a
space, a slash, an "@" or a quote. So merges are learnt in two stages:

1. on pieces *without* their leading space, and never across a digit: the tokens of a word don't
   depend on what stands before it, and a number is a row of single digits;
2. then "space + word" for the most frequent words. Words that appear as slot values, and short
   ones that names may begin with, are left out unless they are among the very commonest: a name
   stays <space> + <name> everywhere.

Stage 2 merges rank after all of stage 1, hence a space only ever joins a finished word.
"""
import collections
import functools
import regex

SPECIALS = ["<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"]
END, USER, ASSISTANT, PAD = range(4)
COMMONEST = 50
SPLIT = regex.compile(
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def byte_alphabet():
    """GPT-2's map from bytes to printable characters (GGUF stores tokens in that alphabet)."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in own}
    for i, b in enumerate(b for b in range(256) if b not in table):
        table[b] = chr(256 + i)
    return table


ALPHABET = byte_alphabet()
BYTES = {c: b for b, c in ALPHABET.items()}
SPACE = ALPHABET[32]


def to_alphabet(piece):
    return "".join(ALPHABET[b] for b in piece.encode())


def merge_pair(symbols, pair):
    """Replaces each occurrence of `pair` in a tuple of symbols by its concatenation."""
    out, i = [], 0
    while i < len(symbols):
        if symbols[i:i + 2] == pair:
            out.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return tuple(out)


def learn_merges(counts, n_merges):
    """Plain BPE: merges the most frequent neighbouring pair, n_merges times.

    `counts` maps pieces (in the byte alphabet) to how often they occur.
    """
    words = [(tuple(w), n) for w, n in counts.items()]
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for i, (word, n) in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += n
            where[pair].add(i)
    merges = []
    while len(merges) < n_merges and pairs:
        best = max(pairs, key=lambda p: (pairs[p], p))
        if pairs[best] < 2:
            break
        merges.append(best)
        for i in where.pop(best):
            word, n = words[i]
            for pair in zip(word, word[1:]):
                pairs[pair] -= n
            word = merge_pair(word, best)
            words[i] = (word, n)
            for pair in zip(word, word[1:]):
                pairs[pair] += n
                where[pair].add(i)
        del pairs[best]
    return merges


def train(texts, names, size, n_spaced):
    """Learns a vocabulary of `size` tokens.

    texts: requests and commands; names: the words used as slot values; n_spaced: how many of the
    tokens are "space + word".
    """
    bare, spaced = collections.Counter(), collections.Counter()
    for text in texts:
        for piece in SPLIT.findall(text):
            word = piece.lstrip(" ")
            if word and not word[0].isdigit():
                bare[to_alphabet(word)] += 1
                spaced[to_alphabet(word)] += piece[0] == " "
    merges = learn_merges(bare, size - 256 - len(SPECIALS) - n_spaced)
    known = set(ALPHABET.values()) | {a + b for a, b in merges}
    ranked = [word for word, _ in spaced.most_common() if word in known]
    for place, word in enumerate(ranked):
        if len(merges) == size - 256 - len(SPECIALS):
            break
        may_start_name = word in names or (len(word) < 3 and word.isalpha())
        if place < COMMONEST or not may_start_name:
            merges.append((SPACE, word))
    return Tokenizer(merges)


class Tokenizer:
    """Encodes and decodes; `tokens` and `merges` are what a GGUF file stores."""

    def __init__(self, merges):
        self.merges = [tuple(m) for m in merges]
        self.tokens = SPECIALS + list(ALPHABET.values()) + [a + b for a, b in self.merges]
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self.ranks = {m: i for i, m in enumerate(self.merges)}
        self.piece_ids = functools.lru_cache(200_000)(self._piece_ids)

    def _piece_ids(self, piece):
        symbols = tuple(to_alphabet(piece))
        while len(symbols) > 1:
            best = min(zip(symbols, symbols[1:]), key=lambda p: self.ranks.get(p, 1 << 30))
            if best not in self.ranks:
                break
            symbols = merge_pair(symbols, best)
        return [self.ids[s] for s in symbols]

    def encode(self, text):
        return [i for piece in SPLIT.findall(text) for i in self.piece_ids(piece)]

    def decode(self, ids):
        text = "".join(self.tokens[i] for i in ids if i >= len(SPECIALS))
        return bytes(BYTES[c] for c in text).decode(errors="replace")

    def example(self, request, command):
        """Token ids of one training example, and how many of them are the prompt."""
        prompt = self.prompt(request)
        return prompt + self.encode(command) + [END], len(prompt)

    def prompt(self, request):
        return [USER] + self.encode(request) + [ASSISTANT]
