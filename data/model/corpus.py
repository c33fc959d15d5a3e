"""Turns the hand-written blocks of corpus/*.txt into an endless stream of training examples.

A block is a few request lines and one command:

    delete the (file|document) {file}
    ? is there a way to get rid of {file} for good?
    $ rm {file}

A line that starts with "? " is a sentence, used as it is; the others are verb phrases that get a
question form or a polite word in front. `(a|b)` and `[x]` vary request lines only. Everything
else about the variation (case, articles, synonyms, typos, punctuation) happens here, so that the
text files stay readable.
"""
import json
import random
import re
import zlib
from pathlib import Path

from phrases import (CHAT, CHAT_WORDS, CLOSINGS, FEELINGS, GIT_COMMANDS, OPENINGS, SMALL_WORDS, SYNONYM, SYNONYM_OF,
                     TLDR_COMMANDS)
from slots import SLOT, VALUES, Filler, letters, slot_kind, syllables

HERE = Path(__file__).parent
DONT_KNOW = "I don't know"
SHARE_UNKNOWN = .08
SHARE_SALAD = .03
SHARE_TLDR = .08

BARE = re.compile(r"name |exclude|include|locate|/\{(file|dir|log|script)")  # a name, not a path, is meant
QUOTABLE = re.compile(r"(?<=\s)\{(word|file|name|dir|script)\d?\}(?=[\s?]|$)")
ARTICLE = re.compile(r"\b(the|a|an|my|this) (?=[a-z{])")


class Block:
    """Some ways to ask for one command. Plain lines and sentences are (text, is_sentence) pairs."""

    def __init__(self, lines, command, source):
        self.lines, self.command, self.source = lines, command, source


def read_blocks(path):
    """Reads one corpus file; complains about lines that would silently be lost."""
    blocks, lines = [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if line.startswith("$ "):
            if not lines:
                raise ValueError(f"{path.name}:{number}: a command without requests")
            blocks.append(Block(lines, line[2:].strip(), path.stem))
            lines = []
        elif line.startswith("? "):
            lines.append((line[2:].strip(), True))
        elif line and not line.startswith("#"):
            lines.append((line, False))
    if lines:
        raise ValueError(f"{path.name}: requests without a command at the end")
    return blocks


def is_held_out(line):
    """5% of the request lines, by hash, are never trained on: they measure new wordings."""
    return zlib.crc32(line.encode()) % 20 == 7


def split_held_out(blocks):
    """Returns (blocks to train on, the held-out lines as blocks of one line)."""
    train, held = [], []
    for block in blocks:
        kept = [l for l in block.lines if not is_held_out(l[0])]
        out = [l for l in block.lines if is_held_out(l[0])]
        if len(kept) < 3:
            kept, out = block.lines, []
        train.append(Block(kept, block.command, block.source))
        held += [Block([l], block.command, block.source) for l in out]
    return train, held


def without_contradictions(blocks):
    """Drops a request line that an earlier block already answers with another command."""
    answers = {}
    for block in blocks:
        block.lines = [l for l in block.lines
                       if answers.setdefault(normal(l[0]), block.command) == block.command]
    return [b for b in blocks if b.lines]


def normal(text):
    """What two requests have in common when they differ in case and punctuation only."""
    return " ".join(re.sub(r"[?!,;:'\"]|\.(?=\s|$)", " ", text.lower()).split())


def read_held_out(path):
    """The (request, acceptable answers) rows of heldout.tsv."""
    rows = [l.split("\t") for l in path.read_text().splitlines() if l.strip() and not l.startswith("#")]
    return [(r[0], [a for a in r[1:] if a]) for r in rows]


def alternatives(rng, text):
    """Resolves (a|b) and [x], innermost first. Brackets without a bar are left alone."""
    inner = re.compile(r"\(([^()\[\]]*\|[^()\[\]]*)\)|\[([^()\[\]]*)\]")
    while True:
        text, n = inner.subn(lambda m: rng.choice(m[1].split("|")) if m[1] is not None
                             else rng.choice((m[2], "")), text)
        if not n:
            return " ".join(text.split())


def outside_slots(text, change):
    """Applies `change` to the text between slots only."""
    parts = re.split(r"(\{[a-z_]+\d?\})", text)
    return "".join(p if SLOT.fullmatch(p) else change(p) for p in parts)


def swap_synonyms(rng, text, rate):
    def one(match):
        return rng.choice(SYNONYM_OF[match[1]]) if rng.random() < rate else match[0]
    return outside_slots(text, lambda part: SYNONYM.sub(one, part))


def vary_articles(rng, text, rate):
    def one(match):
        if rng.random() >= rate:
            return match[0]
        return rng.choice(("", "", "the ", "my "))
    return ARTICLE.sub(one, text)


def typo(rng, text):
    """One slip of the finger in one longer word of the template (names stay as they are)."""
    words = text.split(" ")
    long = [i for i, w in enumerate(words) if len(w) > 3 and w.isalpha()]
    if not long:
        return text
    i = rng.choice(long)
    w, k = words[i], rng.randint(1, len(words[i]) - 2)
    words[i] = rng.choice((w[:k] + w[k + 1] + w[k] + w[k + 2:], w[:k] + w[k + 1:], w[:k] + w[k] + w[k:]))
    return " ".join(words)


def drop_small_word(rng, text):
    """Leaves out one word that hurried people leave out."""
    words = text.split(" ")
    small = [i for i, w in enumerate(words) if w in SMALL_WORDS]
    if small and len(words) > 3:
        del words[rng.choice(small)]
    return " ".join(words)


def quote(rng, text, rate):
    """Puts names into quotes, as some people do."""
    mark = rng.choice("\"\"'")
    return QUOTABLE.sub(lambda m: mark + m[0] + mark if rng.random() < rate else m[0], text)


def may_be_spaced(command):
    """Whether each {word} of a command stands in quotes, so that it may be several words."""
    inside = re.findall(r"\"[^\"$*^|]*\"|'[^'$*^|]*'", command)
    words = command.count("{word")
    return words > 0 and words == sum(part.count("{word") for part in inside)


def ask(rng, phrase):
    """Puts a question form or a polite word around a verb phrase."""
    question = False
    if rng.random() < .58:
        _, opening, question = rng.choices(OPENINGS, [o[0] for o in OPENINGS])[0]
        phrase = opening + phrase
    if rng.random() < .06:
        phrase += rng.choice((" ", " ", ", ")) + rng.choice(CLOSINGS)
    return phrase + "?" if question and rng.random() < .65 else phrase


def dress(rng, text):
    """Case and punctuation, as people type them."""
    if rng.random() < .6:
        text = re.sub(r"\bi\b(?=[ '])", "I", text)
    if rng.random() < .15:
        text = text.replace("'s ", "s ").replace("n't", "nt").replace("'m ", "m ").replace("'d ", "d ")
    if rng.random() < .35:
        text = text[:1].upper() + text[1:]
    if (text[-1].isalnum() or text[-1] == "}") and rng.random() < .04:
        text += rng.choice((".", ".", "!", "?"))
    return text


def word_salad(rng):
    """A request that no command answers: chat, loose words, or noise."""
    def value(match):
        kind = match[0]
        return str(rng.randint(1, 3000)) if kind.startswith("{n") else (
            syllables(rng) if rng.random() < .2 else rng.choice(FEELINGS if kind.startswith("{f") else CHAT_WORDS))
    if rng.random() < .15:
        return " ".join(letters(rng) + letters(rng) for _ in range(rng.randint(1, 3)))
    return re.sub(r"\{\w+\}", value, rng.choice(CHAT))


def read_tldr(path):
    """Examples of everyday commands from tldr-pages: (request, command), in plain names.

    Pages name things path/to/file and {{[-s|--long]}}; people don't, so the path goes and
    examples with brackets or ellipses left in them are skipped.
    """
    pairs = []
    for line in open(path):
        row = json.loads(line)
        command = row["command"].replace("path/to/", "")
        program = [w for w in command.split() if w != "sudo"][:1]
        if (row["platform"] in ("common", "linux") and program and program[0] in TLDR_COMMANDS
                and not re.search(r"\[|\.\.\.|path/|\w\|\w|_or_", command)
                and (program[0] != "git" or command.split()[1] in GIT_COMMANDS) and len(command) < 70
                and len(row["request"]) < 90 and "`" not in row["request"]):
            request = row["request"].strip().rstrip(".:")
            pairs.append((request[0].lower() + request[1:], command))
    return pairs


class Generator:
    """An endless stream of (request, command) pairs for one seed."""

    def __init__(self, seed, tldr=None):
        self.rng = random.Random(seed)
        blocks = [b for f in sorted((HERE / "corpus").glob("*.txt")) for b in read_blocks(f)]
        train, self.held = split_held_out(without_contradictions(blocks))
        self.known = [b for b in train if b.command != DONT_KNOW]
        self.unknown = [b for b in train if b.command == DONT_KNOW]
        self.weights = [len(b.lines) ** .5 for b in self.known]
        self.total = [sum(self.weights[:i + 1]) for i in range(len(self.weights))]
        held_out = HERE / "heldout.tsv"
        self.barred = {normal(r) for r, _ in read_held_out(held_out)} if held_out.exists() else set()
        self.tldr = read_tldr(tldr) if tldr else []

    def word(self, block, plain=False):
        """One example of a block; `plain` leaves out typos and synonyms (for measuring)."""
        rng = self.rng
        line, is_sentence = rng.choice(block.lines)
        text = alternatives(rng, line)
        if not plain:
            text = vary_articles(rng, swap_synonyms(rng, text, .15), .15)
        if not is_sentence:
            text = ask(rng, text)
        elif rng.random() < .3:
            text = text.rstrip("?.!") + rng.choice(("", "", "?", "?", " please"))
        if not plain and rng.random() < .06:
            text = drop_small_word(rng, text)
        if not plain and rng.random() < .05:
            text = outside_slots(text, lambda part: typo(rng, part))
        text = dress(rng, text)  # before the slots are filled: a name keeps its case
        spaced = may_be_spaced(block.command) and rng.random() < .25
        if not plain or spaced:
            text = quote(rng, text, .9 if spaced else .06)
        filler = Filler(rng, bool(BARE.search(block.command)), spaced)
        return filler.fill(text), filler.fill(block.command)

    def draw(self):
        rng, kind = self.rng, self.rng.random()
        if kind < SHARE_UNKNOWN and self.unknown:
            return self.word(rng.choice(self.unknown))
        if kind < SHARE_UNKNOWN + SHARE_SALAD:
            return dress(rng, word_salad(rng)), DONT_KNOW
        if kind < SHARE_UNKNOWN + SHARE_SALAD + SHARE_TLDR and self.tldr:
            request, command = rng.choice(self.tldr)
            return dress(rng, ask(rng, vary_articles(rng, request, .2))), command
        return self.word(rng.choices(self.known, cum_weights=self.total)[0])

    def example(self):
        """Draws until the request isn't one of the held-out ones."""
        while True:
            request, command = self.draw()
            if normal(request) not in self.barred:
                return request, command

    def unknown_slots(self):
        """Slot names in the corpus that have no values (braces of awk or curl are fine)."""
        lines = [t for b in self.known for t in [b.command] + [l for l, _ in b.lines]]
        return {slot_kind(m) for t in lines for m in SLOT.finditer(t)} - VALUES.keys()
