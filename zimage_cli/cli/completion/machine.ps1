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
