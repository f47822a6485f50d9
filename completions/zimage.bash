# Completion of zimage for bash 3.2 and later, with bash-completion and without.
# Made by: python -m zimage_cli.cli.completion
# shellcheck shell=bash disable=SC2034,SC2088,SC2254,SC2295

# Set `commands`, `options` (NAMES:VALUE:+ where repeatable) and `arguments` of the command $1.
__zimage_command() {
    commands='' options='' arguments=''
    case $1 in
    '')
        commands='generate batch validate config regions sizes history open inspect gallery sandbox mcp skill schema completions help'
        options='--version::
            --help::
            -h::'
        ;;
    'generate')
        options='--size|-s:size:
            --seed:free:
            --no-seed::
            --prompt-extend|--no-prompt-extend::
            --preset:free:+
            --count|-n:free:
            --expand::
            --sizes:sizes:
            --seeds:free:
            --request:free:
            --file:request_file:
            --like:picture_file:
            --rewritten::
            --region|-r:region:
            --endpoint:endpoint:
            --workspace:free:
            --base-url:free:
            --sandbox::
            --timeout:free:
            --retries:free:
            --retry-lost::
            --pace-alone::
            --max-cost:free:
            --yes|-y::
            --output|-o:picture_file:
            --output-dir:folder:
            --name:free:
            --overwrite::
            --format:format:
            --quality:free:
            --no-metadata::
            --no-evidence::
            --open::
            --preview|--no-preview::
            --json::
            --print-response::
            --quiet|-q::
            --dry-run::
            --help::
            -h::'
        arguments='free'
        ;;
    'batch')
        options='--size|-s:size:
            --seed:free:
            --no-seed::
            --prompt-extend|--no-prompt-extend::
            --preset:free:+
            --count|-n:free:
            --expand::
            --sizes:sizes:
            --seeds:free:
            --region|-r:region:
            --endpoint:endpoint:
            --workspace:free:
            --base-url:free:
            --sandbox::
            --timeout:free:
            --retries:free:
            --retry-lost::
            --trust-base-url::
            --rps:free:
            --pace-alone::
            --concurrency|-j:free:
            --patience:free:
            --max-cost:free:
            --yes|-y::
            --skip-invalid::
            --retry-failed::
            --fresh::
            --shard:free:
            --merge::
            --input-format:input_format:
            --encoding:encoding:
            --output|-o:folder:
            --output-dir:folder:
            --name:free:
            --format:format:
            --quality:free:
            --no-metadata::
            --no-evidence::
            --json::
            --quiet|-q::
            --notify::
            --dry-run::
            --help::
            -h::'
        arguments='batch_file folder:+'
        ;;
    'validate')
        options='--size|-s:size:
            --seed:free:
            --prompt-extend|--no-prompt-extend::
            --preset:free:+
            --request:free:
            --file:request_file:
            --region|-r:region:
            --endpoint:endpoint:
            --workspace:free:
            --base-url:free:
            --sandbox::
            --online::
            --output-dir:folder:
            --json::
            --quiet|-q::
            --help::
            -h::'
        arguments='free'
        ;;
    'config')
        commands='show get set unset path edit set-region set-key unset-key set-workspace preset'
        options='--json::
            --help|-h::'
        ;;
    'config show')
        options='--json::
            --help|-h::'
        ;;
    'config get')
        options='--help|-h::'
        arguments='setting'
        ;;
    'config set')
        options='--region|-r:service_region:
            --help|-h::'
        arguments='stored_setting new_value'
        ;;
    'config unset')
        options='--region|-r:service_region:
            --help|-h::'
        arguments='stored_setting'
        ;;
    'config path')
        options='--help|-h::'
        ;;
    'config edit')
        options='--help|-h::'
        ;;
    'config set-region')
        options='--help|-h::'
        arguments='region'
        ;;
    'config set-key')
        options='--region|-r:service_region:
            --from-env::
            --help|-h::'
        arguments='free'
        ;;
    'config unset-key')
        options='--region|-r:service_region:
            --help|-h::'
        ;;
    'config set-workspace')
        options='--region|-r:service_region:
            --help|-h::'
        arguments='free'
        ;;
    'config preset')
        commands='list show set unset import'
        options='--json::
            --help|-h::'
        ;;
    'config preset list')
        options='--json::
            --help|-h::'
        ;;
    'config preset show')
        options='--json::
            --help|-h::'
        arguments='free'
        ;;
    'config preset set')
        options='--prompt:free:
            --size|-s:size:
            --seed:free:
            --prompt-extend|--no-prompt-extend::
            --json::
            --help|-h::'
        arguments='free'
        ;;
    'config preset unset')
        options='--json::
            --help|-h::'
        arguments='free'
        ;;
    'config preset import')
        options='--overwrite::
            --encoding:encoding:
            --json::
            --help|-h::'
        arguments='styles_file'
        ;;
    'regions')
        commands='list show ping'
        options='--json::
            --help|-h::'
        ;;
    'regions list')
        options='--json::
            --help|-h::'
        ;;
    'regions show')
        options='--json::
            --help|-h::'
        arguments='region'
        ;;
    'regions ping')
        options='--all::
            --json::
            --help|-h::'
        arguments='region'
        ;;
    'sizes')
        options='--json::
            --help|-h::'
        ;;
    'history')
        commands='list show stats recover export forget path'
        options='--limit|-l:free:
            --since:time:
            --until:time:
            --status:status:+
            --region|-r:recorded_region:
            --size|-s:size:
            --seed:free:
            --batch:folder:
            --paths::
            --null|-0::
            --json::
            --help|-h::'
        ;;
    'history list')
        options='--limit|-l:free:
            --since:time:
            --until:time:
            --status:status:+
            --region|-r:recorded_region:
            --size|-s:size:
            --seed:free:
            --batch:folder:
            --paths::
            --null|-0::
            --json::
            --help|-h::'
        arguments='free:+'
        ;;
    'history show')
        options='--preview|--no-preview::
            --json::
            --help|-h::'
        arguments='picture_file'
        ;;
    'history stats')
        options='--by:group:
            --since:time:
            --until:time:
            --json::
            --help|-h::'
        ;;
    'history recover')
        options='--output-dir:folder:
            --dry-run::
            --json::
            --quiet|-q::
            --help|-h::'
        arguments='picture_file:+'
        ;;
    'history export')
        options='--output|-o:export_file:
            --format:export_format:
            --overwrite::
            --since:time:
            --until:time:
            --status:status:+
            --region|-r:recorded_region:
            --size|-s:size:
            --seed:free:
            --batch:folder:
            --json::
            --help|-h::'
        arguments='free:+'
        ;;
    'history forget')
        options='--yes|-y::
            --json::
            --help|-h::'
        arguments='picture_file:+'
        ;;
    'history path')
        options='--json::
            --help|-h::'
        ;;
    'open')
        options='--json::
            --help|-h::'
        arguments='picture_file:+'
        ;;
    'inspect')
        options='--command::
            --preview|--no-preview::
            --json::
            --help|-h::'
        arguments='picture_file:+'
        ;;
    'gallery')
        options='--output|-o:page_file:
            --title:free:
            --embed::
            --open::
            --overwrite::
            --limit|-l:free:
            --since:time:
            --until:time:
            --status:status:+
            --region|-r:recorded_region:
            --size|-s:size:
            --seed:free:
            --batch:folder:
            --json::
            --quiet|-q::
            --help::
            -h::'
        arguments='folder:+'
        ;;
    'sandbox')
        commands='serve'
        options='--help|-h::'
        ;;
    'sandbox serve')
        options='--port:free:
            --latency:free:
            --rps:free:
            --fault:fault:+
            --fault-seed:free:
            --label:label:
            --json::
            --quiet|-q::
            --help|-h::'
        ;;
    'mcp')
        options='--output-dir:folder:
            --max-cost:free:
            --confirm-above:free:
            --region|-r:region:
            --sandbox::
            --print-config:host:
            --help|-h::'
        ;;
    'skill')
        commands='show install'
        options='--help|-h::'
        ;;
    'skill show')
        options='--help|-h::'
        arguments='skill_file'
        ;;
    'skill install')
        options='--project::
            --user::
            --agent:agent:+
            --force::
            --json::
            --quiet|-q::
            --help|-h::'
        ;;
    'schema')
        options='--for:target:
            --help|-h::'
        arguments='schema'
        ;;
    'completions')
        commands='show install uninstall'
        options='--help|-h::'
        ;;
    'completions show')
        options='--help|-h::'
        arguments='shell'
        ;;
    'completions install')
        options='--help|-h::'
        arguments='shell'
        ;;
    'completions uninstall')
        options='--help|-h::'
        arguments='shell'
        ;;
    'help')
        options='--json::
            --help|-h::'
        arguments='command subcommand:+'
        ;;
    esac
}

# Set what a value of kind $1 can be; $2 is the argument before it.
__zimage_values() {
    case $1 in
    size)
        candidates=(
            'square'
            'portrait'
            'landscape'
            '1:1'
            '2:3'
            '3:2'
            '3:4'
            '4:3'
            '7:9'
            '9:7'
            '9:16'
            '9:21'
            '16:9'
            '21:9'
            '1:1@1280'
            '1:1@1536'
            '2:3@1280'
            '2:3@1536'
            '3:2@1280'
            '3:2@1536'
            '3:4@1280'
            '3:4@1536'
            '4:3@1280'
            '4:3@1536'
            '7:9@1280'
            '7:9@1536'
            '9:7@1280'
            '9:7@1536'
            '9:16@1280'
            '9:16@1536'
            '9:21@1280'
            '9:21@1536'
            '16:9@1280'
            '16:9@1536'
            '21:9@1280'
            '21:9@1536'
        )
        ;;
    sizes)
        candidates=(
            'square'
            'portrait'
            'landscape'
            '1:1'
            '2:3'
            '3:2'
            '3:4'
            '4:3'
            '7:9'
            '9:7'
            '9:16'
            '9:21'
            '16:9'
            '21:9'
            '1:1@1280'
            '1:1@1536'
            '2:3@1280'
            '2:3@1536'
            '3:2@1280'
            '3:2@1536'
            '3:4@1280'
            '3:4@1536'
            '4:3@1280'
            '4:3@1536'
            '7:9@1280'
            '7:9@1536'
            '9:7@1280'
            '9:7@1536'
            '9:16@1280'
            '9:16@1536'
            '9:21@1280'
            '9:21@1536'
            '16:9@1280'
            '16:9@1536'
            '21:9@1280'
            '21:9@1536'
        )
        goes_on=','
        ;;
    request_file)
        patterns=('*.[jJ][sS][oO][nN]')
        folders=1
        ;;
    picture_file)
        patterns=('*.[pP][nN][gG]' '*.[jJ][pP][gG]' '*.[jJ][pP][eE][gG]' '*.[wW][eE][bB][pP]')
        folders=1
        ;;
    region)
        candidates=(
            'beijing'
            'singapore'
            'cn-beijing'
            'ap-southeast-1'
            'sandbox'
        )
        ;;
    endpoint)
        candidates=(
            'shared'
            'workspace'
            'trial'
        )
        ;;
    folder)
        folders=1
        ;;
    format)
        candidates=(
            'png'
            'jpeg'
            'webp'
        )
        ;;
    input_format)
        candidates=(
            'jsonl'
            'csv'
            'tsv'
            'txt'
        )
        ;;
    encoding)
        candidates=(
            'gb18030'
            'gbk'
            'big5'
            'shift_jis'
            'euc_kr'
            'utf-16'
            'utf-8'
            'cp1252'
        )
        ;;
    batch_file)
        patterns=('*.[jJ][sS][oO][nN][lL]' '*.[nN][dD][jJ][sS][oO][nN]' '*.[cC][sS][vV]' '*.[tT][sS][vV]' '*.[tT][xX][tT]')
        folders=1
        ;;
    setting)
        candidates=(
            'region'
            'endpoint'
            'workspace'
            'base_url'
            'key'
            'size'
            'prompt_extend'
            'output_dir'
            'format'
            'quality'
            'metadata'
            'timeout'
            'retries'
            'rps'
            'pace_url'
            'pace_account'
            'evidence'
            'preview'
            'language'
        )
        ;;
    service_region)
        candidates=(
            'beijing'
            'singapore'
            'cn-beijing'
            'ap-southeast-1'
        )
        ;;
    stored_setting)
        candidates=(
            'region'
            'endpoint'
            'workspace'
            'base_url'
            'size'
            'prompt_extend'
            'output_dir'
            'format'
            'quality'
            'metadata'
            'timeout'
            'retries'
            'rps'
            'pace_url'
            'pace_account'
            'evidence'
            'preview'
            'language'
        )
        ;;
    new_value)
        case $2 in
        region) __zimage_values region '' ;;
        endpoint) __zimage_values endpoint '' ;;
        size) __zimage_values size '' ;;
        prompt_extend) __zimage_values switch '' ;;
        output_dir) __zimage_values folder '' ;;
        format) __zimage_values format '' ;;
        metadata) __zimage_values switch '' ;;
        evidence) __zimage_values switch '' ;;
        preview) __zimage_values preview '' ;;
        language) __zimage_values language '' ;;
        esac
        ;;
    switch)
        candidates=(
            'true'
            'false'
        )
        ;;
    preview)
        candidates=(
            'auto'
            'on'
            'off'
        )
        ;;
    language)
        candidates=(
            'en'
            'zh'
        )
        ;;
    styles_file)
        patterns=('*.[cC][sS][vV]')
        folders=1
        ;;
    time)
        candidates=(
            'today'
            'yesterday'
            '7d'
            '30d'
        )
        ;;
    status)
        candidates=(
            'saved'
            'made'
            'lost'
            'failed'
            'refused'
            'sending'
        )
        ;;
    recorded_region)
        candidates=(
            'beijing'
            'singapore'
            'cn-beijing'
            'ap-southeast-1'
            'sandbox'
            'custom'
        )
        ;;
    group)
        candidates=(
            'day'
            'month'
            'region'
            'size'
            'status'
        )
        ;;
    export_file)
        patterns=('*.[jJ][sS][oO][nN][lL]' '*.[cC][sS][vV]')
        folders=1
        ;;
    export_format)
        candidates=(
            'jsonl'
            'csv'
        )
        ;;
    page_file)
        patterns=('*.[hH][tT][mM][lL]')
        folders=1
        ;;
    fault)
        candidates=(
            'list'
            'InvalidParameter'
            'InvalidParameter.DataInspection'
            'BadRequest.TooLarge'
            'DataInspectionFailed'
            'data_inspection_failed'
            'IPInfringementSuspect'
            'Arrearage'
            'InvalidApiKey'
            'invalid_api_key'
            'AccessDenied'
            'AccessDenied.Unpurchased'
            'Model.AccessDenied'
            'Workspace.AccessDenied'
            'AllocationQuota.FreeTierOnly'
            'ModelNotFound'
            'model_not_found'
            'WorkSpaceNotFound'
            'Throttling'
            'Throttling.RateQuota'
            'LimitRequests'
            'limit_requests'
            'Throttling.BurstRate'
            'limit_burst_rate'
            'Throttling.AllocationQuota'
            'insufficient_quota'
            'CommodityNotPurchased'
            'PrepaidBillOverdue'
            'PostpaidBillOverdue'
            'InternalError'
            'internal_error'
            'InternalError.Algo'
            'InternalError.Timeout'
            'SystemError'
            'ModelServiceFailed'
            'RequestTimeOut'
            'ModelServingError'
            'ModelUnavailable'
            'html-502'
            'html-503'
            'html-504'
            'empty-500'
            'empty-502'
            'empty-503'
            'empty-504'
            'empty-200'
            'html-200'
            'not-json'
            'json-list'
            'no-choices'
            'no-image'
            'no-output'
            'error-in-200'
            'reasoning-in-content'
            'no-usage'
            'no-request-id'
            'wrong-usage'
            'wrong-size'
            'hostile-text'
            'hostile-error'
            'foreign-url'
            'reset'
            'reset-early'
            'close'
            'cut-answer'
            'slow-answer'
            'drip-answer'
            'no-answer'
            'redirect'
            'picture-cut'
            'picture-cut-chunked'
            'picture-reset'
            'picture-stall'
            'picture-slow'
            'picture-corrupt'
            'picture-undecodable'
            'picture-truncated'
            'picture-trailing'
            'picture-html'
            'picture-jpeg'
            'picture-empty'
            'picture-expired'
            'picture-404'
            'picture-500'
            'picture-503'
            'picture-too-large'
            'picture-too-large-chunked'
            'picture-redirect'
            'picture-redirect-loop'
        )
        goes_on=':'
        ;;
    label)
        candidates=(
            'aigc'
            'xmp'
            'c2pa'
        )
        goes_on=','
        ;;
    host)
        candidates=(
            'claude'
            'codex'
            'cursor'
            'vscode'
        )
        ;;
    skill_file)
        candidates=(
            'SKILL.md'
            'references/commands.md'
            'references/errors.md'
            'agents/openai.yaml'
        )
        ;;
    agent)
        candidates=(
            'claude'
            'codex'
            'copilot'
            'cursor'
            'gemini'
            'qwen'
        )
        ;;
    target)
        candidates=(
            'openai'
            'anthropic'
            'mcp'
        )
        ;;
    schema)
        candidates=(
            'request'
            'response'
            'result'
            'batch-line'
            'error'
        )
        ;;
    shell)
        candidates=(
            'bash'
            'zsh'
            'fish'
            'powershell'
        )
        ;;
    command)
        candidates=(
            'generate'
            'batch'
            'validate'
            'config'
            'regions'
            'sizes'
            'history'
            'open'
            'inspect'
            'gallery'
            'sandbox'
            'mcp'
            'skill'
            'schema'
            'completions'
            'help'
        )
        ;;
    subcommand)
        case $2 in
        config) __zimage_values config_command '' ;;
        regions) __zimage_values regions_command '' ;;
        history) __zimage_values history_command '' ;;
        sandbox) __zimage_values sandbox_command '' ;;
        skill) __zimage_values skill_command '' ;;
        completions) __zimage_values completions_command '' ;;
        esac
        ;;
    config_command)
        candidates=(
            'show'
            'get'
            'set'
            'unset'
            'path'
            'edit'
            'set-region'
            'set-key'
            'unset-key'
            'set-workspace'
            'preset'
        )
        ;;
    regions_command)
        candidates=(
            'list'
            'show'
            'ping'
        )
        ;;
    history_command)
        candidates=(
            'list'
            'show'
            'stats'
            'recover'
            'export'
            'forget'
            'path'
        )
        ;;
    sandbox_command)
        candidates=(
            'serve'
        )
        ;;
    skill_command)
        candidates=(
            'show'
            'install'
        )
        ;;
    completions_command)
        candidates=(
            'show'
            'install'
            'uninstall'
        )
        ;;
    esac
}

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
