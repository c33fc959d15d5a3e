"""Random values for the typed slots ({file}, {host}, {n} ...) of the corpus.

Half of the values are words that people use, half are made up: a model that sees the same forty
names learns them by heart, one that never sees a name twice has to learn to copy. Some names are
words of the requests themselves ("sort names.txt", "make run.sh executable").
"""
import re
from pathlib import Path

SLOT = re.compile(r"\{([a-z_]+?)(\d?)\}")

NAMES = """report notes data backup archive project config test main index readme todo budget
invoice letter photo holiday music song movie clip list draft thesis summary table figure plot
results output input sample example demo old new final copy temp users orders sales customers
products inventory recipe journal diary script setup install build server client app web site page
style image picture logo icon banner screenshot scan contract resume paper book chapter lecture
slides homework essay story poem map plan schedule calendar contacts emails messages history
settings options module package library model view controller utils helpers parser lexer engine
kernel driver network socket buffer queue stack tree graph matrix vector access error debug system
release version changes license manual guide tutorial cookbook dataset training labels weights
metrics stats january february march april june july august september october november december
monday friday london paris berlin vacation wedding birthday family garden kitchen house car bike
travel trip finance taxes bank payment receipt insurance medical school work office meeting minutes
agenda alpha beta gamma delta omega foo bar baz hello world game player level score save cat dog
bird apple banana orange lemon cherry mango red green blue black white yellow summer winter spring
autumn morning night sunrise ocean river mountain forest island beach city street bridge tower
video audio podcast interview concert radio album track playlist poster flyer brochure ticket hosts
passwd fstab crontab export import dump restore snapshot mirror cache spool bundle package1 part1
chunk segment piece fragment log1 wedding2 file document novel cover profile avatar thumbnail
animation theme wallpaper font template form survey response feedback review comments todo-list
shopping groceries fitness workout weather climate sensor temperature humidity energy""".split()

USERS = """alice bob carol dave eve frank grace heidi ivan judy mallory john jane mary peter paul
anna max tom jim tim sam kate lisa mike steve david sarah laura emma oliver jack lucy henry george
admin root deploy guest www-data postgres git jenkins student teacher pi ubuntu operator backup
nina omar yuki chen raj fatima pedro maria jose luis carlos sofia ahmed lena hans olga
igor""".split()

GROUPS = """docker sudo wheel users developers staff admin www-data audio video plugdev games
students editors dialout lp disk team devs ops marketing finance research sales""".split()

PACKAGES = """htop vim git curl nginx tmux nmap ffmpeg gimp vlc firefox chromium python3 nodejs npm
docker.io postgresql mysql-server redis-server apache2 gcc make cmake gdb valgrind emacs nano zsh
fish tree jq wget rsync openssh-server screen neofetch imagemagick inkscape blender audacity
libreoffice thunderbird wireshark tcpdump iotop iftop net-tools dnsutils unzip p7zip-full
build-essential python3-pip golang rustc php ruby perl lua5.4 sqlite3 mariadb-server fail2ban ufw
cups samba numpy pandas flask django requests matplotlib scipy express react typescript eslint
libssl-dev zlib1g-dev ripgrep fzf bat ncdu mc ranger cowsay figlet lolcat sl""".split()

PROCESSES = """firefox chrome chromium nginx apache2 python python3 node java mysqld postgres redis
sshd vim emacs code slack zoom spotify vlc gimp docker steam thunderbird gnome-shell Xorg bash zsh
tmux screen top make gcc ffmpeg rsync wget transmission dropbox teams libreoffice evince myserver
worker celery gunicorn cron cupsd pulseaudio""".split()

SERVICES = """nginx apache2 ssh sshd mysql mariadb postgresql redis docker cron cups bluetooth
NetworkManager ufw fail2ban samba smbd vsftpd named dnsmasq haproxy mongodb grafana prometheus
elasticsearch rabbitmq memcached php-fpm tomcat jenkins gitlab openvpn wireguard avahi-daemon
systemd-resolved rsyslog postfix dovecot lightdm gdm myapp backend api httpd tor""".split()

WORDS = """error warning failed todo password hello foo bar timeout root user admin main import
return class function debug null connection success critical exception fatal denied login test
localhost port config key value name secret token update version deprecated fixme license apple
banana linux total sum price invoice http https GET POST INFO ERROR WARN DEBUG TODO FIXME WARNING
kernel memory disk usb session request response client server database query select include define
struct printf malloc free stdout colour size width height north south""".split()

HOSTS = """server1 server2 web01 web02 db01 myserver example.com server.example.com host1 node1
node2 node3 raspberrypi nas router gateway mail.example.com ftp.example.com dev staging production
prod backup-server fileserver build01 gpu1 proxy bastion vps laptop desktop workstation printer
db.internal web.local nas.local pi.local cluster login.university.edu github.com google.com
example.org example.net myhost remote box1 media media-server homeserver""".split()

DIRS = """docs src photos music videos pictures downloads documents backup backups projects build
public images data logs scripts tmp bin lib include tests test config assets static templates
archive old new work website project myproject folder stuff files results output reports Downloads
Documents Pictures Music Videos Desktop node_modules venv dist target vendor css js invoices
letters recipes games books notes code repo app server client backend frontend""".split()

EXTENSIONS = """txt log pdf jpg png mp3 mp4 py c h cpp java js ts html css json xml csv yaml yml md
sh conf cfg ini bak tmp zip gz o so rs go rb php pl sql tex doc docx xls xlsx odt gif svg jpeg mkv
avi wav flac iso deb rpm dat out old swp toml lua kt swift r ipynb webp bmp tiff mov ogg""".split()

TEXTUAL = """txt txt txt txt txt md py c h cpp js html css sh conf cfg xml yaml ini log csv json
sql tex rs go java rb php pl bak dat out toml rst tsv lst diff patch srt ts lua""".split()

RARE_EXTENSIONS = """bat rom kdbx rst iso cfg dat 7z tgz yml ini lock bak h cpp rs go img bin vmdk qcow2
ova hex elf exe dll msi apk jar war class asm s cc cxx hpp hh m mm f90 jl scala clj ex exs erl hs ml
elm dart vue jsx tsx scss sass less coffee ps1 cmd awk sed vim el lisp scm r rmd bib sty cls eps ps
djvu epub mobi azw3 rtf ods odp ppt pptx tsv psv parquet avro npy npz pkl pt onnx gguf safetensors
h5 mat db sqlite sqlite3 mdb dump pcap pem crt cer key csr p12 pub asc gpg sig md5 sha256 torrent
desktop service timer socket rules list repo spec patch diff orig rej properties gradle pom cmake mk
mak in am ac po pot mo srt vtt sub ass m3u pls cue mid midi aac m4a opus wma aiff webm flv wmv mpg
mpeg 3gp ts vob heic avif ico xcf psd ai cr2 nef raw stl obj dxf step gcode blend fbx ttf otf woff
ics vcf eml mbox opml kml gpx geojson ndjson jsonl proto graphql tf tfvars env dockerfile nix""".split()

ARCHIVES = ["tar", "tar", "tar", "tar", "tar.gz", "tar.gz", "tar.gz", "tgz", "tar.xz", "tar.xz", "tar.bz2",
            "tbz2", "txz", "tar.zst"]
VERSIONED = """linux debian ubuntu fedora python node logs backup app project gcc nginx release data
firefox kernel photos report archive site openssl busybox""".split()
DEEP = """src main java test lib app com org core api util internal pkg cmd include resources static
public assets css js components pages routes models views data raw processed users admin config
conf.d sites-available sites-enabled nginx alternatives share bin local etc var log cache www html
2022 2023 2024 2025 work personal photos notes clients letters drafts archive old tmp""".split()

PATH_ROOTS = ["/var/log", "/etc", "/etc/nginx", "/home/{u}", "/home/{u}/{d}", "/tmp", "/opt", "/srv",
              "/usr/local", "/usr/share", "/var/www", "/var/www/html", "/var/lib", "/opt/{w}",
              "/usr/local/bin", "/mnt/{d}", "/media/{w}", "/data", "/data/{w}", "/srv/{w}", "/var", "/usr",
              "/home", "~", "~/{d}", "~/{d}", "~/{d}", "~/{d}/{w}", "./{d}", "../{d}", "~/.config", "/boot",
              "/{w}", "/{w}/{d}", "/etc/{w}"]

ONSETS = "b c d f g h j k l m n p r s t v w z br ch cl cr dr fl gr kr ph pl pr sh sk sl st th tr x y".split()
VOWELS = "a e i o u a e i o ai ea ee oo ou y".split()
CODAS = ["", "", "", "", "n", "r", "s", "t", "l", "m", "x", "ck", "nd", "rt", "p"]


def syllables(rng):
    """A pronounceable word that hardly anyone has used."""
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
                   for _ in range(rng.choice((1, 2, 2, 2, 3))))


def letters(rng):
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(1, 5)))


def number(rng):
    """Small numbers and round ones are common, but any number must copy."""
    kind = rng.random()
    if kind < .35:
        return str(rng.randint(1, 12))
    if kind < .6:
        return rng.choice("10 15 20 25 30 40 45 50 60 64 90 100 120 128 200 250 256 300 500 512 1000".split())
    return str(rng.randint(2, 10 ** rng.choice((2, 2, 3, 4))))


def word_or_made_up(rng, pool, made_up=.35):
    return syllables(rng) if rng.random() < made_up else rng.choice(pool)


def request_words():
    """The words that requests are made of, the frequent ones more than once."""
    text = "\n".join(f.read_text() for f in sorted((Path(__file__).parent / "corpus").glob("*.txt")))
    lines = [SLOT.sub(" ", l) for l in text.splitlines() if l[:1] not in ("$", "#")]
    counts = {}
    for word in re.findall(r"\b[a-z]{3,}\b", "\n".join(lines)):
        counts[word] = counts.get(word, 0) + 1
    return [w for w, n in sorted(counts.items()) for _ in range(1 + min(n, 200) // 50) if n > 2]


REQUEST_WORDS = request_words()


def dotted(rng):
    """A version: 6.1, 12, 2.10.3, 2023"""
    return rng.choice((lambda: str(rng.randint(1, 30)), lambda: str(rng.randint(2010, 2027)),
                       lambda: "%d.%d" % (rng.randint(0, 12), rng.randint(0, 40)),
                       lambda: "%d.%d.%d" % (rng.randint(0, 12), rng.randint(0, 40), rng.randint(0, 20))))()


def stem(rng):
    """The part of a file name before the extension."""
    kind = rng.random()
    if kind < .18:
        return rng.choice(REQUEST_WORDS)
    if kind < .23:
        return word_or_made_up(rng, VERSIONED) + rng.choice(("-", "-", "_", "-v")) + dotted(rng)
    if kind < .26:
        return rng.choice("-_").join(word_or_made_up(rng, rng.choice((NAMES, REQUEST_WORDS)), .2)
                                     for _ in range(3))
    if kind < .5:
        return rng.choice(NAMES)
    if kind < .62:
        return syllables(rng)
    if kind < .76:
        return word_or_made_up(rng, NAMES) + rng.choice("__--.") + word_or_made_up(rng, NAMES)
    if kind < .84:
        return word_or_made_up(rng, NAMES) + rng.choice(("", "", "_", "-")) + str(rng.randint(1, 99))
    if kind < .88:
        return "%s-%d-%02d-%02d" % (rng.choice(NAMES), rng.randint(2015, 2027), rng.randint(1, 12),
                                    rng.randint(1, 28))
    if kind < .91:
        return "%s%s%d" % (rng.choice(NAMES), rng.choice("-_"), rng.randint(2015, 2027))
    if kind < .94:
        return letters(rng)
    if kind < .965:
        return rng.choice("abcdefxyz")
    if kind < .985:
        return word_or_made_up(rng, NAMES).capitalize()
    return rng.choice("IMG DSC VID img scan v".split()) + rng.choice(("_", "")) + str(rng.randint(1, 9999))


def with_extension(*extensions):
    return lambda rng: in_directory(rng, stem(rng) + "." + rng.choice(extensions), .1)


def in_directory(rng, name, share=.16):
    """Now and then a name comes with the directory it is in."""
    if rng.random() >= share:
        return name
    return rng.choice((path, path, lambda rng: word_or_made_up(rng, DIRS)))(rng) + "/" + name


def extension(rng):
    kind = rng.random()
    if kind < .5:
        return rng.choice(EXTENSIONS)
    return rng.choice(RARE_EXTENSIONS) if kind < .9 else letters(rng)


def file(rng):
    kind = rng.random()
    if kind < .05:
        return rng.choice("""Makefile README LICENSE Dockerfile notes data todo .bashrc .profile .env
            .gitignore .vimrc .zshrc id_rsa id_ed25519 authorized_keys core a.out""".split())
    if kind < .08:
        return syllables(rng)
    return in_directory(rng, stem(rng) + "." + (rng.choice(TEXTUAL) if rng.random() < .7 else extension(rng)))


def directory(rng):
    kind = rng.random()
    if kind < .44:
        return rng.choice(DIRS)
    if kind < .49:
        return rng.choice(REQUEST_WORDS)
    if kind < .64:
        return syllables(rng)
    if kind < .7:
        return word_or_made_up(rng, NAMES) + rng.choice("-_") + word_or_made_up(rng, NAMES)
    if kind < .77:
        return deep(rng)
    if kind < .8:
        return word_or_made_up(rng, DIRS) + str(rng.randint(1, 99))
    return path(rng)


def deep(rng):
    """A relative path of two to four directories."""
    return "/".join(word_or_made_up(rng, rng.choice((DIRS, DEEP, DEEP)), .2)
                    for _ in range(rng.choice((2, 2, 3, 4))))


def path(rng):
    if rng.random() < .3:
        return rng.choice(("/", "/", "~/", "~/", "/usr/", "/etc/", "/home/%s/" % rng.choice(USERS), "../",
                           "")) + deep(rng)
    return rng.choice(PATH_ROOTS).format(u=word_or_made_up(rng, USERS), d=word_or_made_up(rng, DIRS),
                                         w=word_or_made_up(rng, NAMES))


def full_path(rng):
    base = path(rng)
    return base if rng.random() < .85 else base + "/" + stem(rng) + "." + rng.choice(TEXTUAL)


def searched(rng):
    """A word to search for or to write: an ordinary one or an identifier."""
    kind = rng.random()
    if kind < .08:
        return identifier(rng)
    if kind < .14:
        return rng.choice(REQUEST_WORDS)
    return word_or_made_up(rng, WORDS, .3)


def text_of_words(rng):
    """Some words in a row, for places where they are quoted."""
    return " ".join(rng.choice((searched, searched, syllables, lambda rng: rng.choice(REQUEST_WORDS),
                                lambda rng: rng.choice(REQUEST_WORDS), number, host))(rng)
                    for _ in range(rng.choice((2, 2, 2, 3, 3, 4))))


def address(rng):
    kind = rng.random()
    if kind < .4:
        return "192.168.%d.%d" % (rng.choice((0, 1, 2, 10, 100, rng.randint(0, 255))), rng.randint(1, 254))
    if kind < .6:
        return "10.%d.%d.%d" % (rng.randint(0, 255), rng.randint(0, 255), rng.randint(1, 254))
    if kind < .7:
        return rng.choice(("8.8.8.8", "1.1.1.1", "127.0.0.1", "8.8.4.4", "172.16.0.1"))
    return ".".join(str(rng.randint(1, 254)) for _ in range(4))


def domain(rng):
    if rng.random() < .3:
        return rng.choice(("example.com", "example.org", "google.com", "github.com", "debian.org",
                           "wikipedia.org", "kernel.org", "mysite.com", "example.net"))
    top = rng.choice(("com", "org", "net", "io", "de", "edu", "dev", "co.uk", "fr"))
    return rng.choice(("", "", "", "www.", "mail.")) + word_or_made_up(rng, NAMES, .5) + "." + top


def host(rng):
    kind = rng.random()
    if kind < .5:
        return rng.choice(HOSTS)
    if kind < .62:
        return syllables(rng)
    if kind < .72:
        return rng.choice(("server", "web", "db", "node", "host", "app")) + str(rng.randint(1, 40))
    return domain(rng) if kind < .88 else address(rng)


def url(rng):
    base = rng.choice(("https://", "https://", "http://")) + domain(rng)
    kind = rng.random()
    if kind < .2:
        return base
    if kind < .35:
        return base + "/" + word_or_made_up(rng, NAMES)
    end = rng.choice("zip tar.gz iso pdf html json txt jpg deb csv mp4 sh".split())
    return base + rng.choice(("/", "/", "/files/", "/downloads/")) + stem(rng) + "." + end


def branch(rng):
    kind = rng.random()
    if kind < .4:
        return rng.choice("main master develop dev staging release feature test hotfix production".split())
    if kind < .75:
        return rng.choice(("feature/", "fix/", "bugfix/", "", "feature-", "fix-")) + stem(rng).replace(".", "-")
    return word_or_made_up(rng, NAMES) + rng.choice(("-", "_")) + word_or_made_up(rng, NAMES)


def port(rng):
    if rng.random() < .6:
        return rng.choice("80 443 22 8080 3000 5000 8000 8443 3306 5432 6379 21 25 53 9000 27017".split())
    return str(rng.randint(1, 65535))


def disk(rng):
    return rng.choice(("/dev/sd" + rng.choice("abcdefg"), "/dev/sda", "/dev/sdb", "/dev/nvme%dn1" % rng.randint(0, 2),
                       "/dev/vda", "/dev/mmcblk0"))


def partition(rng):
    base = disk(rng)
    return base + ("p" if base[-1].isdigit() else "") + str(rng.randint(1, 6))


def variable(rng):
    if rng.random() < .5:
        return rng.choice("PATH HOME EDITOR LANG JAVA_HOME API_KEY DEBUG PORT USER SHELL DATABASE_URL".split())
    return (word_or_made_up(rng, NAMES).replace("-", "_") + rng.choice(("", "", "_DIR", "_KEY"))).upper()


def clock(rng):
    if rng.random() < .7:
        return "%02d:%02d" % (rng.randint(0, 23), rng.choice((0, 0, 15, 30, 45, rng.randint(0, 59))))
    return "%d:%02d" % (rng.randint(0, 9), rng.choice((0, 30, rng.randint(0, 59))))


def mode(rng):
    if rng.random() < .6:
        return rng.choice("755 644 600 700 777 640 750 664 775 400 444".split())
    return "".join(rng.choice("04567") for _ in range(3))


def interface(rng):
    return rng.choice(("eth0", "eth1", "wlan0", "lo", "docker0", "br0", "tun0", "wg0", "enp%ds%d" %
                       (rng.randint(0, 9), rng.randint(0, 31)), "wlp%ds0" % rng.randint(1, 9), "eno1", "ens33"))


def image_name(rng):
    base = rng.choice("nginx ubuntu debian alpine redis postgres mysql python node golang httpd busybox".split())
    if rng.random() < .35:
        base = word_or_made_up(rng, NAMES)
    return base + rng.choice(("", "", ":latest", ":%d" % rng.randint(1, 22), ":%d.%d" % (rng.randint(1, 22), rng.randint(0, 12))))


def identifier(rng):
    return (word_or_made_up(rng, NAMES, .3) + rng.choice(("", "", "_db", "_" + rng.choice(NAMES)))).replace("-", "_")


def pick(pool, made_up=.3):
    return lambda rng: word_or_made_up(rng, pool, made_up)


def sometimes_numbered(pool):
    return lambda rng: word_or_made_up(rng, pool) + (str(rng.randint(1, 9)) if rng.random() < .15 else "")


VALUES = {
    "file": file, "dir": directory, "path": full_path,
    "tar": with_extension(*ARCHIVES), "targz": with_extension("tar.gz", "tar.gz", "tar.gz", "tgz"),
    "zip": with_extension("zip"), "gz": lambda rng: file(rng) + ".gz", "xz": lambda rng: file(rng) + ".xz",
    "bz2": lambda rng: file(rng) + ".bz2",
    "image": with_extension("jpg", "jpg", "png", "png", "jpeg", "gif", "webp", "bmp", "tiff"),
    "video": with_extension("mp4", "mp4", "mkv", "mov", "avi", "webm"),
    "audio": with_extension("mp3", "mp3", "wav", "flac", "ogg", "m4a"),
    "pdf": with_extension("pdf"),
    "script": with_extension("sh", "sh", "sh", "sh", "py", "py", "pl", "bash", "rb"),
    "log": lambda rng: in_directory(rng, stem(rng) + ".log") if rng.random() < .75 else rng.choice(
        ("/var/log/syslog", "/var/log/auth.log", "/var/log/nginx/access.log", "/var/log/messages",
         "syslog", "access.log", "error.log", "/var/log/kern.log", "/var/log/dpkg.log")),
    "csv": with_extension("csv"), "json": with_extension("json"),
    "doc": with_extension("docx", "odt", "doc", "txt", "md", "rtf"),
    "host": host, "ip": address, "port": port, "user": sometimes_numbered(USERS), "group": pick(GROUPS),
    "pkg": pick(PACKAGES), "proc": pick(PROCESSES, .2), "pid": lambda rng: str(rng.randint(2, 10 ** rng.randint(2, 6))),
    "service": pick(SERVICES), "n": number, "word": searched, "url": url, "domain": domain,
    "branch": branch, "disk": disk, "dev": partition,
    "mnt": lambda rng: rng.choice(("/mnt/", "/mnt/", "/media/")) + word_or_made_up(
        rng, ["usb", "data", "backup", "disk", "nas", "external", "iso", "share", "windows"]),
    "ext": lambda rng: rng.choice(EXTENSIONS) if rng.random() < .6 else extension(rng),
    "name": pick(NAMES), "var": variable, "time": clock, "mode": mode, "iface": interface,
    "container": sometimes_numbered(SERVICES + ["web", "db", "app", "cache", "proxy", "my-container"]),
    "image_name": image_name, "db": identifier, "table": identifier,
}


def slot_kind(match):
    """"file2" is a second "file", but "bz2" is a kind of its own."""
    whole = match[1] + match[2]
    return whole if whole in VALUES else match[1]


class Filler:
    """Values for the slots of one example: the same slot gets the same value everywhere."""

    def __init__(self, rng, bare=False, spaced=False):
        """bare: names without directories; spaced: several words in each {word}."""
        self.rng, self.bare, self.values = rng, bare, {}
        self.makers = dict(VALUES, word=text_of_words) if spaced else VALUES

    def value(self, match):
        slot = match[0]
        kind = slot_kind(match)
        if kind not in VALUES:
            return slot
        while slot not in self.values:
            value = self.makers[kind](self.rng)
            if self.bare and kind not in ("path", "url", "mnt", "disk", "dev"):
                value = value.rsplit("/", 1)[-1]
            if value.strip("~.") and value not in self.values.values():
                self.values[slot] = value
        return self.values[slot]

    def fill(self, text):
        return SLOT.sub(self.value, text)


def pool_words():
    """Every word that slot values are made of (the tokenizer keeps them apart from spaces)."""
    pools = (NAMES, USERS, GROUPS, PACKAGES, PROCESSES, SERVICES, WORDS, HOSTS, DIRS, EXTENSIONS)
    text = " ".join(" ".join(p) for p in pools) + " ".join(PATH_ROOTS)
    return {w for w in re.split(r"[^A-Za-z]+", text) if w}
