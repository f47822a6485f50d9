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
