# bash completion for ryzen-llm(1)

_ryzen_llm_models() {
    mapfile -t COMPREPLY < <(compgen -W "$(ryzen-llm "$@" models --quiet 2>/dev/null)" -- "$cur")
}

_ryzen_llm_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_ryzen_llm_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -d -- "$cur"; compgen -f -X '!*.[gG][gG][uU][fF]' -- "$cur")
}

_ryzen_llm() {
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local verbs="ask chat models show install remove load unload status bench help"
    local generation="--max-tokens --temperature --top-k --top-p --min-p --repeat-penalty --presence-penalty
        --frequency-penalty --repeat-last-n --typical-p --top-n-sigma --min-keep
        --xtc-probability --xtc-threshold --dry-multiplier --dry-base --dry-allowed-length --dry-penalty-last-n
        --dry-sequence-breakers --dynatemp-range --dynatemp-exponent --mirostat --mirostat-tau --mirostat-eta
        --samplers --logit-bias --seed --stop --grammar --json-schema --draft
        --ignore-eos"
    local verb="" word i
    local -a bus=()
    local -A options=(
        [ask]="--model --system --raw --json --verbose $generation"
        [chat]="--model --system --verbose $generation"
        [models]="--json --quiet" [show]="--json" [install]="--name --replace --weights --kv --draft" [remove]="" [load]=""
        [unload]="--force" [status]="--json" [help]=""
        [bench]="--model --prompt-tokens --tokens --repeat --concurrency --draft --json --shape --export --weights --suite --layers --vocabulary --threads --budget --output --plot"
    )
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --user) bus=(--user) ;;
        -*) ;;
        *) [[ $verb ]] || verb=$word ;;
        esac
    done

    # "--model=tin" comes as three words.
    if [[ $previous == "=" && $COMP_CWORD -ge 2 ]]; then
        previous=${COMP_WORDS[COMP_CWORD-2]}
    elif [[ $cur == "=" ]]; then
        cur=""
    fi

    if [[ -z $verb ]]; then
        if [[ $cur == -* ]]; then
            _ryzen_llm_words "--user --version --help"
        else
            _ryzen_llm_words "$verbs"
        fi
        return
    fi
    case $previous in
    --samplers)
        _ryzen_llm_words "penalties dry top_n_sigma top_k typ_p top_p min_p xtc temperature"
        return
        ;;
    --draft)
        if [[ $verb == install ]]; then
            _ryzen_llm_files
        else
            _ryzen_llm_words "auto off lookup model"
        fi
        return
        ;;
    --weights)
        if [[ $verb == install ]]; then _ryzen_llm_words "file q8 q4"; fi
        return
        ;;
    --kv) _ryzen_llm_words "f32 f16 i8"; return ;;
    --grammar | --json-schema) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    -m | --model) _ryzen_llm_models "${bus[@]}"; return ;;
    -s | --system | -n | --name | -p | -r | -c | --max-tokens | --temperature | --top-[kp] | --min-p | --*-penalty | \
        --repeat-last-n | --typical-p | --top-n-sigma | --min-keep | --xtc-* | --dry-* | --dynatemp-* | --mirostat* | \
        --logit-bias | --seed | --stop | --prompt-tokens | --tokens | --repeat | --concurrency) return ;;
    esac
    if [[ $cur == -* && -v options[$verb] ]]; then
        _ryzen_llm_words "${options[$verb]} --user --help"
        return
    fi
    case $verb in
    show | remove | load | unload) _ryzen_llm_models "${bus[@]}" ;;
    help) _ryzen_llm_words "$verbs" ;;
    install)
        _ryzen_llm_files
        ;;
    esac
}

complete -F _ryzen_llm ryzen-llm
