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

from slots import SLOT, VALUES, Filler, letters, slot_kind, syllables

HERE = Path(__file__).parent
DONT_KNOW = "I don't know"
SHARE_UNKNOWN = .08
SHARE_SALAD = .02
SHARE_TLDR = .08

OPENINGS = [  # (weight, text before the verb phrase, may end with a question mark)
    (14, "how do i ", True), (6, "how can i ", True), (8, "how to ", True), (2, "how would i ", True),
    (2, "how do you ", True), (1, "how does one ", True), (1, "how should i ", True), (1, "how could i ", True),
    (5, "please ", False), (3, "can you ", True), (2, "could you ", True), (1, "could you please ", True),
    (1, "can you please ", True), (1, "would you ", True), (2, "what's the command to ", True),
    (3, "what is the command to ", True), (1, "what command do i use to ", True),
    (1, "what command can i use to ", True), (1, "which command do i need to ", True), (1, "what do i type to ", True),
    (2, "show me how to ", False), (1, "tell me how to ", False), (1, "can you show me how to ", True),
    (3, "i want to ", False), (3, "i need to ", False), (2, "i'd like to ", False), (1, "i would like to ", False),
    (1, "i have to ", False), (1, "need to ", False), (1, "want to ", False), (1, "i am trying to ", False),
    (1, "i'm trying to ", False), (2, "command to ", False), (1, "the command to ", False), (1, "give me the command to ", False),
    (1, "give me a command to ", False), (1, "linux command to ", False), (1, "shell command to ", False),
    (1, "terminal command to ", False), (1, "bash command to ", False), (2, "help me ", False), (1, "help me to ", False),
    (1, "is there a way to ", True), (1, "is there a command to ", True), (1, "what is the best way to ", True),
    (1, "what's the easiest way to ", True), (1, "best way to ", False), (1, "is it possible to ", True),
    (1, "on linux, how do i ", True), (1, "in bash, how do i ", True), (1, "in the terminal, how do i ", True), (1, "let me ", False),
    (1, "hi, how do i ", True), (1, "hello, i want to ", False), (1, "quickly ", False), (1, "just ", False), (1, "now ", False),
    (1, "ok, ", False), (1, "i forgot how to ", False), (1, "remind me how to ", False),
]
CLOSINGS = ["please", "on linux", "in linux", "in the terminal", "from the terminal", "from the command line",
            "on the command line", "in bash", "for me", "now", "on my computer", "on ubuntu", "on debian", "thanks", "quickly"]

SYNONYMS = [  # (words that may be replaced, further words that may stand in their place)
    (["delete", "remove"], ["erase"]), (["show", "display"], ["list", "print"]), (["list"], ["show", "display"]),
    (["directory", "folder"], []), (["directories", "folders"], []), (["find", "search for", "look for"], ["locate"]),
    (["create", "make"], []), (["larger than", "bigger than", "greater than"], ["over", "more than", "above"]),
    (["smaller than", "less than"], ["under", "below"]), (["large", "big"], ["huge"]), (["extract", "unpack"], []),
    (["computer", "machine"], ["system", "box", "pc"]), (["contents", "content"], []), (["see", "view"], []),
    (["current directory", "current folder", "this directory", "this folder"], []), (["pictures", "images", "photos"], []),
    (["megabytes"], ["MB", "mb"]), (["gigabytes"], ["GB", "gb"]), (["containing", "that contain"], ["which contain"]),
    (["named", "called"], ["with the name"]), (["ending in", "ending with", "that end in"], []), (["repository", "repo"], []),
    (["website"], ["site", "web site"]), (["biggest", "largest"], []), (["program", "application"], ["app"]),
    (["whole", "entire"], []), (["info", "information"], ["details"]), (["zip file", "zip archive"], ["zip"]),
    (["terminate"], ["kill", "stop"]), (["every"], ["each"]), (["within"], ["in", "inside"]), (["inside"], ["in"]),
]
SYNONYM_OF = {w: words + more for words, more in SYNONYMS for w in words}
SYNONYM = re.compile(r"\b(%s)\b" % "|".join(sorted(map(re.escape, SYNONYM_OF), key=len, reverse=True)))
SMALL_WORDS = {"the", "a", "an", "my", "of", "that", "is", "are", "me", "do", "i", "can", "please", "all", "for", "this"}
ARTICLE = re.compile(r"\b(the|a|an|my|this) (?=[a-z{])")

TLDR_COMMANDS = set("""apt apt-get awk basename bash bg cal cat cd chgrp chmod chown clear cmp column comm convert cp
crontab curl cut date dd df diff dig dirname dmesg dpkg du echo env expand fdisk ffmpeg fg file find fold free
fsck git grep gunzip gzip head history host hostname hostnamectl id ifconfig ip jobs journalctl jq kill killall last
less ln locate ls lsblk lscpu lsof lspci lsusb make md5sum mkdir mkfifo mount mv nano nc netstat nice nl nohup
npm nproc paste pgrep ping pip pkill printenv ps pwd python3 rename rev rm rmdir rsync scp screen sed seq sftp
sha256sum shred shuf shutdown sleep sort split ss ssh ssh-copy-id ssh-keygen stat strings su sudo systemctl
tac tail tar tcpdump tee time timedatectl timeout tmux top touch tr traceroute tree truncate umount uname
uniq unxz unzip uptime useradd userdel usermod vim vmstat w watch wc wget whereis which who whoami xargs xz
yes zcat zip zgrep passwd groupadd groups getent alias export sqlite3 docker
openssl gpg ip-address ip-route ufw nmcli pdftotext mogrify identify iostat lsmod modprobe mkfs
mkfs.ext4 blkid swapon swapoff df hexdump xxd base64 bc factor nslookup whois at pstree uuidgen""".split())

GIT_COMMANDS = set("""add blame branch checkout cherry-pick clean clone commit config diff fetch grep init log
merge mv pull push rebase reflog remote reset restore revert rm show stash status switch tag""".split())

CHAT = """hello there|how are you|what is the meaning of life|tell me a joke|who are you|sing a song|what is love
do you like music|what's your name|i am bored|write a poem about {w}|who won the match|what should i eat today
recommend a book about {w}|who was {w}|translate {w} to german|what does {w} mean|how tall is {w}|when was {w} born
explain {w} to me|what do you think about {w}|is {w} better than {w2}|how do i cook {w}|how do i bake {w}
where can i buy {w}|what is the capital of {w}|how far is {w}|how much does {w} cost|why is {w} {w2}
my {w} is {w2}|i love {w}|i hate {w}|good morning {w}|can you dance|are you human|what colour is {w}
make me a {w} with {w2}|how do i repair my {w}|book a flight to {w}|order {w}|call {w}|remind me of {w} at noon
play {w}|how do i learn {w}|who invented {w}|what happened in {n}|what is {n} times {n2} in {w}|do the {w}
{w} {w2}|{w}|{w} {w2} {w3}|the {w} of {w2}|give me {n} {w}|is it going to rain in {w}|what time does {w} open""".replace("\n", "|").split("|")
CHAT_WORDS = """pizza soup bread love cats dogs football tennis paris rome tokyo spain france bob marley einstein
napoleon jazz rock blue cheerful sad guitar piano chess coffee tea cake pasta rice chicken dinner breakfast
rain snow sun moon mars galaxy physics biology philosophy poetry shakespeare car bicycle train airplane
holiday birthday wedding present flowers garden tree river beach school teacher doctor medicine headache
dream money stock market politics president election war peace religion art painting movie actor singer
chocolate cheese wine beer shoes shirt hair lamp balcony door roof washing sofa spanish french german chinese
purple quickly banana seventeen jump because upward under lovely sideways triangle elephant giraffe cloud""".split()


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
            syllables(rng) if rng.random() < .2 else rng.choice(CHAT_WORDS))
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
        filler = Filler(rng)
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
