# Cut $1 into `words`, unquoted, and `cur`, its last word as far as it goes. `head` is the part of
# `cur` that readline leaves as it is, `quote` the quote that is open, `target` is set where `cur`
# is the target of a redirection.
__zimage_split() {
    local rest=$1 special=$' \t\n\'"\\\\<>|;&' breaks=$'\n' chunk piece char begun=''
    for char in '=' ':' '@'; do
        case $COMP_WORDBREAKS in *"$char"*) breaks=$breaks$char ;; esac
    done
    words=() cur='' head='' quote='' target=''
    while [ -n "$rest" ]; do
        case $quote in
        \') chunk=${rest%%\'*} ;;
        \") chunk=${rest%%[\"\\]*} ;;
        *) chunk=${rest%%[$special]*} ;;
        esac
        if [ -n "$chunk" ]; then
            if [ -z "$quote" ]; then
                piece=${chunk##*[$breaks]}
                if [ "$piece" != "$chunk" ]; then
                    head=$cur${chunk%"$piece"}
                    head=${head%@}
                fi
            fi
            cur=$cur$chunk rest=${rest#"$chunk"} begun=1
            continue
        fi
        char=${rest:0:1} rest=${rest:1}
        case $quote$char in
        \'\' | \"\") quote='' head=$cur ;;
        \"\\ | \\) cur=$cur${rest:0:1} rest=${rest:1} begun=1 ;;
        \' | \") quote=$char head=$cur begun=1 ;;
        [\<\>])
            # The digits before it are a file descriptor.
            case $cur in *[!0-9]*) words[${#words[@]}]=$cur ;; esac
            while :; do case $rest in [\<\>\&\|]*) rest=${rest:1} ;; *) break ;; esac; done
            while :; do case $rest in [[:space:]]*) rest=${rest:1} ;; *) break ;; esac; done
            cur='' head='' begun='' target=1
            ;;
        [\|\;\&])
            case $rest in \>*) ;; *) break ;; esac
            ;;
        *)
            [ -n "$begun" ] || continue
            [ -n "$target" ] || words[${#words[@]}]=$cur
            cur='' head='' begun='' target=''
            ;;
        esac
    done
}

# Find the option $1 of the command: its `names` and those of its opposite, `value`, `many`.
__zimage_option() {
    local spec
    for spec in $options; do
        names=${spec%%:*} value=${spec#*:}
        many=${value#*:} value=${value%%:*}
        case "|$names|" in *"|$1|"*) return 0 ;; esac
    done
    names='' value='' many=''
    return 1
}

# Take the word $1, which begins with `-`, for options: `given` grows. Where the last one takes a
# value, `value` is its kind, `lead` the part of the word before the value; `owed` is set where the
# value is the next word.
__zimage_take() {
    local letters
    value='' lead='' owed=''
    case $1 in
    --*=*)
        __zimage_option "${1%%=*}" && given="$given$names "
        lead=${1%%=*}=
        ;;
    --*)
        __zimage_option "$1" && given="$given$names "
        [ -z "$value" ] || owed=1
        ;;
    *)
        letters=${1#-} lead=-
        while [ -n "$letters" ]; do
            lead=$lead${letters:0:1}
            __zimage_option "-${letters:0:1}" || return 0
            given="$given$names " letters=${letters:1}
            [ -z "$value" ] || break
        done
        [ -z "$value" ] || [ -n "$letters" ] || owed=1
        ;;
    esac
}

# Offer $1, what `cur` may become; `$2` is what comes after it.
__zimage_offer() {
    local rest=${1#"$head"} text=''
    # A size is to reach zimage as it is, whatever files there are: 1024\*1024.
    while [ -z "$quote" ]; do
        case $rest in
        *\**) text="$text${rest%%\**}\\*" rest=${rest#*\*} ;;
        *) break ;;
        esac
    done
    text=$text$rest
    [ -n "$quote" ] || [ -n "$__zimage_compopt" ] || text=$text$2
    COMPREPLY[${#COMPREPLY[@]}]=$text
}

# Offer the files and folders that `cur` may become after `lead`, by `patterns` and `folders`.
__zimage_offer_paths() {
    local partial=${cur#"$lead"} real path pattern text null='' fail='' keep
    real=$partial
    case $quote$partial in '~/'*) real=$HOME/${partial#??} ;; esac
    shopt -q nullglob && null=1
    shopt -q failglob && fail=1
    shopt -s nullglob
    shopt -u failglob
    for path in "$real"*; do
        text=$lead$partial${path#"$real"} keep=''
        if [ -d "$path" ]; then
            keep=$folders
        else
            for pattern in ${patterns[@]+"${patterns[@]}"}; do
                case $path in $pattern) keep=1 ;; esac
            done
        fi
        [ -n "$keep" ] || continue
        text=${text#"$head"}
        if [ -z "$__zimage_compopt" ]; then
            if [ -z "$quote" ]; then
                case $text in
                '~/'*) printf -v text '%q' "${text#??}" && text='~/'$text ;;
                *) printf -v text '%q' "$text" ;;
                esac
            fi
            if [ -d "$path" ]; then text=$text/; else [ -n "$quote" ] || text="$text "; fi
        fi
        COMPREPLY[${#COMPREPLY[@]}]=$text
    done
    [ -n "$null" ] || shopt -u nullglob
    [ -z "$fail" ] || shopt -s failglob
    [ -z "$__zimage_compopt" ] || compopt -o filenames 2>/dev/null
}

# Offer the values of kind $1 that `cur` may become after `lead`.
__zimage_offer_values() {
    local candidates patterns folders goes_on space=' ' word
    candidates=() patterns=() folders='' goes_on=''
    __zimage_values "$1" "${arguments_given##*$'\n'}"
    if [ -n "$folders" ] || [ ${#patterns[@]} -gt 0 ]; then
        __zimage_offer_paths
        return
    fi
    if [ -n "$goes_on" ]; then
        space=''
        [ -z "$__zimage_compopt" ] || compopt -o nospace 2>/dev/null
    fi
    if [ "$goes_on" = , ]; then
        case ${cur#"$lead"} in *,*) lead=${cur%,*}, ;; esac
    fi
    for word in ${candidates[@]+"${candidates[@]}"}; do
        case $lead$word in "$cur"*) __zimage_offer "$lead$word" "$space" ;; esac
    done
}

# Offer the command's options that are not given yet, long before short.
__zimage_offer_options() {
    local kind spec name
    for kind in long short; do
        for spec in $options; do
            name=${spec%%:*}
            case $given in *" $name "*) case $spec in *:+) ;; *) continue ;; esac ;; esac
            while [ -n "$name" ]; do
                case $kind${name%%|*} in
                long--* | short-[!-]) case ${name%%|*} in "$cur"*) __zimage_offer "${name%%|*}" ' ' ;; esac ;;
                esac
                case $name in *\|*) name=${name#*|} ;; *) name='' ;; esac
            done
        done
    done
}

_zimage() {
    local IFS=$' \t\n' words cur head quote target commands options arguments
    local names value many lead='' owed='' given=' ' path='' ended='' arguments_given=''
    local word count=0 before behind
    COMPREPLY=()
    # What stands behind the cursor, after the rest of the word that it is in.
    __zimage_split "x${COMP_LINE:$COMP_POINT} "
    behind=("${words[@]}")
    __zimage_split "${COMP_LINE:0:$COMP_POINT}"
    if [ -n "$target" ]; then
        [ -z "$__zimage_compopt" ] || compopt -o default 2>/dev/null
        return 0
    fi
    [ -z "$__zimage_compopt" ] || compopt -o nosort 2>/dev/null
    __zimage_command ''
    for word in "${words[@]:1}"; do
        if [ -n "$owed" ]; then
            owed=''
        elif [ -z "$ended" ] && [ "$word" = -- ]; then
            ended=1
        elif [ -z "$ended" ] && [ "${word:0:1}" = - ] && [ "$word" != - ]; then
            __zimage_take "$word"
        elif [ -n "$commands" ]; then
            case " $commands " in *" $word "*) ;; *) return 0 ;; esac
            path="${path:+$path }$word" ended='' given=' '
            __zimage_command "$path"
        else
            arguments_given=$arguments_given$'\n'$word count=$((count + 1))
        fi
    done
    if [ -n "$owed" ]; then
        lead=''
        __zimage_offer_values "$value"
        return 0
    fi
    if [ -z "$quote" ] && [ -z "$ended" ]; then
        for word in "${behind[@]:1}"; do
            case $word in --) break ;; -?*) __zimage_take "$word" ;; esac
        done
    fi
    value='' lead=''
    if [ -z "$ended" ] && [ "${cur:0:1}" = - ]; then
        before=$given
        __zimage_take "$cur"
        given=$before # the word itself is not given yet
        if [ -n "$value" ] && [ -z "$owed" ]; then
            __zimage_offer_values "$value"
        else
            __zimage_offer_options
        fi
        return 0
    fi
    if [ -n "$commands" ]; then
        for word in $commands; do
            case $word in "$cur"*) __zimage_offer "$word" ' ' ;; esac
        done
        return 0
    fi
    for word in $arguments; do
        value=${word%:+}
        case $word in *:+) count=0 ;; esac
        [ $count -gt 0 ] || break
        value='' count=$((count - 1))
    done
    if [ -n "$value" ]; then
        __zimage_offer_values "$value"
    elif [ -z "$cur" ] && [ -z "$ended" ]; then
        __zimage_offer_options
    fi
    return 0
}

# Without compopt (bash 3.2) it is not readline that puts spaces and slashes, but this script.
__zimage_compopt=''
if type compopt >/dev/null 2>&1; then
    __zimage_compopt=1
    complete -F _zimage zimage
else
    complete -o nospace -F _zimage zimage
fi
