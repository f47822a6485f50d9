# Completion of zimage for PowerShell.
# Made by: python -m zimage_cli.cli.completion

Register-ArgumentCompleter -Native -CommandName 'zimage', 'zimage.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commands = @{
        '' = @{
            Commands = @(
                @{ Text = 'generate'; About = 'Make a picture of a prompt and save it.'; Type = 'Command' }
                @{ Text = 'batch'; About = 'Make a picture of every line of a file; run it again to go on where it stopped.'; Type = 'Command' }
                @{ Text = 'validate'; About = 'Check installation, settings and, if one is given, a request.'; Type = 'Command' }
                @{ Text = 'config'; About = 'Show and change the settings: flag > environment > config file > default.'; Type = 'Command' }
                @{ Text = 'regions'; About = 'Show the regions, and ask whether they answer. Without a command it lists.'; Type = 'Command' }
                @{ Text = 'sizes'; About = 'Show the recommended sizes by ratio and tier.'; Type = 'Command' }
                @{ Text = 'history'; About = 'Look at everything ever made, and recover what was not saved. Without a command it lists; words are searched for.'; Type = 'Command' }
                @{ Text = 'open'; About = 'Show pictures in the desktop''s viewer, and print their paths.'; Type = 'Command' }
                @{ Text = 'inspect'; About = 'Show what pictures say of their own making: recipe, AI label, C2PA, other programs'' texts.'; Type = 'Command' }
                @{ Text = 'gallery'; About = 'Write one HTML page of pictures, to look at and to hand on.'; Type = 'Command' }
                @{ Text = 'sandbox'; About = 'A stand-in for the service on this machine: same wire format, no key, no cost.'; Type = 'Command' }
                @{ Text = 'mcp'; About = 'Serve programs that speak MCP, over standard input and output.'; Type = 'Command' }
                @{ Text = 'skill'; About = 'Give software agents what they need to know of zimage.'; Type = 'Command' }
                @{ Text = 'schema'; About = 'Print the JSON Schema of what zimage reads or prints.'; Type = 'Command' }
                @{ Text = 'completions'; About = 'Have the shell complete zimage; no TAB starts it.'; Type = 'Command' }
                @{ Text = 'help'; About = 'Show the whole help of a command.'; Type = 'Command' }
            )
            Options = @(
                @{ Name = '--version'; Group = '--version'; Value = ''; Many = $false; About = 'Print the version.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show the whole help; with --json, of all commands as one JSON document.' }
                @{ Name = '-h'; Group = '-h'; Value = ''; Many = $false; About = 'Show the options of every day, and examples.' }
            )
            Arguments = @()
        }
        'generate' = @{
            Commands = @()
            Options = @(
                @{ Name = '--size'; Group = '--size'; Value = 'size'; Many = $false; About = '16:9, 16:9@1536, square, portrait, landscape, 1280x720 ..., see zimage sizes; default: 1024x1024.' }
                @{ Name = '--seed'; Group = '--seed'; Value = 'free'; Many = $false; About = '0 ... 2147483647, or new; default: drawn, sent and recorded.' }
                @{ Name = '--no-seed'; Group = '--no-seed'; Value = ''; Many = $false; About = 'Leave the seed to the service, which does not say it.' }
                @{ Name = '--prompt-extend'; Group = '--prompt-extend'; Value = ''; Many = $false; About = 'Have the prompt rewritten first: 3-4 s more, twice the price; default: off.' }
                @{ Name = '--no-prompt-extend'; Group = '--prompt-extend'; Value = ''; Many = $false; About = 'The opposite of --prompt-extend.' }
                @{ Name = '--preset'; Group = '--preset'; Value = 'free'; Many = $true; About = 'Put a preset around the prompt (zimage config preset); can be given again.' }
                @{ Name = '--count'; Group = '--count'; Value = 'free'; Many = $false; About = 'How many, with the seeds N, N+1 ...; default: 1.' }
                @{ Name = '--expand'; Group = '--expand'; Value = ''; Many = $false; About = 'Multiply alternatives in prompts: ''a {red|blue} kite'' are two, ''a {@colours.txt} kite'' are as many as that file has lines.' }
                @{ Name = '--sizes'; Group = '--sizes'; Value = 'sizes'; Many = $false; About = 'Multiply by sizes: 1:1,16:9.' }
                @{ Name = '--seeds'; Group = '--seeds'; Value = 'free'; Many = $false; About = 'Multiply by seeds: 1-4,9.' }
                @{ Name = '--request'; Group = '--request'; Value = 'free'; Many = $false; About = 'The request as a JSON object.' }
                @{ Name = '--file'; Group = '--file'; Value = 'request_file'; Many = $false; About = 'A file with the request as a JSON object; - for stdin.' }
                @{ Name = '--like'; Group = '--like'; Value = 'picture_file'; Many = $false; About = 'Begin with the recorded request of a picture: a history id, last, or its file.' }
                @{ Name = '--rewritten'; Group = '--rewritten'; Value = ''; Many = $false; About = 'With --like: send its rewritten prompt as it is, at half the price.' }
                @{ Name = '--region'; Group = '--region'; Value = 'region'; Many = $false; About = 'beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' }
                @{ Name = '--endpoint'; Group = '--endpoint'; Value = 'endpoint'; Many = $false; About = 'shared, workspace or trial; default: workspace where one is set, or shared.' }
                @{ Name = '--workspace'; Group = '--workspace'; Value = 'free'; Many = $false; About = 'Workspace id, for the workspace endpoint.' }
                @{ Name = '--base-url'; Group = '--base-url'; Value = 'free'; Many = $false; About = 'Another endpoint: origin, /api/v1 root or full URL.' }
                @{ Name = '--sandbox'; Group = '--sandbox'; Value = ''; Many = $false; About = 'Ask the stand-in inside zimage: no key, no cost.' }
                @{ Name = '--timeout'; Group = '--timeout'; Value = 'free'; Many = $false; About = 'Seconds to wait for the answer; default: 330.' }
                @{ Name = '--retries'; Group = '--retries'; Value = 'free'; Many = $false; About = 'Further tries where none can cost twice; default: 4.' }
                @{ Name = '--retry-lost'; Group = '--retry-lost'; Value = ''; Many = $false; About = 'Try again also where the answer was lost: may be billed twice.' }
                @{ Name = '--pace-alone'; Group = '--pace-alone'; Value = ''; Many = $false; About = 'Keep this machine''s own pace, whatever pace_url says.' }
                @{ Name = '--max-cost'; Group = '--max-cost'; Value = 'free'; Many = $false; About = 'Spend no more than this, in the region''s currency.' }
                @{ Name = '--yes'; Group = '--yes'; Value = ''; Many = $false; About = 'Do not ask, whatever it costs.' }
                @{ Name = '--output'; Group = '--output'; Value = 'picture_file'; Many = $false; About = 'Picture file, folder (an existing one, or ending in /), or - for stdout.' }
                @{ Name = '--output-dir'; Group = '--output-dir'; Value = 'folder'; Many = $false; About = 'Base folder of pictures and evidence; default: output.' }
                @{ Name = '--name'; Group = '--name'; Value = 'free'; Many = $false; About = 'File name template; fields: {date} {time} {slug} {seed} {n} {size} {region} {width} {height}.' }
                @{ Name = '--overwrite'; Group = '--overwrite'; Value = ''; Many = $false; About = 'Replace an existing file instead of adding a number.' }
                @{ Name = '--format'; Group = '--format'; Value = 'format'; Many = $false; About = 'png, jpeg or webp, where the file''s name says none; default: png.' }
                @{ Name = '--quality'; Group = '--quality'; Value = 'free'; Many = $false; About = 'Quality of a JPEG or WebP, 1 ... 100; default: 92 and 90.' }
                @{ Name = '--no-metadata'; Group = '--no-metadata'; Value = ''; Many = $false; About = 'Write no recipe into the file: a PNG is then byte for byte as served.' }
                @{ Name = '--no-evidence'; Group = '--no-evidence'; Value = ''; Many = $false; About = 'Write no evidence file.' }
                @{ Name = '--open'; Group = '--open'; Value = ''; Many = $false; About = 'Then show what was saved in the desktop''s viewer.' }
                @{ Name = '--preview'; Group = '--preview'; Value = ''; Many = $false; About = 'Show the picture in the terminal; default: where it is known to show pictures.' }
                @{ Name = '--no-preview'; Group = '--preview'; Value = ''; Many = $false; About = 'The opposite of --preview.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--print-response'; Group = '--print-response'; Value = ''; Many = $false; About = 'The response on stdout, one JSON object a picture.' }
                @{ Name = '--quiet'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '--dry-run'; Group = '--dry-run'; Value = ''; Many = $false; About = 'Show the exact request, where it would go, and its price; send nothing.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show the whole help.' }
                @{ Name = '-s'; Group = '--size'; Value = 'size'; Many = $false; About = '16:9, 16:9@1536, square, portrait, landscape, 1280x720 ..., see zimage sizes; default: 1024x1024.' }
                @{ Name = '-n'; Group = '--count'; Value = 'free'; Many = $false; About = 'How many, with the seeds N, N+1 ...; default: 1.' }
                @{ Name = '-r'; Group = '--region'; Value = 'region'; Many = $false; About = 'beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' }
                @{ Name = '-y'; Group = '--yes'; Value = ''; Many = $false; About = 'Do not ask, whatever it costs.' }
                @{ Name = '-o'; Group = '--output'; Value = 'picture_file'; Many = $false; About = 'Picture file, folder (an existing one, or ending in /), or - for stdout.' }
                @{ Name = '-q'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '-h'; Group = '-h'; Value = ''; Many = $false; About = 'Show the options of every day, and examples.' }
            )
            Arguments = @(
                @{ Value = 'free'; Many = $false }
            )
        }
        'batch' = @{
            Commands = @()
            Options = @(
                @{ Name = '--size'; Group = '--size'; Value = 'size'; Many = $false; About = '16:9, 16:9@1536, square, portrait, landscape, 1280x720 ..., see zimage sizes; default: 1024x1024.' }
                @{ Name = '--seed'; Group = '--seed'; Value = 'free'; Many = $false; About = '0 ... 2147483647; default: drawn, sent and recorded.' }
                @{ Name = '--no-seed'; Group = '--no-seed'; Value = ''; Many = $false; About = 'Leave the seed to the service, which does not say it.' }
                @{ Name = '--prompt-extend'; Group = '--prompt-extend'; Value = ''; Many = $false; About = 'Have the prompt rewritten first: 3-4 s more, twice the price; default: off.' }
                @{ Name = '--no-prompt-extend'; Group = '--prompt-extend'; Value = ''; Many = $false; About = 'The opposite of --prompt-extend.' }
                @{ Name = '--preset'; Group = '--preset'; Value = 'free'; Many = $true; About = 'Put a preset around the prompt (zimage config preset); can be given again.' }
                @{ Name = '--count'; Group = '--count'; Value = 'free'; Many = $false; About = 'How many, with the seeds N, N+1 ...; default: 1.' }
                @{ Name = '--expand'; Group = '--expand'; Value = ''; Many = $false; About = 'Multiply alternatives in prompts: ''a {red|blue} kite'' are two, ''a {@colours.txt} kite'' are as many as that file has lines.' }
                @{ Name = '--sizes'; Group = '--sizes'; Value = 'sizes'; Many = $false; About = 'Multiply by sizes: 1:1,16:9.' }
                @{ Name = '--seeds'; Group = '--seeds'; Value = 'free'; Many = $false; About = 'Multiply by seeds: 1-4,9.' }
                @{ Name = '--region'; Group = '--region'; Value = 'region'; Many = $false; About = 'beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' }
                @{ Name = '--endpoint'; Group = '--endpoint'; Value = 'endpoint'; Many = $false; About = 'shared, workspace or trial; default: workspace where one is set, or shared.' }
                @{ Name = '--workspace'; Group = '--workspace'; Value = 'free'; Many = $false; About = 'Workspace id, for the workspace endpoint.' }
                @{ Name = '--base-url'; Group = '--base-url'; Value = 'free'; Many = $false; About = 'Another endpoint: origin, /api/v1 root or full URL.' }
                @{ Name = '--sandbox'; Group = '--sandbox'; Value = ''; Many = $false; About = 'Ask the stand-in inside zimage: no key, no cost.' }
                @{ Name = '--timeout'; Group = '--timeout'; Value = 'free'; Many = $false; About = 'Seconds to wait for the answer; default: 330.' }
                @{ Name = '--retries'; Group = '--retries'; Value = 'free'; Many = $false; About = 'Further tries where none can cost twice; default: 4.' }
                @{ Name = '--retry-lost'; Group = '--retry-lost'; Value = ''; Many = $false; About = 'Try again also where the answer was lost: may be billed twice.' }
                @{ Name = '--trust-base-url'; Group = '--trust-base-url'; Value = ''; Many = $false; About = 'Let lines say where they, and your key, are sent.' }
                @{ Name = '--rps'; Group = '--rps'; Value = 'free'; Many = $false; About = 'Requests a second, over all zimages of this account, 0 for no limit; default: 2.' }
                @{ Name = '--pace-alone'; Group = '--pace-alone'; Value = ''; Many = $false; About = 'Keep this machine''s own pace, whatever pace_url says.' }
                @{ Name = '--concurrency'; Group = '--concurrency'; Value = 'free'; Many = $false; About = 'Lines in flight at most; default: 16.' }
                @{ Name = '--patience'; Group = '--patience'; Value = 'free'; Many = $false; About = 'How long to wait for a service that cannot be reached: 90, 30m, 2h; default: 1h.' }
                @{ Name = '--max-cost'; Group = '--max-cost'; Value = 'free'; Many = $false; About = 'Spend no more than this, in the region''s currency.' }
                @{ Name = '--yes'; Group = '--yes'; Value = ''; Many = $false; About = 'Do not ask, whatever it costs.' }
                @{ Name = '--skip-invalid'; Group = '--skip-invalid'; Value = ''; Many = $false; About = 'Make the lines that are right although others are not.' }
                @{ Name = '--retry-failed'; Group = '--retry-failed'; Value = ''; Many = $false; About = 'Also make lines that failed in an earlier run.' }
                @{ Name = '--fresh'; Group = '--fresh'; Value = ''; Many = $false; About = 'Start over: make every line again, beside the old files.' }
                @{ Name = '--shard'; Group = '--shard'; Value = 'free'; Many = $false; About = 'Only the I-th of N equal parts, for several machines.' }
                @{ Name = '--merge'; Group = '--merge'; Value = ''; Many = $false; About = 'Bring the folders of shards together; makes no picture.' }
                @{ Name = '--input-format'; Group = '--input-format'; Value = 'input_format'; Many = $false; About = 'jsonl, csv, tsv or txt, where the file''s name does not say.' }
                @{ Name = '--encoding'; Group = '--encoding'; Value = 'encoding'; Many = $false; About = 'What the file is written in, where it is not UTF-8: gb18030, gbk, big5, utf-16.' }
                @{ Name = '--output'; Group = '--output'; Value = 'folder'; Many = $false; About = 'Folder of the pictures and of results.jsonl.' }
                @{ Name = '--output-dir'; Group = '--output-dir'; Value = 'folder'; Many = $false; About = 'Base folder of pictures and evidence; default: output.' }
                @{ Name = '--name'; Group = '--name'; Value = 'free'; Many = $false; About = 'File name template; fields: {date} {time} {slug} {seed} {n} {size} {region} {width} {height}.' }
                @{ Name = '--format'; Group = '--format'; Value = 'format'; Many = $false; About = 'png, jpeg or webp, where the file''s name says none; default: png.' }
                @{ Name = '--quality'; Group = '--quality'; Value = 'free'; Many = $false; About = 'Quality of a JPEG or WebP, 1 ... 100; default: 92 and 90.' }
                @{ Name = '--no-metadata'; Group = '--no-metadata'; Value = ''; Many = $false; About = 'Write no recipe into the file: a PNG is then byte for byte as served.' }
                @{ Name = '--no-evidence'; Group = '--no-evidence'; Value = ''; Many = $false; About = 'Write no evidence file.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON object on stdout as each line ends.' }
                @{ Name = '--quiet'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '--notify'; Group = '--notify'; Value = ''; Many = $false; About = 'Ring the terminal''s bell when the run has ended.' }
                @{ Name = '--dry-run'; Group = '--dry-run'; Value = ''; Many = $false; About = 'Check every line and show number, price and time; send nothing.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show the whole help.' }
                @{ Name = '-s'; Group = '--size'; Value = 'size'; Many = $false; About = '16:9, 16:9@1536, square, portrait, landscape, 1280x720 ..., see zimage sizes; default: 1024x1024.' }
                @{ Name = '-n'; Group = '--count'; Value = 'free'; Many = $false; About = 'How many, with the seeds N, N+1 ...; default: 1.' }
                @{ Name = '-r'; Group = '--region'; Value = 'region'; Many = $false; About = 'beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' }
                @{ Name = '-j'; Group = '--concurrency'; Value = 'free'; Many = $false; About = 'Lines in flight at most; default: 16.' }
                @{ Name = '-y'; Group = '--yes'; Value = ''; Many = $false; About = 'Do not ask, whatever it costs.' }
                @{ Name = '-o'; Group = '--output'; Value = 'folder'; Many = $false; About = 'Folder of the pictures and of results.jsonl.' }
                @{ Name = '-q'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '-h'; Group = '-h'; Value = ''; Many = $false; About = 'Show the options of every day, and examples.' }
            )
            Arguments = @(
                @{ Value = 'batch_file'; Many = $false }
                @{ Value = 'folder'; Many = $true }
            )
        }
        'validate' = @{
            Commands = @()
            Options = @(
                @{ Name = '--size'; Group = '--size'; Value = 'size'; Many = $false; About = '16:9, 16:9@1536, square, portrait, landscape, 1280x720 ..., see zimage sizes; default: 1024x1024.' }
                @{ Name = '--seed'; Group = '--seed'; Value = 'free'; Many = $false; About = '0 ... 2147483647, or new; default: drawn, sent and recorded.' }
                @{ Name = '--prompt-extend'; Group = '--prompt-extend'; Value = ''; Many = $false; About = 'Have the prompt rewritten first: 3-4 s more, twice the price; default: off.' }
                @{ Name = '--no-prompt-extend'; Group = '--prompt-extend'; Value = ''; Many = $false; About = 'The opposite of --prompt-extend.' }
                @{ Name = '--preset'; Group = '--preset'; Value = 'free'; Many = $true; About = 'Put a preset around the prompt (zimage config preset); can be given again.' }
                @{ Name = '--request'; Group = '--request'; Value = 'free'; Many = $false; About = 'The request as a JSON object.' }
                @{ Name = '--file'; Group = '--file'; Value = 'request_file'; Many = $false; About = 'A file with the request as a JSON object; - for stdin.' }
                @{ Name = '--region'; Group = '--region'; Value = 'region'; Many = $false; About = 'beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' }
                @{ Name = '--endpoint'; Group = '--endpoint'; Value = 'endpoint'; Many = $false; About = 'shared, workspace or trial; default: workspace where one is set, or shared.' }
                @{ Name = '--workspace'; Group = '--workspace'; Value = 'free'; Many = $false; About = 'Workspace id, for the workspace endpoint.' }
                @{ Name = '--base-url'; Group = '--base-url'; Value = 'free'; Many = $false; About = 'Another endpoint: origin, /api/v1 root or full URL.' }
                @{ Name = '--sandbox'; Group = '--sandbox'; Value = ''; Many = $false; About = 'Ask the stand-in inside zimage: no key, no cost.' }
                @{ Name = '--online'; Group = '--online'; Value = ''; Many = $false; About = 'Ask the service too, read-only and free: reachable, key, model.' }
                @{ Name = '--output-dir'; Group = '--output-dir'; Value = 'folder'; Many = $false; About = 'Base folder of pictures and evidence; default: output.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--quiet'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show the whole help.' }
                @{ Name = '-s'; Group = '--size'; Value = 'size'; Many = $false; About = '16:9, 16:9@1536, square, portrait, landscape, 1280x720 ..., see zimage sizes; default: 1024x1024.' }
                @{ Name = '-r'; Group = '--region'; Value = 'region'; Many = $false; About = 'beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' }
                @{ Name = '-q'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '-h'; Group = '-h'; Value = ''; Many = $false; About = 'Show the options of every day, and examples.' }
            )
            Arguments = @(
                @{ Value = 'free'; Many = $false }
            )
        }
        'config' = @{
            Commands = @(
                @{ Text = 'show'; About = 'Show every setting, its value and where it comes from; keys are masked.'; Type = 'Command' }
                @{ Text = 'get'; About = 'Print the value of one setting; an empty line where there is none. A key is masked.'; Type = 'Command' }
                @{ Text = 'set'; About = 'Store a setting in the config file.'; Type = 'Command' }
                @{ Text = 'unset'; About = 'Remove a setting from the config file.'; Type = 'Command' }
                @{ Text = 'path'; About = 'Print where the config file is, or would be.'; Type = 'Command' }
                @{ Text = 'edit'; About = 'Open the config file in $VISUAL or $EDITOR; it changes only if what comes back is right.'; Type = 'Command' }
                @{ Text = 'set-region'; About = 'Store the region, and say where calls go now.'; Type = 'Command' }
                @{ Text = 'set-key'; About = 'Store a region''s key: asked for without echo, or read as one line of piped stdin.'; Type = 'Command' }
                @{ Text = 'unset-key'; About = 'Remove a region''s key from the config file.'; Type = 'Command' }
                @{ Text = 'set-workspace'; About = 'Store the workspace of a region: its calls then go to the workspace endpoint.'; Type = 'Command' }
                @{ Text = 'preset'; About = 'Keep words around a prompt under a name. Without a command it lists.'; Type = 'Command' }
            )
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'config show' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'config get' = @{
            Commands = @()
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'setting'; Many = $false }
            )
        }
        'config set' = @{
            Commands = @()
            Options = @(
                @{ Name = '--region'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-r'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'stored_setting'; Many = $false }
                @{ Value = 'new_value'; Many = $false }
            )
        }
        'config unset' = @{
            Commands = @()
            Options = @(
                @{ Name = '--region'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-r'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'stored_setting'; Many = $false }
            )
        }
        'config path' = @{
            Commands = @()
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'config edit' = @{
            Commands = @()
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'config set-region' = @{
            Commands = @()
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'region'; Many = $false }
            )
        }
        'config set-key' = @{
            Commands = @()
            Options = @(
                @{ Name = '--region'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '--from-env'; Group = '--from-env'; Value = ''; Many = $false; About = 'Store the key of DASHSCOPE_API_KEY.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-r'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'free'; Many = $false }
            )
        }
        'config unset-key' = @{
            Commands = @()
            Options = @(
                @{ Name = '--region'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-r'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'config set-workspace' = @{
            Commands = @()
            Options = @(
                @{ Name = '--region'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-r'; Group = '--region'; Value = 'service_region'; Many = $false; About = 'beijing or singapore, or their ids; default: the active region.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'free'; Many = $false }
            )
        }
        'config preset' = @{
            Commands = @(
                @{ Text = 'list'; About = 'List the presets.'; Type = 'Command' }
                @{ Text = 'show'; About = 'Show one preset.'; Type = 'Command' }
                @{ Text = 'set'; About = 'Store a preset; of one that there is, change what is given.'; Type = 'Command' }
                @{ Text = 'unset'; About = 'Remove a preset from the config file.'; Type = 'Command' }
                @{ Text = 'import'; About = 'Store the styles of a file as presets, without their negative prompts.'; Type = 'Command' }
            )
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'config preset list' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'config preset show' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'free'; Many = $false }
            )
        }
        'config preset set' = @{
            Commands = @()
            Options = @(
                @{ Name = '--prompt'; Group = '--prompt'; Value = 'free'; Many = $false; About = 'The words; {prompt} is the prompt, which stands before them without it.' }
                @{ Name = '--size'; Group = '--size'; Value = 'size'; Many = $false; About = '16:9, 16:9@1536, 1280x720 ...' }
                @{ Name = '--seed'; Group = '--seed'; Value = 'free'; Many = $false; About = '0 ... 2147483647.' }
                @{ Name = '--prompt-extend'; Group = '--prompt-extend'; Value = ''; Many = $false; About = 'Have the prompt rewritten first, or not.' }
                @{ Name = '--no-prompt-extend'; Group = '--prompt-extend'; Value = ''; Many = $false; About = 'The opposite of --prompt-extend.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-s'; Group = '--size'; Value = 'size'; Many = $false; About = '16:9, 16:9@1536, 1280x720 ...' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'free'; Many = $false }
            )
        }
        'config preset unset' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'free'; Many = $false }
            )
        }
        'config preset import' = @{
            Commands = @()
            Options = @(
                @{ Name = '--overwrite'; Group = '--overwrite'; Value = ''; Many = $false; About = 'Replace presets that there are already.' }
                @{ Name = '--encoding'; Group = '--encoding'; Value = 'encoding'; Many = $false; About = 'What the file is written in, where it is not UTF-8: gb18030, gbk, big5, utf-16.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'styles_file'; Many = $false }
            )
        }
        'regions' = @{
            Commands = @(
                @{ Text = 'list'; About = 'List the regions: hosts, prices, keys, and which one is active and why.'; Type = 'Command' }
                @{ Text = 'show'; About = 'Show one region: hosts, prices, key, where data rests, where keys are made.'; Type = 'Command' }
                @{ Text = 'ping'; About = 'Ask a region once, read-only and free, whether key and model are good there.'; Type = 'Command' }
            )
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'regions list' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'regions show' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'region'; Many = $false }
            )
        }
        'regions ping' = @{
            Commands = @()
            Options = @(
                @{ Name = '--all'; Group = '--all'; Value = ''; Many = $false; About = 'Ask every region that has a key of its own.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'region'; Many = $false }
            )
        }
        'sizes' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print one JSON document instead of a table.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'history' = @{
            Commands = @(
                @{ Text = 'list'; About = 'List what was made, newest first, or what of it has all the words.'; Type = 'Command' }
                @{ Text = 'show'; About = 'Show everything about a picture, or about several.'; Type = 'Command' }
                @{ Text = 'stats'; About = 'Add up what was made, failed and lost, what it cost, how long it took, how large it is.'; Type = 'Command' }
                @{ Text = 'recover'; About = 'Fetch pictures that were made and not saved; nothing is paid again.'; Type = 'Command' }
                @{ Text = 'export'; About = 'Write the history to a file, oldest first; filters are those of list. No signed address.'; Type = 'Command' }
                @{ Text = 'forget'; About = 'Delete pictures from the history; their files stay.'; Type = 'Command' }
                @{ Text = 'path'; About = 'Print where the history is, or would be: an SQLite file, with the table `generation`.'; Type = 'Command' }
            )
            Options = @(
                @{ Name = '--limit'; Group = '--limit'; Value = 'free'; Many = $false; About = 'How many; default: 20.' }
                @{ Name = '--since'; Group = '--since'; Value = 'time'; Many = $false; About = 'Asked for since then: 7d, 12h, 2026-11-01, today.' }
                @{ Name = '--until'; Group = '--until'; Value = 'time'; Many = $false; About = 'Asked for until then; a day is meant as a whole.' }
                @{ Name = '--status'; Group = '--status'; Value = 'status'; Many = $true; About = 'saved, made, lost, failed, refused or sending; may be repeated.' }
                @{ Name = '--region'; Group = '--region'; Value = 'recorded_region'; Many = $false; About = 'Made in this region, or in the sandbox.' }
                @{ Name = '--size'; Group = '--size'; Value = 'size'; Many = $false; About = 'Of this size: 1024x1024, 16:9.' }
                @{ Name = '--seed'; Group = '--seed'; Value = 'free'; Many = $false; About = 'With this seed.' }
                @{ Name = '--batch'; Group = '--batch'; Value = 'folder'; Many = $false; About = 'Of the batch in this folder.' }
                @{ Name = '--paths'; Group = '--paths'; Value = ''; Many = $false; About = 'Only the paths of saved pictures, one a line.' }
                @{ Name = '--null'; Group = '--null'; Value = ''; Many = $false; About = 'With --paths: end each with NUL, for xargs -0.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-l'; Group = '--limit'; Value = 'free'; Many = $false; About = 'How many; default: 20.' }
                @{ Name = '-r'; Group = '--region'; Value = 'recorded_region'; Many = $false; About = 'Made in this region, or in the sandbox.' }
                @{ Name = '-s'; Group = '--size'; Value = 'size'; Many = $false; About = 'Of this size: 1024x1024, 16:9.' }
                @{ Name = '-0'; Group = '--null'; Value = ''; Many = $false; About = 'With --paths: end each with NUL, for xargs -0.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'history list' = @{
            Commands = @()
            Options = @(
                @{ Name = '--limit'; Group = '--limit'; Value = 'free'; Many = $false; About = 'How many; default: 20.' }
                @{ Name = '--since'; Group = '--since'; Value = 'time'; Many = $false; About = 'Asked for since then: 7d, 12h, 2026-11-01, today.' }
                @{ Name = '--until'; Group = '--until'; Value = 'time'; Many = $false; About = 'Asked for until then; a day is meant as a whole.' }
                @{ Name = '--status'; Group = '--status'; Value = 'status'; Many = $true; About = 'saved, made, lost, failed, refused or sending; may be repeated.' }
                @{ Name = '--region'; Group = '--region'; Value = 'recorded_region'; Many = $false; About = 'Made in this region, or in the sandbox.' }
                @{ Name = '--size'; Group = '--size'; Value = 'size'; Many = $false; About = 'Of this size: 1024x1024, 16:9.' }
                @{ Name = '--seed'; Group = '--seed'; Value = 'free'; Many = $false; About = 'With this seed.' }
                @{ Name = '--batch'; Group = '--batch'; Value = 'folder'; Many = $false; About = 'Of the batch in this folder.' }
                @{ Name = '--paths'; Group = '--paths'; Value = ''; Many = $false; About = 'Only the paths of saved pictures, one a line.' }
                @{ Name = '--null'; Group = '--null'; Value = ''; Many = $false; About = 'With --paths: end each with NUL, for xargs -0.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-l'; Group = '--limit'; Value = 'free'; Many = $false; About = 'How many; default: 20.' }
                @{ Name = '-r'; Group = '--region'; Value = 'recorded_region'; Many = $false; About = 'Made in this region, or in the sandbox.' }
                @{ Name = '-s'; Group = '--size'; Value = 'size'; Many = $false; About = 'Of this size: 1024x1024, 16:9.' }
                @{ Name = '-0'; Group = '--null'; Value = ''; Many = $false; About = 'With --paths: end each with NUL, for xargs -0.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'free'; Many = $true }
            )
        }
        'history show' = @{
            Commands = @()
            Options = @(
                @{ Name = '--preview'; Group = '--preview'; Value = ''; Many = $false; About = 'Show the picture in the terminal; default: where it is known to show pictures.' }
                @{ Name = '--no-preview'; Group = '--preview'; Value = ''; Many = $false; About = 'The opposite of --preview.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'picture_file'; Many = $false }
            )
        }
        'history stats' = @{
            Commands = @()
            Options = @(
                @{ Name = '--by'; Group = '--by'; Value = 'group'; Many = $false; About = 'By day, month, region, size or status.' }
                @{ Name = '--since'; Group = '--since'; Value = 'time'; Many = $false; About = 'Asked for since then: 7d, 12h, 2026-11-01, today.' }
                @{ Name = '--until'; Group = '--until'; Value = 'time'; Many = $false; About = 'Asked for until then; a day is meant as a whole.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'history recover' = @{
            Commands = @()
            Options = @(
                @{ Name = '--output-dir'; Group = '--output-dir'; Value = 'folder'; Many = $false; About = 'Base folder of pictures and evidence; default: output.' }
                @{ Name = '--dry-run'; Group = '--dry-run'; Value = ''; Many = $false; About = 'Only list what is recoverable.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--quiet'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-q'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'picture_file'; Many = $true }
            )
        }
        'history export' = @{
            Commands = @()
            Options = @(
                @{ Name = '--output'; Group = '--output'; Value = 'export_file'; Many = $false; About = 'The file, .jsonl or .csv; - for stdout.' }
                @{ Name = '--format'; Group = '--format'; Value = 'export_format'; Many = $false; About = 'jsonl or csv; default: by the file''s name.' }
                @{ Name = '--overwrite'; Group = '--overwrite'; Value = ''; Many = $false; About = 'Replace the file.' }
                @{ Name = '--since'; Group = '--since'; Value = 'time'; Many = $false; About = 'Asked for since then: 7d, 12h, 2026-11-01, today.' }
                @{ Name = '--until'; Group = '--until'; Value = 'time'; Many = $false; About = 'Asked for until then; a day is meant as a whole.' }
                @{ Name = '--status'; Group = '--status'; Value = 'status'; Many = $true; About = 'saved, made, lost, failed, refused or sending; may be repeated.' }
                @{ Name = '--region'; Group = '--region'; Value = 'recorded_region'; Many = $false; About = 'Made in this region, or in the sandbox.' }
                @{ Name = '--size'; Group = '--size'; Value = 'size'; Many = $false; About = 'Of this size: 1024x1024, 16:9.' }
                @{ Name = '--seed'; Group = '--seed'; Value = 'free'; Many = $false; About = 'With this seed.' }
                @{ Name = '--batch'; Group = '--batch'; Value = 'folder'; Many = $false; About = 'Of the batch in this folder.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-o'; Group = '--output'; Value = 'export_file'; Many = $false; About = 'The file, .jsonl or .csv; - for stdout.' }
                @{ Name = '-r'; Group = '--region'; Value = 'recorded_region'; Many = $false; About = 'Made in this region, or in the sandbox.' }
                @{ Name = '-s'; Group = '--size'; Value = 'size'; Many = $false; About = 'Of this size: 1024x1024, 16:9.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'free'; Many = $true }
            )
        }
        'history forget' = @{
            Commands = @()
            Options = @(
                @{ Name = '--yes'; Group = '--yes'; Value = ''; Many = $false; About = 'Do not ask.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-y'; Group = '--yes'; Value = ''; Many = $false; About = 'Do not ask.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'picture_file'; Many = $true }
            )
        }
        'history path' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'open' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'picture_file'; Many = $true }
            )
        }
        'inspect' = @{
            Commands = @()
            Options = @(
                @{ Name = '--command'; Group = '--command'; Value = ''; Many = $false; About = 'Print the zimage generate that makes it again, for sh.' }
                @{ Name = '--preview'; Group = '--preview'; Value = ''; Many = $false; About = 'Show the picture in the terminal; default: where it is known to show pictures.' }
                @{ Name = '--no-preview'; Group = '--preview'; Value = ''; Many = $false; About = 'The opposite of --preview.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'picture_file'; Many = $true }
            )
        }
        'gallery' = @{
            Commands = @()
            Options = @(
                @{ Name = '--output'; Group = '--output'; Value = 'page_file'; Many = $false; About = 'The page, .html; - for stdout, with --embed; default: gallery.html in DIR or here.' }
                @{ Name = '--title'; Group = '--title'; Value = 'free'; Many = $false; About = 'What stands above it.' }
                @{ Name = '--embed'; Group = '--embed'; Value = ''; Many = $false; About = 'Put thumbnails into the page: one file, up to 500 pictures.' }
                @{ Name = '--open'; Group = '--open'; Value = ''; Many = $false; About = 'Show the page in the desktop''s browser.' }
                @{ Name = '--overwrite'; Group = '--overwrite'; Value = ''; Many = $false; About = 'Replace a file that is no page of zimage''s too.' }
                @{ Name = '--limit'; Group = '--limit'; Value = 'free'; Many = $false; About = 'Only so many, the newest; default: all.' }
                @{ Name = '--since'; Group = '--since'; Value = 'time'; Many = $false; About = 'Asked for since then: 7d, 12h, 2026-11-01, today.' }
                @{ Name = '--until'; Group = '--until'; Value = 'time'; Many = $false; About = 'Asked for until then; a day is meant as a whole.' }
                @{ Name = '--status'; Group = '--status'; Value = 'status'; Many = $true; About = 'saved, made, lost, failed, refused or sending; may be repeated.' }
                @{ Name = '--region'; Group = '--region'; Value = 'recorded_region'; Many = $false; About = 'Made in this region, or in the sandbox.' }
                @{ Name = '--size'; Group = '--size'; Value = 'size'; Many = $false; About = 'Of this size: 1024x1024, 16:9.' }
                @{ Name = '--seed'; Group = '--seed'; Value = 'free'; Many = $false; About = 'With this seed.' }
                @{ Name = '--batch'; Group = '--batch'; Value = 'folder'; Many = $false; About = 'Of the batch in this folder.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--quiet'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show the whole help.' }
                @{ Name = '-o'; Group = '--output'; Value = 'page_file'; Many = $false; About = 'The page, .html; - for stdout, with --embed; default: gallery.html in DIR or here.' }
                @{ Name = '-l'; Group = '--limit'; Value = 'free'; Many = $false; About = 'Only so many, the newest; default: all.' }
                @{ Name = '-r'; Group = '--region'; Value = 'recorded_region'; Many = $false; About = 'Made in this region, or in the sandbox.' }
                @{ Name = '-s'; Group = '--size'; Value = 'size'; Many = $false; About = 'Of this size: 1024x1024, 16:9.' }
                @{ Name = '-q'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '-h'; Group = '-h'; Value = ''; Many = $false; About = 'Show the options of every day, and examples.' }
            )
            Arguments = @(
                @{ Value = 'folder'; Many = $true }
            )
        }
        'sandbox' = @{
            Commands = @(
                @{ Text = 'serve'; About = 'Serve until Ctrl-C; one log line a request on stderr, the base URL on stdout.'; Type = 'Command' }
            )
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'sandbox serve' = @{
            Commands = @()
            Options = @(
                @{ Name = '--port'; Group = '--port'; Value = 'free'; Many = $false; About = 'Port of the API, 0 for a free one; default: 8089.' }
                @{ Name = '--latency'; Group = '--latency'; Value = 'free'; Many = $false; About = 'Seconds a picture takes; default: 0.' }
                @{ Name = '--rps'; Group = '--rps'; Value = 'free'; Many = $false; About = 'Calls a second before 429; default: no limit.' }
                @{ Name = '--fault'; Group = '--fault'; Value = 'fault'; Many = $true; About = 'Let a share of the calls go wrong, KIND:RATE with a rate from 0 to 1; repeatable. --fault list explains the kinds.' }
                @{ Name = '--fault-seed'; Group = '--fault-seed'; Value = 'free'; Many = $false; About = 'Seed of the draws for --fault; default: 0.' }
                @{ Name = '--label'; Group = '--label'; Value = 'label'; Many = $false; About = 'What the pictures carry as a service may write it into them, with commas between: aigc, xmp, c2pa (not signed); default: nothing.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Log in JSON lines.' }
                @{ Name = '--quiet'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-q'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'mcp' = @{
            Commands = @()
            Options = @(
                @{ Name = '--output-dir'; Group = '--output-dir'; Value = 'folder'; Many = $false; About = 'Base folder of pictures and evidence; default: output.' }
                @{ Name = '--max-cost'; Group = '--max-cost'; Value = 'free'; Many = $false; About = 'Spend no more than this while it runs, in the region''s currency; default: 1.00.' }
                @{ Name = '--confirm-above'; Group = '--confirm-above'; Value = 'free'; Many = $false; About = 'Have the person asked before a call that costs more; default: 0.10.' }
                @{ Name = '--region'; Group = '--region'; Value = 'region'; Many = $false; About = 'beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' }
                @{ Name = '--sandbox'; Group = '--sandbox'; Value = ''; Many = $false; About = 'Ask the stand-in inside zimage: no key, no cost.' }
                @{ Name = '--print-config'; Group = '--print-config'; Value = 'host'; Many = $false; About = 'Print what claude, codex, cursor or vscode is told of this server, with the other options; start nothing.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-r'; Group = '--region'; Value = 'region'; Many = $false; About = 'beijing, singapore (or their ids) or sandbox; default: the one with a stored key, or beijing.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'skill' = @{
            Commands = @(
                @{ Text = 'show'; About = 'Print the skill, or one of its other files.'; Type = 'Command' }
                @{ Text = 'install'; About = 'Put the skill where agents look for it, and print the files that were written.'; Type = 'Command' }
            )
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'skill show' = @{
            Commands = @()
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'skill_file'; Many = $false }
            )
        }
        'skill install' = @{
            Commands = @()
            Options = @(
                @{ Name = '--project'; Group = '--project'; Value = ''; Many = $false; About = 'For this project: the nearest folder with .git, or here.' }
                @{ Name = '--user'; Group = '--user'; Value = ''; Many = $false; About = 'For all projects of yours: the home folder.' }
                @{ Name = '--agent'; Group = '--agent'; Value = 'agent'; Many = $true; About = 'For this agent only, can be given again: claude, codex, copilot, cursor, gemini, qwen; default: .agents/skills, and the folder of each agent that is there, such as .claude/skills.' }
                @{ Name = '--force'; Group = '--force'; Value = ''; Many = $false; About = 'Overwrite files that were edited.' }
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'One JSON document on stdout.' }
                @{ Name = '--quiet'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-q'; Group = '--quiet'; Value = ''; Many = $false; About = 'Only results and errors.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'schema' = @{
            Commands = @()
            Options = @(
                @{ Name = '--for'; Group = '--for'; Value = 'target'; Many = $false; About = 'A request as the definition of a tool, for openai (strict), anthropic or mcp: short, and what it leaves open zimage checks.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'schema'; Many = $false }
            )
        }
        'completions' = @{
            Commands = @(
                @{ Text = 'show'; About = 'Print the script for a shell.'; Type = 'Command' }
                @{ Text = 'install'; About = 'Put the script where the shell looks for it, and print what was written.'; Type = 'Command' }
                @{ Text = 'uninstall'; About = 'Undo what install did, and print what was changed.'; Type = 'Command' }
            )
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @()
        }
        'completions show' = @{
            Commands = @()
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'shell'; Many = $false }
            )
        }
        'completions install' = @{
            Commands = @()
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'shell'; Many = $false }
            )
        }
        'completions uninstall' = @{
            Commands = @()
            Options = @(
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'shell'; Many = $false }
            )
        }
        'help' = @{
            Commands = @()
            Options = @(
                @{ Name = '--json'; Group = '--json'; Value = ''; Many = $false; About = 'Print it as one JSON document.' }
                @{ Name = '--help'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
                @{ Name = '-h'; Group = '--help'; Value = ''; Many = $false; About = 'Show this help.' }
            )
            Arguments = @(
                @{ Value = 'command'; Many = $false }
                @{ Value = 'subcommand'; Many = $true }
            )
        }
    }
    $kinds = @{
        'size' = @{
            Words = @(
                @{ Text = 'square'; About = '1:1, 1024*1024'; Type = 'ParameterValue' }
                @{ Text = 'portrait'; About = '2:3, 832*1248'; Type = 'ParameterValue' }
                @{ Text = 'landscape'; About = '3:2, 1248*832'; Type = 'ParameterValue' }
                @{ Text = '1:1'; About = '1024*1024'; Type = 'ParameterValue' }
                @{ Text = '2:3'; About = '832*1248'; Type = 'ParameterValue' }
                @{ Text = '3:2'; About = '1248*832'; Type = 'ParameterValue' }
                @{ Text = '3:4'; About = '864*1152'; Type = 'ParameterValue' }
                @{ Text = '4:3'; About = '1152*864'; Type = 'ParameterValue' }
                @{ Text = '7:9'; About = '896*1152'; Type = 'ParameterValue' }
                @{ Text = '9:7'; About = '1152*896'; Type = 'ParameterValue' }
                @{ Text = '9:16'; About = '720*1280'; Type = 'ParameterValue' }
                @{ Text = '9:21'; About = '576*1344'; Type = 'ParameterValue' }
                @{ Text = '16:9'; About = '1280*720'; Type = 'ParameterValue' }
                @{ Text = '21:9'; About = '1344*576'; Type = 'ParameterValue' }
                @{ Text = '1:1@1280'; About = '1280*1280'; Type = 'ParameterValue' }
                @{ Text = '1:1@1536'; About = '1536*1536'; Type = 'ParameterValue' }
                @{ Text = '2:3@1280'; About = '1024*1536'; Type = 'ParameterValue' }
                @{ Text = '2:3@1536'; About = '1248*1872'; Type = 'ParameterValue' }
                @{ Text = '3:2@1280'; About = '1536*1024'; Type = 'ParameterValue' }
                @{ Text = '3:2@1536'; About = '1872*1248'; Type = 'ParameterValue' }
                @{ Text = '3:4@1280'; About = '1104*1472'; Type = 'ParameterValue' }
                @{ Text = '3:4@1536'; About = '1296*1728'; Type = 'ParameterValue' }
                @{ Text = '4:3@1280'; About = '1472*1104'; Type = 'ParameterValue' }
                @{ Text = '4:3@1536'; About = '1728*1296'; Type = 'ParameterValue' }
                @{ Text = '7:9@1280'; About = '1120*1440'; Type = 'ParameterValue' }
                @{ Text = '7:9@1536'; About = '1344*1728'; Type = 'ParameterValue' }
                @{ Text = '9:7@1280'; About = '1440*1120'; Type = 'ParameterValue' }
                @{ Text = '9:7@1536'; About = '1728*1344'; Type = 'ParameterValue' }
                @{ Text = '9:16@1280'; About = '864*1536'; Type = 'ParameterValue' }
                @{ Text = '9:16@1536'; About = '1152*2048'; Type = 'ParameterValue' }
                @{ Text = '9:21@1280'; About = '720*1680'; Type = 'ParameterValue' }
                @{ Text = '9:21@1536'; About = '864*2016'; Type = 'ParameterValue' }
                @{ Text = '16:9@1280'; About = '1536*864'; Type = 'ParameterValue' }
                @{ Text = '16:9@1536'; About = '2048*1152'; Type = 'ParameterValue' }
                @{ Text = '21:9@1280'; About = '1680*720'; Type = 'ParameterValue' }
                @{ Text = '21:9@1536'; About = '2016*864'; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'free' = @{
            Words = @()
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'sizes' = @{
            Words = @(
                @{ Text = 'square'; About = '1:1, 1024*1024'; Type = 'ParameterValue' }
                @{ Text = 'portrait'; About = '2:3, 832*1248'; Type = 'ParameterValue' }
                @{ Text = 'landscape'; About = '3:2, 1248*832'; Type = 'ParameterValue' }
                @{ Text = '1:1'; About = '1024*1024'; Type = 'ParameterValue' }
                @{ Text = '2:3'; About = '832*1248'; Type = 'ParameterValue' }
                @{ Text = '3:2'; About = '1248*832'; Type = 'ParameterValue' }
                @{ Text = '3:4'; About = '864*1152'; Type = 'ParameterValue' }
                @{ Text = '4:3'; About = '1152*864'; Type = 'ParameterValue' }
                @{ Text = '7:9'; About = '896*1152'; Type = 'ParameterValue' }
                @{ Text = '9:7'; About = '1152*896'; Type = 'ParameterValue' }
                @{ Text = '9:16'; About = '720*1280'; Type = 'ParameterValue' }
                @{ Text = '9:21'; About = '576*1344'; Type = 'ParameterValue' }
                @{ Text = '16:9'; About = '1280*720'; Type = 'ParameterValue' }
                @{ Text = '21:9'; About = '1344*576'; Type = 'ParameterValue' }
                @{ Text = '1:1@1280'; About = '1280*1280'; Type = 'ParameterValue' }
                @{ Text = '1:1@1536'; About = '1536*1536'; Type = 'ParameterValue' }
                @{ Text = '2:3@1280'; About = '1024*1536'; Type = 'ParameterValue' }
                @{ Text = '2:3@1536'; About = '1248*1872'; Type = 'ParameterValue' }
                @{ Text = '3:2@1280'; About = '1536*1024'; Type = 'ParameterValue' }
                @{ Text = '3:2@1536'; About = '1872*1248'; Type = 'ParameterValue' }
                @{ Text = '3:4@1280'; About = '1104*1472'; Type = 'ParameterValue' }
                @{ Text = '3:4@1536'; About = '1296*1728'; Type = 'ParameterValue' }
                @{ Text = '4:3@1280'; About = '1472*1104'; Type = 'ParameterValue' }
                @{ Text = '4:3@1536'; About = '1728*1296'; Type = 'ParameterValue' }
                @{ Text = '7:9@1280'; About = '1120*1440'; Type = 'ParameterValue' }
                @{ Text = '7:9@1536'; About = '1344*1728'; Type = 'ParameterValue' }
                @{ Text = '9:7@1280'; About = '1440*1120'; Type = 'ParameterValue' }
                @{ Text = '9:7@1536'; About = '1728*1344'; Type = 'ParameterValue' }
                @{ Text = '9:16@1280'; About = '864*1536'; Type = 'ParameterValue' }
                @{ Text = '9:16@1536'; About = '1152*2048'; Type = 'ParameterValue' }
                @{ Text = '9:21@1280'; About = '720*1680'; Type = 'ParameterValue' }
                @{ Text = '9:21@1536'; About = '864*2016'; Type = 'ParameterValue' }
                @{ Text = '16:9@1280'; About = '1536*864'; Type = 'ParameterValue' }
                @{ Text = '16:9@1536'; About = '2048*1152'; Type = 'ParameterValue' }
                @{ Text = '21:9@1280'; About = '1680*720'; Type = 'ParameterValue' }
                @{ Text = '21:9@1536'; About = '2016*864'; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $true
            After = @{  }
        }
        'request_file' = @{
            Words = @()
            Suffixes = @('.json')
            Folders = $true
            Listed = $false
            After = @{  }
        }
        'picture_file' = @{
            Words = @()
            Suffixes = @('.png', '.jpg', '.jpeg', '.webp')
            Folders = $true
            Listed = $false
            After = @{  }
        }
        'region' = @{
            Words = @(
                @{ Text = 'beijing'; About = 'inference and data stay in mainland China'; Type = 'ParameterValue' }
                @{ Text = 'singapore'; About = 'inference anywhere but mainland China'; Type = 'ParameterValue' }
                @{ Text = 'cn-beijing'; About = 'the id of beijing'; Type = 'ParameterValue' }
                @{ Text = 'ap-southeast-1'; About = 'the id of singapore'; Type = 'ParameterValue' }
                @{ Text = 'sandbox'; About = 'the stand-in inside zimage'; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'endpoint' = @{
            Words = @(
                @{ Text = 'shared'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'workspace'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'trial'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'folder' = @{
            Words = @()
            Suffixes = @()
            Folders = $true
            Listed = $false
            After = @{  }
        }
        'format' = @{
            Words = @(
                @{ Text = 'png'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'jpeg'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'webp'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'input_format' = @{
            Words = @(
                @{ Text = 'jsonl'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'csv'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'tsv'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'txt'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'encoding' = @{
            Words = @(
                @{ Text = 'gb18030'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'gbk'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'big5'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'shift_jis'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'euc_kr'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'utf-16'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'utf-8'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'cp1252'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'batch_file' = @{
            Words = @()
            Suffixes = @('.jsonl', '.ndjson', '.csv', '.tsv', '.txt')
            Folders = $true
            Listed = $false
            After = @{  }
        }
        'setting' = @{
            Words = @(
                @{ Text = 'region'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'endpoint'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'workspace'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'base_url'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'key'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'size'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'prompt_extend'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'output_dir'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'format'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'quality'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'metadata'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'timeout'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'retries'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'rps'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'pace_url'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'pace_account'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'evidence'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'preview'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'language'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'service_region' = @{
            Words = @(
                @{ Text = 'beijing'; About = 'inference and data stay in mainland China'; Type = 'ParameterValue' }
                @{ Text = 'singapore'; About = 'inference anywhere but mainland China'; Type = 'ParameterValue' }
                @{ Text = 'cn-beijing'; About = 'the id of beijing'; Type = 'ParameterValue' }
                @{ Text = 'ap-southeast-1'; About = 'the id of singapore'; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'stored_setting' = @{
            Words = @(
                @{ Text = 'region'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'endpoint'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'workspace'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'base_url'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'size'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'prompt_extend'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'output_dir'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'format'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'quality'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'metadata'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'timeout'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'retries'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'rps'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'pace_url'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'pace_account'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'evidence'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'preview'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'language'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'new_value' = @{
            Words = @()
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{ 'region' = 'region'; 'endpoint' = 'endpoint'; 'size' = 'size'; 'prompt_extend' = 'switch'; 'output_dir' = 'folder'; 'format' = 'format'; 'metadata' = 'switch'; 'evidence' = 'switch'; 'preview' = 'preview'; 'language' = 'language' }
        }
        'switch' = @{
            Words = @(
                @{ Text = 'true'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'false'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'preview' = @{
            Words = @(
                @{ Text = 'auto'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'on'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'off'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'language' = @{
            Words = @(
                @{ Text = 'en'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'zh'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'styles_file' = @{
            Words = @()
            Suffixes = @('.csv')
            Folders = $true
            Listed = $false
            After = @{  }
        }
        'time' = @{
            Words = @(
                @{ Text = 'today'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'yesterday'; About = ''; Type = 'ParameterValue' }
                @{ Text = '7d'; About = ''; Type = 'ParameterValue' }
                @{ Text = '30d'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'status' = @{
            Words = @(
                @{ Text = 'saved'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'made'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'lost'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'failed'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'refused'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'sending'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'recorded_region' = @{
            Words = @(
                @{ Text = 'beijing'; About = 'inference and data stay in mainland China'; Type = 'ParameterValue' }
                @{ Text = 'singapore'; About = 'inference anywhere but mainland China'; Type = 'ParameterValue' }
                @{ Text = 'cn-beijing'; About = 'the id of beijing'; Type = 'ParameterValue' }
                @{ Text = 'ap-southeast-1'; About = 'the id of singapore'; Type = 'ParameterValue' }
                @{ Text = 'sandbox'; About = 'the stand-in inside zimage'; Type = 'ParameterValue' }
                @{ Text = 'custom'; About = 'any other host'; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'group' = @{
            Words = @(
                @{ Text = 'day'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'month'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'region'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'size'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'status'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'export_file' = @{
            Words = @()
            Suffixes = @('.jsonl', '.csv')
            Folders = $true
            Listed = $false
            After = @{  }
        }
        'export_format' = @{
            Words = @(
                @{ Text = 'jsonl'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'csv'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'page_file' = @{
            Words = @()
            Suffixes = @('.html')
            Folders = $true
            Listed = $false
            After = @{  }
        }
        'fault' = @{
            Words = @(
                @{ Text = 'list'; About = 'Name and explain the kinds.'; Type = 'ParameterValue' }
                @{ Text = 'InvalidParameter'; About = '400: The request parameter is invalid.'; Type = 'ParameterValue' }
                @{ Text = 'InvalidParameter.DataInspection'; About = '400: Unable to inspect the input data.'; Type = 'ParameterValue' }
                @{ Text = 'BadRequest.TooLarge'; About = '400: Payload Too Large'; Type = 'ParameterValue' }
                @{ Text = 'DataInspectionFailed'; About = '400: Input data may contain inappropriate content.'; Type = 'ParameterValue' }
                @{ Text = 'data_inspection_failed'; About = '400: Output data may contain inappropriate content.'; Type = 'ParameterValue' }
                @{ Text = 'IPInfringementSuspect'; About = '400: Input data is suspected of being involved in IP infringement.'; Type = 'ParameterValue' }
                @{ Text = 'Arrearage'; About = '400: Access denied, please make sure your account is in good standing.'; Type = 'ParameterValue' }
                @{ Text = 'InvalidApiKey'; About = '401: Invalid API-key provided.'; Type = 'ParameterValue' }
                @{ Text = 'invalid_api_key'; About = '401: Incorrect API key provided.'; Type = 'ParameterValue' }
                @{ Text = 'AccessDenied'; About = '403: Access denied.'; Type = 'ParameterValue' }
                @{ Text = 'AccessDenied.Unpurchased'; About = '403: Access to model denied. Please make sure you are eligible for using the model.'; Type = 'ParameterValue' }
                @{ Text = 'Model.AccessDenied'; About = '403: Model access denied.'; Type = 'ParameterValue' }
                @{ Text = 'Workspace.AccessDenied'; About = '403: Workspace access denied.'; Type = 'ParameterValue' }
                @{ Text = 'AllocationQuota.FreeTierOnly'; About = '403: The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, please disable the "use free tier only" mode in the management console.'; Type = 'ParameterValue' }
                @{ Text = 'ModelNotFound'; About = '404: Model not exist.'; Type = 'ParameterValue' }
                @{ Text = 'model_not_found'; About = '404: The model `z-image-turbo` does not exist.'; Type = 'ParameterValue' }
                @{ Text = 'WorkSpaceNotFound'; About = '404: Workspace not found.'; Type = 'ParameterValue' }
                @{ Text = 'Throttling'; About = '429: Requests rate limit exceeded, please try again later.'; Type = 'ParameterValue' }
                @{ Text = 'Throttling.RateQuota'; About = '429: Requests rate limit exceeded, please try again later.'; Type = 'ParameterValue' }
                @{ Text = 'LimitRequests'; About = '429: Requests rate limit exceeded, please try again later.'; Type = 'ParameterValue' }
                @{ Text = 'limit_requests'; About = '429: Requests rate limit exceeded, please try again later.'; Type = 'ParameterValue' }
                @{ Text = 'Throttling.BurstRate'; About = '429: Request rate increased too quickly. Please increase the rate slowly.'; Type = 'ParameterValue' }
                @{ Text = 'limit_burst_rate'; About = '429: Request rate increased too quickly. Please increase the rate slowly.'; Type = 'ParameterValue' }
                @{ Text = 'Throttling.AllocationQuota'; About = '429: Allocated quota exceeded, please increase your quota.'; Type = 'ParameterValue' }
                @{ Text = 'insufficient_quota'; About = '429: You exceeded your current quota, please check your plan and billing details.'; Type = 'ParameterValue' }
                @{ Text = 'CommodityNotPurchased'; About = '429: Commodity has not purchased yet.'; Type = 'ParameterValue' }
                @{ Text = 'PrepaidBillOverdue'; About = '429: The prepaid bill is overdue.'; Type = 'ParameterValue' }
                @{ Text = 'PostpaidBillOverdue'; About = '429: The postpaid bill is overdue.'; Type = 'ParameterValue' }
                @{ Text = 'InternalError'; About = '500: Internal server error, please try again later.'; Type = 'ParameterValue' }
                @{ Text = 'internal_error'; About = '500: Internal server error, please try again later.'; Type = 'ParameterValue' }
                @{ Text = 'InternalError.Algo'; About = '500: inference internal error.'; Type = 'ParameterValue' }
                @{ Text = 'InternalError.Timeout'; About = '500: An internal timeout error has occured during execution.'; Type = 'ParameterValue' }
                @{ Text = 'SystemError'; About = '500: A system error has occurred, please try again later.'; Type = 'ParameterValue' }
                @{ Text = 'ModelServiceFailed'; About = '500: Failed to request model service.'; Type = 'ParameterValue' }
                @{ Text = 'RequestTimeOut'; About = '500: Request timed out, please try again later.'; Type = 'ParameterValue' }
                @{ Text = 'ModelServingError'; About = '500: Too many requests. Your requests are being throttled due to system capacity limits.'; Type = 'ParameterValue' }
                @{ Text = 'ModelUnavailable'; About = '503: Model is unavailable, please try again later.'; Type = 'ParameterValue' }
                @{ Text = 'html-502'; About = '502 with a gateway''s HTML page'; Type = 'ParameterValue' }
                @{ Text = 'html-503'; About = '503 with a gateway''s HTML page'; Type = 'ParameterValue' }
                @{ Text = 'html-504'; About = '504 with a gateway''s HTML page'; Type = 'ParameterValue' }
                @{ Text = 'empty-500'; About = '500 and no body'; Type = 'ParameterValue' }
                @{ Text = 'empty-502'; About = '502 and no body'; Type = 'ParameterValue' }
                @{ Text = 'empty-503'; About = '503 and no body'; Type = 'ParameterValue' }
                @{ Text = 'empty-504'; About = '504 and no body'; Type = 'ParameterValue' }
                @{ Text = 'empty-200'; About = '200 and no body; billed'; Type = 'ParameterValue' }
                @{ Text = 'html-200'; About = '200 with an HTML page; billed'; Type = 'ParameterValue' }
                @{ Text = 'not-json'; About = '200 with half a JSON document; billed'; Type = 'ParameterValue' }
                @{ Text = 'json-list'; About = '200 with JSON that is no object; billed'; Type = 'ParameterValue' }
                @{ Text = 'no-choices'; About = '200 with an empty list of choices; billed'; Type = 'ParameterValue' }
                @{ Text = 'no-image'; About = '200 whose content holds no image; billed'; Type = 'ParameterValue' }
                @{ Text = 'no-output'; About = '200 without output and without code; billed'; Type = 'ParameterValue' }
                @{ Text = 'error-in-200'; About = '200 whose body is an error: code and message, no output'; Type = 'ParameterValue' }
                @{ Text = 'reasoning-in-content'; About = 'the reasoning stands inside content, as in older notes'; Type = 'ParameterValue' }
                @{ Text = 'no-usage'; About = 'an answer without usage'; Type = 'ParameterValue' }
                @{ Text = 'no-request-id'; About = 'an answer without request_id'; Type = 'ParameterValue' }
                @{ Text = 'wrong-usage'; About = 'usage says other dimensions than the picture has'; Type = 'ParameterValue' }
                @{ Text = 'wrong-size'; About = 'the picture has other dimensions than were asked for'; Type = 'ParameterValue' }
                @{ Text = 'hostile-text'; About = 'escape sequences and control characters in its texts'; Type = 'ParameterValue' }
                @{ Text = 'hostile-error'; About = '400 with escape sequences in code and message'; Type = 'ParameterValue' }
                @{ Text = 'foreign-url'; About = 'the image URL is none that may be fetched'; Type = 'ParameterValue' }
                @{ Text = 'reset'; About = 'a reset after the request was read; billed'; Type = 'ParameterValue' }
                @{ Text = 'reset-early'; About = 'a reset before the body is read'; Type = 'ParameterValue' }
                @{ Text = 'close'; About = 'the connection is closed without an answer; billed'; Type = 'ParameterValue' }
                @{ Text = 'cut-answer'; About = 'the answer stops before its Content-Length; billed'; Type = 'ParameterValue' }
                @{ Text = 'slow-answer'; About = 'the answer comes late, by 1 s or `seconds`'; Type = 'ParameterValue' }
                @{ Text = 'drip-answer'; About = 'the answer comes in small pieces, over 1 s or `seconds`'; Type = 'ParameterValue' }
                @{ Text = 'no-answer'; About = 'the connection stays open and no answer comes; billed'; Type = 'ParameterValue' }
                @{ Text = 'redirect'; About = '307 to another origin'; Type = 'ParameterValue' }
                @{ Text = 'picture-cut'; About = 'it ends before its Content-Length'; Type = 'ParameterValue' }
                @{ Text = 'picture-cut-chunked'; About = 'the connection ends in the middle of a chunked body'; Type = 'ParameterValue' }
                @{ Text = 'picture-reset'; About = 'the connection is reset half-way'; Type = 'ParameterValue' }
                @{ Text = 'picture-stall'; About = 'half of the picture comes and then nothing'; Type = 'ParameterValue' }
                @{ Text = 'picture-slow'; About = 'it comes in small pieces, over 1 s or `seconds`'; Type = 'ParameterValue' }
                @{ Text = 'picture-corrupt'; About = 'one bit of the image data is flipped'; Type = 'ParameterValue' }
                @{ Text = 'picture-undecodable'; About = 'every checksum is right and the image data is not'; Type = 'ParameterValue' }
                @{ Text = 'picture-truncated'; About = 'a whole body that holds a PNG without its end'; Type = 'ParameterValue' }
                @{ Text = 'picture-trailing'; About = 'a good PNG with other bytes behind its end'; Type = 'ParameterValue' }
                @{ Text = 'picture-html'; About = '200 with an HTML page'; Type = 'ParameterValue' }
                @{ Text = 'picture-jpeg'; About = 'a JPEG under a PNG''s name and type'; Type = 'ParameterValue' }
                @{ Text = 'picture-empty'; About = '200 and no body'; Type = 'ParameterValue' }
                @{ Text = 'picture-expired'; About = '403, as storage answers when the URL has expired'; Type = 'ParameterValue' }
                @{ Text = 'picture-404'; About = '404, as storage answers for what it does not hold'; Type = 'ParameterValue' }
                @{ Text = 'picture-500'; About = '500, as storage answers when it fails'; Type = 'ParameterValue' }
                @{ Text = 'picture-503'; About = '503, as storage answers when it is busy'; Type = 'ParameterValue' }
                @{ Text = 'picture-too-large'; About = 'Content-Length over 64 MiB, and as many bytes'; Type = 'ParameterValue' }
                @{ Text = 'picture-too-large-chunked'; About = 'over 64 MiB that are not announced'; Type = 'ParameterValue' }
                @{ Text = 'picture-redirect'; About = '2 or `hops` redirects before it, or one to `url`'; Type = 'ParameterValue' }
                @{ Text = 'picture-redirect-loop'; About = 'a redirect to itself'; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'label' = @{
            Words = @(
                @{ Text = 'aigc'; About = 'the label of GB 45438-2025: a text chunk AIGC, and the property in XMP'; Type = 'ParameterValue' }
                @{ Text = 'xmp'; About = 'an XMP packet of the service'; Type = 'ParameterValue' }
                @{ Text = 'c2pa'; About = 'a C2PA manifest, well-formed and not signed'; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $true
            After = @{  }
        }
        'host' = @{
            Words = @(
                @{ Text = 'claude'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'codex'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'cursor'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'vscode'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'skill_file' = @{
            Words = @(
                @{ Text = 'SKILL.md'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'references/commands.md'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'references/errors.md'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'agents/openai.yaml'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'agent' = @{
            Words = @(
                @{ Text = 'claude'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'codex'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'copilot'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'cursor'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'gemini'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'qwen'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'target' = @{
            Words = @(
                @{ Text = 'openai'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'anthropic'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'mcp'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'schema' = @{
            Words = @(
                @{ Text = 'request'; About = 'what generate is asked with: --request, --file, a line of a batch'; Type = 'ParameterValue' }
                @{ Text = 'response'; About = 'what generate --print-response prints for each picture'; Type = 'ParameterValue' }
                @{ Text = 'result'; About = 'the document of generate --json'; Type = 'ParameterValue' }
                @{ Text = 'batch-line'; About = 'a line of batch --json and of results.jsonl'; Type = 'ParameterValue' }
                @{ Text = 'error'; About = 'an error, as it stands in every document'; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'shell' = @{
            Words = @(
                @{ Text = 'bash'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'zsh'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'fish'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'powershell'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'command' = @{
            Words = @(
                @{ Text = 'generate'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'batch'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'validate'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'config'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'regions'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'sizes'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'history'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'open'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'inspect'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'gallery'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'sandbox'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'mcp'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'skill'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'schema'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'completions'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'help'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'subcommand' = @{
            Words = @()
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{ 'config' = 'config_command'; 'regions' = 'regions_command'; 'history' = 'history_command'; 'sandbox' = 'sandbox_command'; 'skill' = 'skill_command'; 'completions' = 'completions_command' }
        }
        'config_command' = @{
            Words = @(
                @{ Text = 'show'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'get'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'set'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'unset'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'path'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'edit'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'set-region'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'set-key'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'unset-key'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'set-workspace'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'preset'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'regions_command' = @{
            Words = @(
                @{ Text = 'list'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'show'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'ping'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'history_command' = @{
            Words = @(
                @{ Text = 'list'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'show'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'stats'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'recover'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'export'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'forget'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'path'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'sandbox_command' = @{
            Words = @(
                @{ Text = 'serve'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'skill_command' = @{
            Words = @(
                @{ Text = 'show'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'install'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
        'completions_command' = @{
            Words = @(
                @{ Text = 'show'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'install'; About = ''; Type = 'ParameterValue' }
                @{ Text = 'uninstall'; About = ''; Type = 'ParameterValue' }
            )
            Suffixes = @()
            Folders = $false
            Listed = $false
            After = @{  }
        }
    }

    # Cut a line into words without their quotes; the last one as far as it goes.
    $split = {
        param([string] $text)
        $words = [System.Collections.Generic.List[string]]::new()
        $word = [System.Text.StringBuilder]::new()
        $quote = ''
        $begun = $false
        for ($at = 0; $at -lt $text.Length; $at++) {
            $char = [string] $text[$at]
            if ($quote) {
                if ($char -eq $quote) { $quote = '' }
                elseif ($char -eq '`' -and $quote -eq '"' -and $at + 1 -lt $text.Length) {
                    $at++
                    $null = $word.Append($text[$at])
                }
                else { $null = $word.Append($char) }
            }
            elseif ($char -eq "'" -or $char -eq '"') { $quote = $char; $begun = $true }
            elseif ([char]::IsWhiteSpace($text[$at])) {
                if ($begun) { $words.Add($word.ToString()); $null = $word.Clear(); $begun = $false }
            }
            else {
                if ($char -eq '`' -and $at + 1 -lt $text.Length) { $at++ }
                $null = $word.Append($text[$at])
                $begun = $true
            }
        }
        @{ Words = $words; Last = $word.ToString(); Quote = $quote }
    }

    # Read a word that begins with `-`: the groups it gives, the kind of value that it takes, what
    # stands before the value in the word, and whether the value is the next word.
    $take = {
        param([string] $word, $options)
        $found = @{ Groups = @(); Value = ''; Lead = ''; Owed = $false }
        if ($word.StartsWith('--')) {
            $name, $rest = $word -split '=', 2
            $option = $options | Where-Object { $_.Name -ceq $name } | Select-Object -First 1
            if ($word.Contains('=')) { $found.Lead = "$name=" }
            if ($null -ne $option) {
                $found.Groups = @($option.Group)
                $found.Value = $option.Value
                $found.Owed = $option.Value -ne '' -and -not $word.Contains('=')
            }
            return $found
        }
        $found.Lead = '-'
        foreach ($letter in $word.Substring(1).ToCharArray()) {
            $found.Lead += $letter
            $option = $options | Where-Object { $_.Name -ceq "-$letter" } | Select-Object -First 1
            if ($null -eq $option) { return $found }
            $found.Groups += $option.Group
            $found.Value = $option.Value
            if ($option.Value) {
                $found.Owed = $found.Lead -ceq $word
                return $found
            }
        }
        $found
    }

    $ignoringCase = [System.StringComparison]::OrdinalIgnoreCase

    # Files that end in one of the suffixes, and folders, that a partial path may become.
    $paths = {
        param([string] $partial, $kind)
        $slash = $partial.LastIndexOfAny([char[]] '/\')
        $folder = $partial.Substring(0, $slash + 1)
        $start = $partial.Substring($slash + 1)
        $real = if ($folder) { $folder } else { '.' }
        foreach ($item in @(Get-ChildItem -LiteralPath $real -ErrorAction SilentlyContinue)) {
            $name = $item.Name
            if (-not $name.StartsWith($start, $ignoringCase)) { continue }
            if ($item.PSIsContainer) {
                if ($kind.Folders) {
                    $text = $folder + $name + [System.IO.Path]::DirectorySeparatorChar
                    @{ Text = $text; About = $name; Type = 'ProviderContainer' }
                }
                continue
            }
            foreach ($suffix in $kind.Suffixes) {
                if ($name.EndsWith($suffix, $ignoringCase)) {
                    @{ Text = $folder + $name; About = $name; Type = 'ProviderItem' }
                    break
                }
            }
        }
    }

    $line = $commandAst.ToString()
    $cut = [Math]::Max(0, $cursorPosition - $commandAst.Extent.StartOffset)
    # The text of the command ends before white space that the cursor may stand behind.
    $before = if ($cut -gt $line.Length) { $line + ' ' } else { $line.Substring(0, $cut) }
    $behind = if ($cut -lt $line.Length) { $line.Substring($cut) } else { '' }
    $parts = & $split $before
    $cur = $parts.Last
    $command = $commands['']
    $path = ''
    $given = @()
    $positional = @()
    $ended = $false
    $taken = @{ Groups = @(); Value = ''; Lead = ''; Owed = $false }
    $offers = @()
    $values = ''
    $lead = ''
    $known = $true
    foreach ($word in @($parts.Words | Select-Object -Skip 1)) {
        if ($taken.Owed) { $taken.Owed = $false }
        elseif (-not $ended -and $word -ceq '--') { $ended = $true }
        elseif (-not $ended -and $word.Length -gt 1 -and $word.StartsWith('-')) {
            $taken = & $take $word $command.Options
            $given += $taken.Groups
        }
        elseif (@($command.Commands).Count -gt 0) {
            $path = "$path $word".Trim()
            $known = $commands.ContainsKey($path)
            if (-not $known) { break }
            $command = $commands[$path]
            $given = @()
            $ended = $false
        }
        else { $positional += $word }
    }
    if (-not $ended -and -not $parts.Quote) {
        # Options behind the cursor are given too.
        foreach ($word in @((& $split "x$behind ").Words | Select-Object -Skip 1)) {
            if ($word -ceq '--') { break }
            if ($word.Length -gt 1 -and $word.StartsWith('-')) {
                $given += (& $take $word $command.Options).Groups
            }
        }
    }
    $free = @($command.Options | Where-Object { $_.Many -or $given -cnotcontains $_.Group } |
            ForEach-Object { @{ Text = $_.Name; About = $_.About; Type = 'ParameterName' } })
    if (-not $known) { }
    elseif ($taken.Owed) { $values = $taken.Value }
    elseif (-not $ended -and $cur.StartsWith('-')) {
        $taken = & $take $cur $command.Options
        if ($taken.Value -and -not $taken.Owed) {
            $values = $taken.Value
            $lead = $taken.Lead
        }
        else { $offers = $free }
    }
    elseif (@($command.Commands).Count -gt 0) { $offers = @($command.Commands) }
    else {
        $left = $positional.Count
        foreach ($argument in @($command.Arguments)) {
            if ($left -le 0 -or $argument.Many) { $values = $argument.Value; break }
            $left--
        }
        if (-not $values -and -not $ended -and $cur -ceq '') { $offers = $free }
    }
    if ($values) {
        $kind = $kinds[$values]
        if ($positional.Count -gt 0 -and $kind.After.ContainsKey($positional[-1])) {
            $kind = $kinds[$kind.After[$positional[-1]]]
        }
        $offers = @($kind.Words)
        if ($kind.Listed) {
            $comma = $cur.LastIndexOf(',')
            if ($comma -ge $lead.Length) { $lead = $cur.Substring(0, $comma + 1) }
        }
        if ($kind.Folders -or @($kind.Suffixes).Count -gt 0) {
            $offers = @(& $paths $cur.Substring($lead.Length) $kind)
        }
    }
    # What PowerShell replaces is $wordToComplete, which may begin later than the word does.
    $head = ''
    if ($cur.Length -gt $wordToComplete.Length -and
        $cur.EndsWith($wordToComplete, [System.StringComparison]::Ordinal) -and -not $parts.Quote) {
        $head = $cur.Substring(0, $cur.Length - $wordToComplete.Length)
    }
    $none = $true
    foreach ($offer in $offers) {
        $text = $lead + $offer.Text
        if (-not $text.StartsWith($cur, $ignoringCase)) { continue }
        $shown = if ($offer.Type -like 'Provider*') { $offer.About } else { $offer.Text }
        $text = $text.Substring($head.Length)
        if ($text -notmatch '^[\w~./\\:=+-][\w~./\\:=+@-]*$' -or $parts.Quote) {
            $mark = if ($parts.Quote) { $parts.Quote } else { "'" }
            $text = $mark + $text.Replace($mark, $mark + $mark) + $mark
        }
        $about = if ($offer.About) { $offer.About } else { $shown }
        [System.Management.Automation.CompletionResult]::new($text, $shown, $offer.Type, $about)
        $none = $false
    }
    # Nothing at all would have PowerShell offer files.
    if ($none) { '' }
}
