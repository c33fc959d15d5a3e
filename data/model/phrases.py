"""Tables of words and phrases: how people ask, and what they chat about.

The weights say how often an opening is drawn; a "?" behind it marks a question.
"""
import re


def phrases(text):
    """The phrases between the bars of a text that may run over lines."""
    return [" ".join(p.split()) for p in text.split("|")]


OPENINGS = [(int(p.split()[0]), p.rstrip("?").split(" ", 1)[1] + " ", p.endswith("?")) for p in phrases(
    """14 how do i?|6 how can i?|8 how to?|2 how would i?|2 how do you?|1 how does one?|1 how should i?|
    1 how could i?|5 please|3 can you?|2 could you?|1 could you please?|1 can you please?|
    1 would you?|2 what's the command to?|3 what is the command to?|1 what command do i use to?|
    1 what command can i use to?|1 which command do i need to?|1 what do i type to?|2 show me how to|
    1 tell me how to|1 can you show me how to?|3 i want to|3 i need to|2 i'd like to|
    1 i would like to|1 i have to|1 need to|1 want to|1 i am trying to|1 i'm trying to|2 command to|
    1 the command to|1 give me the command to|1 give me a command to|1 linux command to|
    1 shell command to|1 terminal command to|1 bash command to|2 help me|1 help me to|
    1 is there a way to?|1 is there a command to?|1 what is the best way to?|
    1 what's the easiest way to?|1 best way to|1 is it possible to?|1 on linux, how do i?|
    1 in bash, how do i?|1 in the terminal, how do i?|1 let me|1 hi, how do i?|1 hello, i want to|
    1 quickly|1 just|1 now|1 ok,|1 i forgot how to|1 remind me how to""")]
CLOSINGS = phrases("""
    please|on linux|in linux|in the terminal|from the terminal|from the command line|
    on the command line|in bash|for me|now|on my computer|on ubuntu|on debian|thanks|quickly""")

# words that may be replaced by each other > further words that may stand in their place
SYNONYMS = [[phrases(side) for side in (line + ">").split(">")[:2]] for line in """
    delete|remove > erase
    show|display > list|print
    list > show|display
    directory|folder
    directories|folders
    find|search for|look for > locate
    create|make
    larger than|bigger than|greater than > over|more than|above
    smaller than|less than > under|below
    large|big > huge
    extract|unpack
    computer|machine > system|box|pc
    contents|content
    see|view
    current directory|current folder|this directory|this folder
    pictures|images|photos
    megabytes > MB|mb
    gigabytes > GB|gb
    containing|that contain > which contain
    named|called > with the name
    ending in|ending with|that end in
    repository|repo
    website > site|web site
    biggest|largest
    program|application > app
    whole|entire
    info|information > details
    zip file|zip archive > zip
    terminate > kill|stop
    every > each
    within > in|inside
    inside > in""".strip().splitlines()]
SYNONYM_OF = {w: words + [m for m in more if m] for words, more in SYNONYMS for w in words}
SYNONYM = re.compile(r"\b(%s)\b" % "|".join(
    sorted(map(re.escape, SYNONYM_OF), key=len, reverse=True)))
SMALL_WORDS = """a all an are can do for i is me my of please that the this""".split()

# the programs whose tldr pages are used
TLDR_COMMANDS = """alias apt apt-get at awk base64 basename bash bc bg blkid cal cat cd chgrp chmod
chown clear cmp column comm convert cp crontab curl cut date dd df diff dig dirname dmesg docker
dpkg du echo env expand export factor fdisk ffmpeg fg file find fold free fsck getent git gpg grep
groupadd groups gunzip gzip head hexdump history host hostname hostnamectl id identify ifconfig
iostat ip ip-address ip-route jobs journalctl jq kill killall last less ln locate ls lsblk lscpu
lsmod lsof lspci lsusb make md5sum mkdir mkfifo mkfs mkfs.ext4 modprobe mogrify mount mv nano nc
netstat nice nl nmcli nohup npm nproc nslookup openssl passwd paste pdftotext pgrep ping pip pkill
printenv ps pstree pwd python3 rename rev rm rmdir rsync scp screen sed seq sftp sha256sum shred
shuf shutdown sleep sort split sqlite3 ss ssh ssh-copy-id ssh-keygen stat strings su sudo swapoff
swapon systemctl tac tail tar tcpdump tee time timedatectl timeout tmux top touch tr traceroute
tree truncate ufw umount uname uniq unxz unzip uptime useradd userdel usermod uuidgen vim vmstat w
watch wc wget whereis which who whoami whois xargs xxd xz yes zcat zgrep zip""".split()
GIT_COMMANDS = """add blame branch checkout cherry-pick clean clone commit config diff fetch grep
init log merge mv pull push rebase reflog remote reset restore revert rm show stash status switch
tag""".split()

CHAT = phrases("""
    hello there|how are you|what is the meaning of life|tell me a joke|who are you|sing a song|
    what is love|do you like music|what's your name|i am bored|write a poem about {w}|
    who won the match|what should i eat today|recommend a book about {w}|who was {w}|
    translate {w} to german|what does {w} mean|how tall is {w}|when was {w} born|explain {w} to me|
    what do you think about {w}|is {w} better than {w2}|how do i cook {w}|how do i bake {w}|
    where can i buy {w}|what is the capital of {w}|how far is {w}|how much does {w} cost|
    why is {w} {w2}|my {w} is {w2}|i love {w}|i hate {w}|good morning {w}|can you dance|
    are you human|what colour is {w}|make me a {w} with {w2}|how do i repair my {w}|
    book a flight to {w}|order {w}|call {w}|remind me of {w} at noon|play {w}|how do i learn {w}|
    who invented {w}|what happened in {n}|what is {n} times {n2} in {w}|do the {w}|{w} {w2}|{w}|
    {w} {w2} {w3}|the {w} of {w2}|give me {n} {w}|is it going to rain in {w}|
    what time does {w} open|delete all my {f}|delete my {f}|remove the {f} from my life|
    kill my {f}|erase {f} and {f2}|copy my {f} to {w}|move my {f} to {w}|rename my {f}|
    find my {f}|find the meaning of {f}|search for {f}|look for true {f}|
    show me the {f}|list all {f}|list the reasons for {f}|count my {f}|sort my {f} by {w}|
    compress my {f}|zip up the {f}|extract the {f}|extract {f} from {w}|unpack my {f}|
    download more {f}|upload my {f} to the {w}|install {f} in my {w}|uninstall my {f}|
    update my {f}|upgrade my {w}|restart my {f}|stop the {f}|start the {w}|connect me with {f}|
    change my {f}|change the owner of the {w}|make {f} executable|create {f} out of {w}|
    mount the {w}|merge {f} with {f2}|split the {w} into {n} slices|convert {f} into {f2}|
    encrypt my {f}|back up my {f}|restore my {f}|sync my {f} with {w}|compare {f} with {f2}|
    replace {f} with {f2} in my life|print all the {f}|monitor my {f}|schedule some {f}|
    how much {f} is left in {w}|how many {f} are in a {w}|which {w} uses the most {f}|
    what is my {f}|fix my {f}|clean the {w}|open the {w}|close the {w}|turn off the {f}|
    wash the {w} in {n} minutes|ping the {w}|push the {w}|pull the {w}|run to the {w}|
    cut the {w} in {n} pieces|check the {f} of my {w}|set the {w} to {f}""")
FEELINGS = """problems feelings sorrows worries regrets happiness sadness boredom loneliness courage
hope patience wisdom luck dreams fears doubts love friendship joy anger guilt shame debts enemies
neighbours ex-boyfriend mother-in-law childhood soul heartbreak motivation confidence sense humour
karma destiny fate sins kindness jealousy pride beauty youth wrinkles calories fat muscles hunger
thirst headaches toothache nightmares memories of you Mondays politicians mosquitoes wishes
secrets of life socks dishes laundry potatoes grass leaves sandwiches kittens feelings""".split()
CHAT_WORDS = """pizza soup bread love cats dogs football tennis paris rome tokyo spain france bob
marley einstein napoleon jazz rock blue cheerful sad guitar piano chess coffee tea cake pasta rice
chicken dinner breakfast rain snow sun moon mars galaxy physics biology philosophy poetry
shakespeare car bicycle train airplane holiday birthday wedding present flowers garden tree river
beach school teacher doctor medicine headache dream money stock market politics president election
war peace religion art painting movie actor singer chocolate cheese wine beer shoes shirt hair lamp
balcony door roof washing sofa spanish french german chinese purple quickly banana seventeen jump
because upward under lovely sideways triangle elephant giraffe cloud""".split()
