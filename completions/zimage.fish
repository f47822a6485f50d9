# Completion of zimage for fish.
# Made by: python -m zimage_cli.cli.completion

# Set `commands`, `options` (NAME:GROUP:VALUE:+ where repeatable:HELP) and `arguments`.
function __zimage_command -S
    set commands
    set options
    set arguments
    switch $argv[1]
        case ''
            set commands \
                'generate'\t'Make a picture of a prompt and save it.' \
                'batch'\t'Make a picture of every line of a file; run it again to go on where it stopped.' \
                'validate'\t'Check installation, settings and, if one is given, a request.' \
                'config'\t'Show and change the settings: flag > environment > config file > default.' \
                'regions'\t'Show the regions, and ask whether they answer. Without a command it lists.' \
                'sizes'\t'Show the recommended sizes by ratio and tier.' \
                'history'\t'Look at everything ever made, and recover what was not saved. Without a command it lists; words are searched for.' \
                'open'\t'Show pictures in the desktop\'s viewer, and print their paths.' \
                'inspect'\t'Show what pictures say of their own making: recipe, AI label, C2PA, other programs\' texts.' \
                'gallery'\t'Write one HTML page of pictures, to look at and to hand on.' \
                'sandbox'\t'A stand-in for the service on this machine: same wire format, no key, no cost.' \
                'mcp'\t'Serve programs that speak MCP, over standard input and output.' \
                'skill'\t'Give software agents what they need to know of zimage.' \
                'schema'\t'Print the JSON Schema of what zimage reads or prints.' \
                'completions'\t'Have the shell complete zimage; no TAB starts it.' \
                'help'\t'Show the whole help of a command.'
            set options \
                '--version:--version:::Print the version.' \
                '--help:--help:::Show the whole help; with --json, of all commands as one JSON document.' \
                '-h:-h:::Show the options of every day, and examples.'
        case 'generate'
            set options \
                '--size:--size:size::16:9, 16:9@1536, square, portrait, landscape, 1280x720 …, see zimage sizes; default: 1024x1024.' \
                '--seed:--seed:free::0 … 2147483647, or new; default: drawn, sent and recorded.' \
                '--no-seed:--no-seed:::Leave the seed to the service, which does not say it.' \
                '--prompt-extend:--prompt-extend:::Have the prompt rewritten first: 3–4 s more, twice the price; default: off.' \
                '--no-prompt-extend:--prompt-extend:::The opposite of --prompt-extend.' \
                '--preset:--preset:free:+:Put a preset around the prompt (zimage config preset); can be given again.' \
                '--count:--count:free::How many, with the seeds N, N+1 …; default: 1.' \
                '--expand:--expand:::Multiply alternatives in prompts: \'a {red|blue} kite\' are two, \'a {@colours.txt} kite\' are as many as that file has lines.' \
                '--sizes:--sizes:sizes::Multiply by sizes: 1:1,16:9.' \
                '--seeds:--seeds:free::Multiply by seeds: 1-4,9.' \
                '--request:--request:free::The request as a JSON object.' \
                '--file:--file:request_file::A file with the request as a JSON object; - for stdin.' \
                '--like:--like:picture_file::Begin with the recorded request of a picture: a history id, last, or its file.' \
                '--rewritten:--rewritten:::With --like: send its rewritten prompt as it is, at half the price.' \
                '--region:--region:region::beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' \
                '--endpoint:--endpoint:endpoint::shared, workspace or trial; default: workspace where one is set, or shared.' \
                '--workspace:--workspace:free::Workspace id, for the workspace endpoint.' \
                '--base-url:--base-url:free::Another endpoint: origin, /api/v1 root or full URL.' \
                '--sandbox:--sandbox:::Ask the stand-in inside zimage: no key, no cost.' \
                '--timeout:--timeout:free::Seconds to wait for the answer; default: 330.' \
                '--retries:--retries:free::Further tries where none can cost twice; default: 4.' \
                '--retry-lost:--retry-lost:::Try again also where the answer was lost: may be billed twice.' \
                '--pace-alone:--pace-alone:::Keep this machine\'s own pace, whatever pace_url says.' \
                '--max-cost:--max-cost:free::Spend no more than this, in the region\'s currency.' \
                '--yes:--yes:::Do not ask, whatever it costs.' \
                '--output:--output:picture_file::Picture file, folder (an existing one, or ending in /), or - for stdout.' \
                '--output-dir:--output-dir:folder::Base folder of pictures and evidence; default: output.' \
                '--name:--name:free::File name template; fields: {date} {time} {slug} {seed} {n} {size} {region} {width} {height}.' \
                '--overwrite:--overwrite:::Replace an existing file instead of adding a number.' \
                '--format:--format:format::png, jpeg or webp, where the file\'s name says none; default: png.' \
                '--quality:--quality:free::Quality of a JPEG or WebP, 1 … 100; default: 92 and 90.' \
                '--no-metadata:--no-metadata:::Write no recipe into the file: a PNG is then byte for byte as served.' \
                '--no-evidence:--no-evidence:::Write no evidence file.' \
                '--open:--open:::Then show what was saved in the desktop\'s viewer.' \
                '--preview:--preview:::Show the picture in the terminal; default: where it is known to show pictures.' \
                '--no-preview:--preview:::The opposite of --preview.' \
                '--json:--json:::One JSON document on stdout.' \
                '--print-response:--print-response:::The response on stdout, one JSON object a picture.' \
                '--quiet:--quiet:::Only results and errors.' \
                '--dry-run:--dry-run:::Show the exact request, where it would go, and its price; send nothing.' \
                '--help:--help:::Show the whole help.' \
                '-s:--size:size::16:9, 16:9@1536, square, portrait, landscape, 1280x720 …, see zimage sizes; default: 1024x1024.' \
                '-n:--count:free::How many, with the seeds N, N+1 …; default: 1.' \
                '-r:--region:region::beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' \
                '-y:--yes:::Do not ask, whatever it costs.' \
                '-o:--output:picture_file::Picture file, folder (an existing one, or ending in /), or - for stdout.' \
                '-q:--quiet:::Only results and errors.' \
                '-h:-h:::Show the options of every day, and examples.'
            set arguments free
        case 'batch'
            set options \
                '--size:--size:size::16:9, 16:9@1536, square, portrait, landscape, 1280x720 …, see zimage sizes; default: 1024x1024.' \
                '--seed:--seed:free::0 … 2147483647; default: drawn, sent and recorded.' \
                '--no-seed:--no-seed:::Leave the seed to the service, which does not say it.' \
                '--prompt-extend:--prompt-extend:::Have the prompt rewritten first: 3–4 s more, twice the price; default: off.' \
                '--no-prompt-extend:--prompt-extend:::The opposite of --prompt-extend.' \
                '--preset:--preset:free:+:Put a preset around the prompt (zimage config preset); can be given again.' \
                '--count:--count:free::How many, with the seeds N, N+1 …; default: 1.' \
                '--expand:--expand:::Multiply alternatives in prompts: \'a {red|blue} kite\' are two, \'a {@colours.txt} kite\' are as many as that file has lines.' \
                '--sizes:--sizes:sizes::Multiply by sizes: 1:1,16:9.' \
                '--seeds:--seeds:free::Multiply by seeds: 1-4,9.' \
                '--region:--region:region::beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' \
                '--endpoint:--endpoint:endpoint::shared, workspace or trial; default: workspace where one is set, or shared.' \
                '--workspace:--workspace:free::Workspace id, for the workspace endpoint.' \
                '--base-url:--base-url:free::Another endpoint: origin, /api/v1 root or full URL.' \
                '--sandbox:--sandbox:::Ask the stand-in inside zimage: no key, no cost.' \
                '--timeout:--timeout:free::Seconds to wait for the answer; default: 330.' \
                '--retries:--retries:free::Further tries where none can cost twice; default: 4.' \
                '--retry-lost:--retry-lost:::Try again also where the answer was lost: may be billed twice.' \
                '--trust-base-url:--trust-base-url:::Let lines say where they, and your key, are sent.' \
                '--rps:--rps:free::Requests a second, over all zimages of this account, 0 for no limit; default: 2.' \
                '--pace-alone:--pace-alone:::Keep this machine\'s own pace, whatever pace_url says.' \
                '--concurrency:--concurrency:free::Lines in flight at most; default: 16.' \
                '--patience:--patience:free::How long to wait for a service that cannot be reached: 90, 30m, 2h; default: 1h.' \
                '--max-cost:--max-cost:free::Spend no more than this, in the region\'s currency.' \
                '--yes:--yes:::Do not ask, whatever it costs.' \
                '--skip-invalid:--skip-invalid:::Make the lines that are right although others are not.' \
                '--retry-failed:--retry-failed:::Also make lines that failed in an earlier run.' \
                '--fresh:--fresh:::Start over: make every line again, beside the old files.' \
                '--shard:--shard:free::Only the I-th of N equal parts, for several machines.' \
                '--merge:--merge:::Bring the folders of shards together; makes no picture.' \
                '--input-format:--input-format:input_format::jsonl, csv, tsv or txt, where the file\'s name does not say.' \
                '--encoding:--encoding:encoding::What the file is written in, where it is not UTF-8: gb18030, gbk, big5, utf-16.' \
                '--output:--output:folder::Folder of the pictures and of results.jsonl.' \
                '--output-dir:--output-dir:folder::Base folder of pictures and evidence; default: output.' \
                '--name:--name:free::File name template; fields: {date} {time} {slug} {seed} {n} {size} {region} {width} {height}.' \
                '--format:--format:format::png, jpeg or webp, where the file\'s name says none; default: png.' \
                '--quality:--quality:free::Quality of a JPEG or WebP, 1 … 100; default: 92 and 90.' \
                '--no-metadata:--no-metadata:::Write no recipe into the file: a PNG is then byte for byte as served.' \
                '--no-evidence:--no-evidence:::Write no evidence file.' \
                '--json:--json:::One JSON object on stdout as each line ends.' \
                '--quiet:--quiet:::Only results and errors.' \
                '--notify:--notify:::Ring the terminal\'s bell when the run has ended.' \
                '--dry-run:--dry-run:::Check every line and show number, price and time; send nothing.' \
                '--help:--help:::Show the whole help.' \
                '-s:--size:size::16:9, 16:9@1536, square, portrait, landscape, 1280x720 …, see zimage sizes; default: 1024x1024.' \
                '-n:--count:free::How many, with the seeds N, N+1 …; default: 1.' \
                '-r:--region:region::beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' \
                '-j:--concurrency:free::Lines in flight at most; default: 16.' \
                '-y:--yes:::Do not ask, whatever it costs.' \
                '-o:--output:folder::Folder of the pictures and of results.jsonl.' \
                '-q:--quiet:::Only results and errors.' \
                '-h:-h:::Show the options of every day, and examples.'
            set arguments batch_file folder+
        case 'validate'
            set options \
                '--size:--size:size::16:9, 16:9@1536, square, portrait, landscape, 1280x720 …, see zimage sizes; default: 1024x1024.' \
                '--seed:--seed:free::0 … 2147483647, or new; default: drawn, sent and recorded.' \
                '--prompt-extend:--prompt-extend:::Have the prompt rewritten first: 3–4 s more, twice the price; default: off.' \
                '--no-prompt-extend:--prompt-extend:::The opposite of --prompt-extend.' \
                '--preset:--preset:free:+:Put a preset around the prompt (zimage config preset); can be given again.' \
                '--request:--request:free::The request as a JSON object.' \
                '--file:--file:request_file::A file with the request as a JSON object; - for stdin.' \
                '--region:--region:region::beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' \
                '--endpoint:--endpoint:endpoint::shared, workspace or trial; default: workspace where one is set, or shared.' \
                '--workspace:--workspace:free::Workspace id, for the workspace endpoint.' \
                '--base-url:--base-url:free::Another endpoint: origin, /api/v1 root or full URL.' \
                '--sandbox:--sandbox:::Ask the stand-in inside zimage: no key, no cost.' \
                '--online:--online:::Ask the service too, read-only and free: reachable, key, model.' \
                '--output-dir:--output-dir:folder::Base folder of pictures and evidence; default: output.' \
                '--json:--json:::One JSON document on stdout.' \
                '--quiet:--quiet:::Only results and errors.' \
                '--help:--help:::Show the whole help.' \
                '-s:--size:size::16:9, 16:9@1536, square, portrait, landscape, 1280x720 …, see zimage sizes; default: 1024x1024.' \
                '-r:--region:region::beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' \
                '-q:--quiet:::Only results and errors.' \
                '-h:-h:::Show the options of every day, and examples.'
            set arguments free
        case 'config'
            set commands \
                'show'\t'Show every setting, its value and where it comes from; keys are masked.' \
                'get'\t'Print the value of one setting; an empty line where there is none. A key is masked.' \
                'set'\t'Store a setting in the config file.' \
                'unset'\t'Remove a setting from the config file.' \
                'path'\t'Print where the config file is, or would be.' \
                'edit'\t'Open the config file in $VISUAL or $EDITOR; it changes only if what comes back is right.' \
                'set-region'\t'Store the region, and say where calls go now.' \
                'set-key'\t'Store a region\'s key: asked for without echo, or read as one line of piped stdin.' \
                'unset-key'\t'Remove a region\'s key from the config file.' \
                'set-workspace'\t'Store the workspace of a region: its calls then go to the workspace endpoint.' \
                'preset'\t'Keep words around a prompt under a name. Without a command it lists.'
            set options \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'config show'
            set options \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'config get'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments setting
        case 'config set'
            set options \
                '--region:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '--help:--help:::Show this help.' \
                '-r:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '-h:--help:::Show this help.'
            set arguments stored_setting new_value
        case 'config unset'
            set options \
                '--region:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '--help:--help:::Show this help.' \
                '-r:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '-h:--help:::Show this help.'
            set arguments stored_setting
        case 'config path'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'config edit'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'config set-region'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments region
        case 'config set-key'
            set options \
                '--region:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '--from-env:--from-env:::Store the key of DASHSCOPE_API_KEY.' \
                '--help:--help:::Show this help.' \
                '-r:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '-h:--help:::Show this help.'
            set arguments free
        case 'config unset-key'
            set options \
                '--region:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '--help:--help:::Show this help.' \
                '-r:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '-h:--help:::Show this help.'
        case 'config set-workspace'
            set options \
                '--region:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '--help:--help:::Show this help.' \
                '-r:--region:service_region::beijing or singapore, or their ids; default: the active region.' \
                '-h:--help:::Show this help.'
            set arguments free
        case 'config preset'
            set commands \
                'list'\t'List the presets.' \
                'show'\t'Show one preset.' \
                'set'\t'Store a preset; of one that there is, change what is given.' \
                'unset'\t'Remove a preset from the config file.' \
                'import'\t'Store the styles of a file as presets, without their negative prompts.'
            set options \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'config preset list'
            set options \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'config preset show'
            set options \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments free
        case 'config preset set'
            set options \
                '--prompt:--prompt:free::The words; {prompt} is the prompt, which stands before them without it.' \
                '--size:--size:size::16:9, 16:9@1536, 1280x720 …' \
                '--seed:--seed:free::0 … 2147483647.' \
                '--prompt-extend:--prompt-extend:::Have the prompt rewritten first, or not.' \
                '--no-prompt-extend:--prompt-extend:::The opposite of --prompt-extend.' \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-s:--size:size::16:9, 16:9@1536, 1280x720 …' \
                '-h:--help:::Show this help.'
            set arguments free
        case 'config preset unset'
            set options \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments free
        case 'config preset import'
            set options \
                '--overwrite:--overwrite:::Replace presets that there are already.' \
                '--encoding:--encoding:encoding::What the file is written in, where it is not UTF-8: gb18030, gbk, big5, utf-16.' \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments styles_file
        case 'regions'
            set commands \
                'list'\t'List the regions: hosts, prices, keys, and which one is active and why.' \
                'show'\t'Show one region: hosts, prices, key, where data rests, where keys are made.' \
                'ping'\t'Ask a region once, read-only and free, whether key and model are good there.'
            set options \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'regions list'
            set options \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'regions show'
            set options \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments region
        case 'regions ping'
            set options \
                '--all:--all:::Ask every region that has a key of its own.' \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments region
        case 'sizes'
            set options \
                '--json:--json:::Print one JSON document instead of a table.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'history'
            set commands \
                'list'\t'List what was made, newest first, or what of it has all the words.' \
                'show'\t'Show everything about a picture, or about several.' \
                'stats'\t'Add up what was made, failed and lost, what it cost, how long it took, how large it is.' \
                'recover'\t'Fetch pictures that were made and not saved; nothing is paid again.' \
                'export'\t'Write the history to a file, oldest first; filters are those of list. No signed address.' \
                'forget'\t'Delete pictures from the history; their files stay.' \
                'path'\t'Print where the history is, or would be: an SQLite file, with the table `generation`.'
            set options \
                '--limit:--limit:free::How many; default: 20.' \
                '--since:--since:time::Asked for since then: 7d, 12h, 2026-11-01, today.' \
                '--until:--until:time::Asked for until then; a day is meant as a whole.' \
                '--status:--status:status:+:saved, made, lost, failed, refused or sending; may be repeated.' \
                '--region:--region:recorded_region::Made in this region, or in the sandbox.' \
                '--size:--size:size::Of this size: 1024x1024, 16:9.' \
                '--seed:--seed:free::With this seed.' \
                '--batch:--batch:folder::Of the batch in this folder.' \
                '--paths:--paths:::Only the paths of saved pictures, one a line.' \
                '--null:--null:::With --paths: end each with NUL, for xargs -0.' \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-l:--limit:free::How many; default: 20.' \
                '-r:--region:recorded_region::Made in this region, or in the sandbox.' \
                '-s:--size:size::Of this size: 1024x1024, 16:9.' \
                '-0:--null:::With --paths: end each with NUL, for xargs -0.' \
                '-h:--help:::Show this help.'
        case 'history list'
            set options \
                '--limit:--limit:free::How many; default: 20.' \
                '--since:--since:time::Asked for since then: 7d, 12h, 2026-11-01, today.' \
                '--until:--until:time::Asked for until then; a day is meant as a whole.' \
                '--status:--status:status:+:saved, made, lost, failed, refused or sending; may be repeated.' \
                '--region:--region:recorded_region::Made in this region, or in the sandbox.' \
                '--size:--size:size::Of this size: 1024x1024, 16:9.' \
                '--seed:--seed:free::With this seed.' \
                '--batch:--batch:folder::Of the batch in this folder.' \
                '--paths:--paths:::Only the paths of saved pictures, one a line.' \
                '--null:--null:::With --paths: end each with NUL, for xargs -0.' \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-l:--limit:free::How many; default: 20.' \
                '-r:--region:recorded_region::Made in this region, or in the sandbox.' \
                '-s:--size:size::Of this size: 1024x1024, 16:9.' \
                '-0:--null:::With --paths: end each with NUL, for xargs -0.' \
                '-h:--help:::Show this help.'
            set arguments free+
        case 'history show'
            set options \
                '--preview:--preview:::Show the picture in the terminal; default: where it is known to show pictures.' \
                '--no-preview:--preview:::The opposite of --preview.' \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments picture_file
        case 'history stats'
            set options \
                '--by:--by:group::By day, month, region, size or status.' \
                '--since:--since:time::Asked for since then: 7d, 12h, 2026-11-01, today.' \
                '--until:--until:time::Asked for until then; a day is meant as a whole.' \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'history recover'
            set options \
                '--output-dir:--output-dir:folder::Base folder of pictures and evidence; default: output.' \
                '--dry-run:--dry-run:::Only list what is recoverable.' \
                '--json:--json:::One JSON document on stdout.' \
                '--quiet:--quiet:::Only results and errors.' \
                '--help:--help:::Show this help.' \
                '-q:--quiet:::Only results and errors.' \
                '-h:--help:::Show this help.'
            set arguments picture_file+
        case 'history export'
            set options \
                '--output:--output:export_file::The file, .jsonl or .csv; - for stdout.' \
                '--format:--format:export_format::jsonl or csv; default: by the file\'s name.' \
                '--overwrite:--overwrite:::Replace the file.' \
                '--since:--since:time::Asked for since then: 7d, 12h, 2026-11-01, today.' \
                '--until:--until:time::Asked for until then; a day is meant as a whole.' \
                '--status:--status:status:+:saved, made, lost, failed, refused or sending; may be repeated.' \
                '--region:--region:recorded_region::Made in this region, or in the sandbox.' \
                '--size:--size:size::Of this size: 1024x1024, 16:9.' \
                '--seed:--seed:free::With this seed.' \
                '--batch:--batch:folder::Of the batch in this folder.' \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-o:--output:export_file::The file, .jsonl or .csv; - for stdout.' \
                '-r:--region:recorded_region::Made in this region, or in the sandbox.' \
                '-s:--size:size::Of this size: 1024x1024, 16:9.' \
                '-h:--help:::Show this help.'
            set arguments free+
        case 'history forget'
            set options \
                '--yes:--yes:::Do not ask.' \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-y:--yes:::Do not ask.' \
                '-h:--help:::Show this help.'
            set arguments picture_file+
        case 'history path'
            set options \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'open'
            set options \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments picture_file+
        case 'inspect'
            set options \
                '--command:--command:::Print the zimage generate that makes it again, for sh.' \
                '--preview:--preview:::Show the picture in the terminal; default: where it is known to show pictures.' \
                '--no-preview:--preview:::The opposite of --preview.' \
                '--json:--json:::One JSON document on stdout.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments picture_file+
        case 'gallery'
            set options \
                '--output:--output:page_file::The page, .html; - for stdout, with --embed; default: gallery.html in DIR or here.' \
                '--title:--title:free::What stands above it.' \
                '--embed:--embed:::Put thumbnails into the page: one file, up to 500 pictures.' \
                '--open:--open:::Show the page in the desktop\'s browser.' \
                '--overwrite:--overwrite:::Replace a file that is no page of zimage\'s too.' \
                '--limit:--limit:free::Only so many, the newest; default: all.' \
                '--since:--since:time::Asked for since then: 7d, 12h, 2026-11-01, today.' \
                '--until:--until:time::Asked for until then; a day is meant as a whole.' \
                '--status:--status:status:+:saved, made, lost, failed, refused or sending; may be repeated.' \
                '--region:--region:recorded_region::Made in this region, or in the sandbox.' \
                '--size:--size:size::Of this size: 1024x1024, 16:9.' \
                '--seed:--seed:free::With this seed.' \
                '--batch:--batch:folder::Of the batch in this folder.' \
                '--json:--json:::One JSON document on stdout.' \
                '--quiet:--quiet:::Only results and errors.' \
                '--help:--help:::Show the whole help.' \
                '-o:--output:page_file::The page, .html; - for stdout, with --embed; default: gallery.html in DIR or here.' \
                '-l:--limit:free::Only so many, the newest; default: all.' \
                '-r:--region:recorded_region::Made in this region, or in the sandbox.' \
                '-s:--size:size::Of this size: 1024x1024, 16:9.' \
                '-q:--quiet:::Only results and errors.' \
                '-h:-h:::Show the options of every day, and examples.'
            set arguments folder+
        case 'sandbox'
            set commands \
                'serve'\t'Serve until Ctrl-C; one log line a request on stderr, the base URL on stdout.'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'sandbox serve'
            set options \
                '--port:--port:free::Port of the API, 0 for a free one; default: 8089.' \
                '--latency:--latency:free::Seconds a picture takes; default: 0.' \
                '--rps:--rps:free::Calls a second before 429; default: no limit.' \
                '--fault:--fault:fault:+:Let a share of the calls go wrong, KIND:RATE with a rate from 0 to 1; repeatable. --fault list explains the kinds.' \
                '--fault-seed:--fault-seed:free::Seed of the draws for --fault; default: 0.' \
                '--label:--label:label::What the pictures carry as a service may write it into them, with commas between: aigc, xmp, c2pa (not signed); default: nothing.' \
                '--json:--json:::Log in JSON lines.' \
                '--quiet:--quiet:::Only results and errors.' \
                '--help:--help:::Show this help.' \
                '-q:--quiet:::Only results and errors.' \
                '-h:--help:::Show this help.'
        case 'mcp'
            set options \
                '--output-dir:--output-dir:folder::Base folder of pictures and evidence; default: output.' \
                '--max-cost:--max-cost:free::Spend no more than this while it runs, in the region\'s currency; default: 1.00.' \
                '--confirm-above:--confirm-above:free::Have the person asked before a call that costs more; default: 0.10.' \
                '--region:--region:region::beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' \
                '--sandbox:--sandbox:::Ask the stand-in inside zimage: no key, no cost.' \
                '--print-config:--print-config:host::Print what claude, codex, cursor or vscode is told of this server, with the other options; start nothing.' \
                '--help:--help:::Show this help.' \
                '-r:--region:region::beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' \
                '-h:--help:::Show this help.'
        case 'skill'
            set commands \
                'show'\t'Print the skill, or one of its other files.' \
                'install'\t'Put the skill where agents look for it, and print the files that were written.'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'skill show'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments skill_file
        case 'skill install'
            set options \
                '--project:--project:::For this project: the nearest folder with .git, or here.' \
                '--user:--user:::For all projects of yours: the home folder.' \
                '--agent:--agent:agent:+:For this agent only, can be given again: claude, codex, copilot, cursor, gemini, qwen; default: .agents/skills, and the folder of each agent that is there, such as .claude/skills.' \
                '--force:--force:::Overwrite files that were edited.' \
                '--json:--json:::One JSON document on stdout.' \
                '--quiet:--quiet:::Only results and errors.' \
                '--help:--help:::Show this help.' \
                '-q:--quiet:::Only results and errors.' \
                '-h:--help:::Show this help.'
        case 'schema'
            set options \
                '--for:--for:target::A request as the definition of a tool, for openai (strict), anthropic or mcp: short, and what it leaves open zimage checks.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments schema
        case 'completions'
            set commands \
                'show'\t'Print the script for a shell.' \
                'install'\t'Put the script where the shell looks for it, and print what was written.' \
                'uninstall'\t'Undo what install did, and print what was changed.'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
        case 'completions show'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments shell
        case 'completions install'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments shell
        case 'completions uninstall'
            set options \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments shell
        case 'help'
            set options \
                '--json:--json:::Print it as one JSON document.' \
                '--help:--help:::Show this help.' \
                '-h:--help:::Show this help.'
            set arguments command subcommand+
    end
end

# Set what a value can be; the second argument is the word before it.
function __zimage_values -S
    switch $argv[1]
        case size
            set candidates \
                'square'\t'1:1, 1024*1024' \
                'portrait'\t'2:3, 832*1248' \
                'landscape'\t'3:2, 1248*832' \
                '1:1'\t'1024*1024' \
                '2:3'\t'832*1248' \
                '3:2'\t'1248*832' \
                '3:4'\t'864*1152' \
                '4:3'\t'1152*864' \
                '7:9'\t'896*1152' \
                '9:7'\t'1152*896' \
                '9:16'\t'720*1280' \
                '9:21'\t'576*1344' \
                '16:9'\t'1280*720' \
                '21:9'\t'1344*576' \
                '1:1@1280'\t'1280*1280' \
                '1:1@1536'\t'1536*1536' \
                '2:3@1280'\t'1024*1536' \
                '2:3@1536'\t'1248*1872' \
                '3:2@1280'\t'1536*1024' \
                '3:2@1536'\t'1872*1248' \
                '3:4@1280'\t'1104*1472' \
                '3:4@1536'\t'1296*1728' \
                '4:3@1280'\t'1472*1104' \
                '4:3@1536'\t'1728*1296' \
                '7:9@1280'\t'1120*1440' \
                '7:9@1536'\t'1344*1728' \
                '9:7@1280'\t'1440*1120' \
                '9:7@1536'\t'1728*1344' \
                '9:16@1280'\t'864*1536' \
                '9:16@1536'\t'1152*2048' \
                '9:21@1280'\t'720*1680' \
                '9:21@1536'\t'864*2016' \
                '16:9@1280'\t'1536*864' \
                '16:9@1536'\t'2048*1152' \
                '21:9@1280'\t'1680*720' \
                '21:9@1536'\t'2016*864'
        case sizes
            set candidates \
                'square'\t'1:1, 1024*1024' \
                'portrait'\t'2:3, 832*1248' \
                'landscape'\t'3:2, 1248*832' \
                '1:1'\t'1024*1024' \
                '2:3'\t'832*1248' \
                '3:2'\t'1248*832' \
                '3:4'\t'864*1152' \
                '4:3'\t'1152*864' \
                '7:9'\t'896*1152' \
                '9:7'\t'1152*896' \
                '9:16'\t'720*1280' \
                '9:21'\t'576*1344' \
                '16:9'\t'1280*720' \
                '21:9'\t'1344*576' \
                '1:1@1280'\t'1280*1280' \
                '1:1@1536'\t'1536*1536' \
                '2:3@1280'\t'1024*1536' \
                '2:3@1536'\t'1248*1872' \
                '3:2@1280'\t'1536*1024' \
                '3:2@1536'\t'1872*1248' \
                '3:4@1280'\t'1104*1472' \
                '3:4@1536'\t'1296*1728' \
                '4:3@1280'\t'1472*1104' \
                '4:3@1536'\t'1728*1296' \
                '7:9@1280'\t'1120*1440' \
                '7:9@1536'\t'1344*1728' \
                '9:7@1280'\t'1440*1120' \
                '9:7@1536'\t'1728*1344' \
                '9:16@1280'\t'864*1536' \
                '9:16@1536'\t'1152*2048' \
                '9:21@1280'\t'720*1680' \
                '9:21@1536'\t'864*2016' \
                '16:9@1280'\t'1536*864' \
                '16:9@1536'\t'2048*1152' \
                '21:9@1280'\t'1680*720' \
                '21:9@1536'\t'2016*864'
            set listed 1
        case request_file
            set patterns '*.json'
            set folders 1
        case picture_file
            set patterns '*.png' '*.jpg' '*.jpeg' '*.webp'
            set folders 1
        case region
            set candidates \
                'beijing'\t'inference and data stay in mainland China' \
                'singapore'\t'inference anywhere but mainland China' \
                'cn-beijing'\t'the id of beijing' \
                'ap-southeast-1'\t'the id of singapore' \
                'sandbox'\t'the stand-in inside zimage'
        case endpoint
            set candidates \
                'shared' \
                'workspace' \
                'trial'
        case folder
            set folders 1
        case format
            set candidates \
                'png' \
                'jpeg' \
                'webp'
        case input_format
            set candidates \
                'jsonl' \
                'csv' \
                'tsv' \
                'txt'
        case encoding
            set candidates \
                'gb18030' \
                'gbk' \
                'big5' \
                'shift_jis' \
                'euc_kr' \
                'utf-16' \
                'utf-8' \
                'cp1252'
        case batch_file
            set patterns '*.jsonl' '*.ndjson' '*.csv' '*.tsv' '*.txt'
            set folders 1
        case setting
            set candidates \
                'region' \
                'endpoint' \
                'workspace' \
                'base_url' \
                'key' \
                'size' \
                'prompt_extend' \
                'output_dir' \
                'format' \
                'quality' \
                'metadata' \
                'timeout' \
                'retries' \
                'rps' \
                'pace_url' \
                'pace_account' \
                'evidence' \
                'preview' \
                'language'
        case service_region
            set candidates \
                'beijing'\t'inference and data stay in mainland China' \
                'singapore'\t'inference anywhere but mainland China' \
                'cn-beijing'\t'the id of beijing' \
                'ap-southeast-1'\t'the id of singapore'
        case stored_setting
            set candidates \
                'region' \
                'endpoint' \
                'workspace' \
                'base_url' \
                'size' \
                'prompt_extend' \
                'output_dir' \
                'format' \
                'quality' \
                'metadata' \
                'timeout' \
                'retries' \
                'rps' \
                'pace_url' \
                'pace_account' \
                'evidence' \
                'preview' \
                'language'
        case new_value
            switch $argv[2]
                case region
                    __zimage_values region
                case endpoint
                    __zimage_values endpoint
                case size
                    __zimage_values size
                case prompt_extend
                    __zimage_values switch
                case output_dir
                    __zimage_values folder
                case format
                    __zimage_values format
                case metadata
                    __zimage_values switch
                case evidence
                    __zimage_values switch
                case preview
                    __zimage_values preview
                case language
                    __zimage_values language
            end
        case switch
            set candidates \
                'true' \
                'false'
        case preview
            set candidates \
                'auto' \
                'on' \
                'off'
        case language
            set candidates \
                'en' \
                'zh'
        case styles_file
            set patterns '*.csv'
            set folders 1
        case time
            set candidates \
                'today' \
                'yesterday' \
                '7d' \
                '30d'
        case status
            set candidates \
                'saved' \
                'made' \
                'lost' \
                'failed' \
                'refused' \
                'sending'
        case recorded_region
            set candidates \
                'beijing'\t'inference and data stay in mainland China' \
                'singapore'\t'inference anywhere but mainland China' \
                'cn-beijing'\t'the id of beijing' \
                'ap-southeast-1'\t'the id of singapore' \
                'sandbox'\t'the stand-in inside zimage' \
                'custom'\t'any other host'
        case group
            set candidates \
                'day' \
                'month' \
                'region' \
                'size' \
                'status'
        case export_file
            set patterns '*.jsonl' '*.csv'
            set folders 1
        case export_format
            set candidates \
                'jsonl' \
                'csv'
        case page_file
            set patterns '*.html'
            set folders 1
        case fault
            set candidates \
                'list'\t'Name and explain the kinds.' \
                'InvalidParameter'\t'400: The request parameter is invalid.' \
                'InvalidParameter.DataInspection'\t'400: Unable to inspect the input data.' \
                'BadRequest.TooLarge'\t'400: Payload Too Large' \
                'DataInspectionFailed'\t'400: Input data may contain inappropriate content.' \
                'data_inspection_failed'\t'400: Output data may contain inappropriate content.' \
                'IPInfringementSuspect'\t'400: Input data is suspected of being involved in IP infringement.' \
                'Arrearage'\t'400: Access denied, please make sure your account is in good standing.' \
                'InvalidApiKey'\t'401: Invalid API-key provided.' \
                'invalid_api_key'\t'401: Incorrect API key provided.' \
                'AccessDenied'\t'403: Access denied.' \
                'AccessDenied.Unpurchased'\t'403: Access to model denied. Please make sure you are eligible for using the model.' \
                'Model.AccessDenied'\t'403: Model access denied.' \
                'Workspace.AccessDenied'\t'403: Workspace access denied.' \
                'AllocationQuota.FreeTierOnly'\t'403: The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, please disable the "use free tier only" mode in the management console.' \
                'ModelNotFound'\t'404: Model not exist.' \
                'model_not_found'\t'404: The model `z-image-turbo` does not exist.' \
                'WorkSpaceNotFound'\t'404: Workspace not found.' \
                'Throttling'\t'429: Requests rate limit exceeded, please try again later.' \
                'Throttling.RateQuota'\t'429: Requests rate limit exceeded, please try again later.' \
                'LimitRequests'\t'429: Requests rate limit exceeded, please try again later.' \
                'limit_requests'\t'429: Requests rate limit exceeded, please try again later.' \
                'Throttling.BurstRate'\t'429: Request rate increased too quickly. Please increase the rate slowly.' \
                'limit_burst_rate'\t'429: Request rate increased too quickly. Please increase the rate slowly.' \
                'Throttling.AllocationQuota'\t'429: Allocated quota exceeded, please increase your quota.' \
                'insufficient_quota'\t'429: You exceeded your current quota, please check your plan and billing details.' \
                'CommodityNotPurchased'\t'429: Commodity has not purchased yet.' \
                'PrepaidBillOverdue'\t'429: The prepaid bill is overdue.' \
                'PostpaidBillOverdue'\t'429: The postpaid bill is overdue.' \
                'InternalError'\t'500: Internal server error, please try again later.' \
                'internal_error'\t'500: Internal server error, please try again later.' \
                'InternalError.Algo'\t'500: inference internal error.' \
                'InternalError.Timeout'\t'500: An internal timeout error has occured during execution.' \
                'SystemError'\t'500: A system error has occurred, please try again later.' \
                'ModelServiceFailed'\t'500: Failed to request model service.' \
                'RequestTimeOut'\t'500: Request timed out, please try again later.' \
                'ModelServingError'\t'500: Too many requests. Your requests are being throttled due to system capacity limits.' \
                'ModelUnavailable'\t'503: Model is unavailable, please try again later.' \
                'html-502'\t'502 with a gateway\'s HTML page' \
                'html-503'\t'503 with a gateway\'s HTML page' \
                'html-504'\t'504 with a gateway\'s HTML page' \
                'empty-500'\t'500 and no body' \
                'empty-502'\t'502 and no body' \
                'empty-503'\t'503 and no body' \
                'empty-504'\t'504 and no body' \
                'empty-200'\t'200 and no body; billed' \
                'html-200'\t'200 with an HTML page; billed' \
                'not-json'\t'200 with half a JSON document; billed' \
                'json-list'\t'200 with JSON that is no object; billed' \
                'no-choices'\t'200 with an empty list of choices; billed' \
                'no-image'\t'200 whose content holds no image; billed' \
                'no-output'\t'200 without output and without code; billed' \
                'error-in-200'\t'200 whose body is an error: code and message, no output' \
                'reasoning-in-content'\t'the reasoning stands inside content, as in older notes' \
                'no-usage'\t'an answer without usage' \
                'no-request-id'\t'an answer without request_id' \
                'wrong-usage'\t'usage says other dimensions than the picture has' \
                'wrong-size'\t'the picture has other dimensions than were asked for' \
                'hostile-text'\t'escape sequences and control characters in its texts' \
                'hostile-error'\t'400 with escape sequences in code and message' \
                'foreign-url'\t'the image URL is none that may be fetched' \
                'reset'\t'a reset after the request was read; billed' \
                'reset-early'\t'a reset before the body is read' \
                'close'\t'the connection is closed without an answer; billed' \
                'cut-answer'\t'the answer stops before its Content-Length; billed' \
                'slow-answer'\t'the answer comes late, by 1 s or `seconds`' \
                'drip-answer'\t'the answer comes in small pieces, over 1 s or `seconds`' \
                'no-answer'\t'the connection stays open and no answer comes; billed' \
                'redirect'\t'307 to another origin' \
                'picture-cut'\t'it ends before its Content-Length' \
                'picture-cut-chunked'\t'the connection ends in the middle of a chunked body' \
                'picture-reset'\t'the connection is reset half-way' \
                'picture-stall'\t'half of the picture comes and then nothing' \
                'picture-slow'\t'it comes in small pieces, over 1 s or `seconds`' \
                'picture-corrupt'\t'one bit of the image data is flipped' \
                'picture-undecodable'\t'every checksum is right and the image data is not' \
                'picture-truncated'\t'a whole body that holds a PNG without its end' \
                'picture-trailing'\t'a good PNG with other bytes behind its end' \
                'picture-html'\t'200 with an HTML page' \
                'picture-jpeg'\t'a JPEG under a PNG\'s name and type' \
                'picture-empty'\t'200 and no body' \
                'picture-expired'\t'403, as storage answers when the URL has expired' \
                'picture-404'\t'404, as storage answers for what it does not hold' \
                'picture-500'\t'500, as storage answers when it fails' \
                'picture-503'\t'503, as storage answers when it is busy' \
                'picture-too-large'\t'Content-Length over 64 MiB, and as many bytes' \
                'picture-too-large-chunked'\t'over 64 MiB that are not announced' \
                'picture-redirect'\t'2 or `hops` redirects before it, or one to `url`' \
                'picture-redirect-loop'\t'a redirect to itself'
        case label
            set candidates \
                'aigc'\t'the label of GB 45438-2025: a text chunk AIGC, and the property in XMP' \
                'xmp'\t'an XMP packet of the service' \
                'c2pa'\t'a C2PA manifest, well-formed and not signed'
            set listed 1
        case host
            set candidates \
                'claude' \
                'codex' \
                'cursor' \
                'vscode'
        case skill_file
            set candidates \
                'SKILL.md' \
                'references/commands.md' \
                'references/errors.md' \
                'agents/openai.yaml'
        case agent
            set candidates \
                'claude' \
                'codex' \
                'copilot' \
                'cursor' \
                'gemini' \
                'qwen'
        case target
            set candidates \
                'openai' \
                'anthropic' \
                'mcp'
        case schema
            set candidates \
                'request'\t'what generate is asked with: --request, --file, a line of a batch' \
                'response'\t'what generate --print-response prints for each picture' \
                'result'\t'the document of generate --json' \
                'batch-line'\t'a line of batch --json and of results.jsonl' \
                'error'\t'an error, as it stands in every document'
        case shell
            set candidates \
                'bash' \
                'zsh' \
                'fish' \
                'powershell'
        case command
            set candidates \
                'generate' \
                'batch' \
                'validate' \
                'config' \
                'regions' \
                'sizes' \
                'history' \
                'open' \
                'inspect' \
                'gallery' \
                'sandbox' \
                'mcp' \
                'skill' \
                'schema' \
                'completions' \
                'help'
        case subcommand
            switch $argv[2]
                case config
                    __zimage_values config_command
                case regions
                    __zimage_values regions_command
                case history
                    __zimage_values history_command
                case sandbox
                    __zimage_values sandbox_command
                case skill
                    __zimage_values skill_command
                case completions
                    __zimage_values completions_command
            end
        case config_command
            set candidates \
                'show' \
                'get' \
                'set' \
                'unset' \
                'path' \
                'edit' \
                'set-region' \
                'set-key' \
                'unset-key' \
                'set-workspace' \
                'preset'
        case regions_command
            set candidates \
                'list' \
                'show' \
                'ping'
        case history_command
            set candidates \
                'list' \
                'show' \
                'stats' \
                'recover' \
                'export' \
                'forget' \
                'path'
        case sandbox_command
            set candidates \
                'serve'
        case skill_command
            set candidates \
                'show' \
                'install'
        case completions_command
            set candidates \
                'show' \
                'install' \
                'uninstall'
    end
end

# Find an option of the command by its spelling: its `group`, `value` and `many`.
function __zimage_option -S
    for spec in $options
        set -l parts (string split -m 4 : -- $spec)
        if test "$parts[1]" = "$argv[1]"
            set group $parts[2]
            set value $parts[3]
            return 0
        end
    end
    set value ''
    return 1
end

# Take a word that begins with `-` for options: `given` grows. Where the last one takes a value,
# `value` is its kind, `lead` the part of the word before the value; `owed` is set where the value
# is the next word.
function __zimage_take -S
    set value ''
    set lead ''
    set owed ''
    if string match -q -- '--*=*' $argv[1]
        set lead (string split -m 1 = -- $argv[1])[1]
        __zimage_option $lead
        and set -a given $group
        set lead $lead=
    else if string match -q -- '--*' $argv[1]
        __zimage_option $argv[1]
        and set -a given $group
        test -n "$value"
        and set owed 1
    else
        set lead -
        for letter in (string sub -s 2 -- $argv[1] | string split '')
            set lead $lead$letter
            __zimage_option -$letter
            or return 0
            set -a given $group
            test -n "$value"
            and break
        end
        test -n "$value"
        and test "$lead" = "$argv[1]"
        and set owed 1
    end
    return 0
end

# Print the values of a kind, each after `lead`.
function __zimage_print_values -S
    set -l candidates
    set -l patterns
    set -l folders ''
    set -l listed ''
    __zimage_values $argv[1] "$positional[-1]"
    test -n "$listed"
    and set lead $lead(string sub -s (math (string length -- "$lead") + 1) -- $cur | string replace -r '[^,]*$' '')
    for word in $candidates
        printf '%s%s\n' $lead $word
    end
    test -n "$folders$patterns"
    or return 0
    set -l partial (string sub -s (math (string length -- "$lead") + 1) -- $cur)
    set -l real (string replace -r '^~/' "$HOME/" -- "$partial")
    for path in $real*
        set -l text $lead$partial(string sub -s (math (string length -- "$real") + 1) -- $path)
        if test -d $path
            test -n "$folders"
            and printf '%s/\n' $text
        else
            for pattern in $patterns
                string match -q -i -- $pattern $path
                and printf '%s\n' $text
            end
        end
    end
end

# Print the options that are not given yet.
function __zimage_print_options -S
    for spec in $options
        set -l parts (string split -m 4 : -- $spec)
        contains -- $parts[2] $given
        and test "$parts[4]" != +
        and continue
        printf '%s\t%s\n' $parts[1] $parts[5]
    end
end

# Print all that can stand where the cursor is: `cur` is what stands there already.
function __zimage_find -S
    set -l words (commandline -opc)
    set -l commands
    set -l options
    set -l arguments
    set -l positional
    set -l given
    set -l path
    set -l group ''
    set -l value ''
    set -l lead ''
    set -l owed ''
    set -l ended ''
    __zimage_command ''
    for word in $words[2..]
        if test -n "$owed"
            set owed ''
        else if test -z "$ended"; and test "$word" = --
            set ended 1
        else if test -z "$ended"; and string match -q -r -- '^-.' $word
            __zimage_take $word
        else if test (count $commands) -gt 0
            string match -q -- $word\t'*' $commands
            or return 0
            set -a path $word
            set ended ''
            set given
            __zimage_command "$path"
        else
            set -a positional $word
        end
    end
    if test -n "$owed"
        set lead ''
        __zimage_print_values $value
        return 0
    end
    if test -z "$ended"; and string match -q -- '-*' $cur
        # What stands behind the cursor is not to be seen here: fish shows the line up to it.
        set -l before $given
        __zimage_take $cur
        set given $before # the word itself is not given yet
        if test -n "$value"; and test -z "$owed"
            __zimage_print_values $value
        else
            __zimage_print_options
        end
        return 0
    end
    set lead ''
    if test (count $commands) -gt 0
        string join \n -- $commands
        return 0
    end
    set -l left (count $positional)
    for argument in $arguments
        if test $left -eq 0; or string match -q -- '*+' $argument
            __zimage_print_values (string trim -r -c + -- $argument)
            return 0
        end
        set left (math $left - 1)
    end
    if test -z "$cur$ended"
        __zimage_print_options
    end
    return 0
end

function __zimage_complete
    set -l raw (commandline -ct)
    set -l cur (string unescape -- $raw; or string replace -a -r '[\'"]' '' -- $raw)
    set -l found (__zimage_find)
    # Left to itself, fish would also look for the letters of the word all over the descriptions.
    string match -i -r -e -- '^[^\t]*'(string escape --style=regex -- $cur) $found
end

complete -c zimage -e
complete -c zimage -f -k -a '(__zimage_complete)'
