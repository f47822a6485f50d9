# Sourced by .ci/run: the suite on other Pythons of the machine that pyproject.toml could claim.

PYTHONS=(3.14 3.13 3.12 3.11)

closings=()
failures=0

# Print the newest interpreter of a version that works, from PATH or from pyenv; fails without one.
# pyenv puts a shim on PATH for each version that it has, and that ends with "command not found"
# unless PYENV_VERSION or a setting chooses it: so pyenv's versions are looked at themselves.
find_python() {
    local version=$1 roots=("${PYENV_ROOT:-}" "$HOME/.pyenv") folder candidates candidate
    for folder in ${PATH//:/ }; do
        case $folder in */shims) roots+=("${folder%/shims}") ;; esac
    done
    mapfile -t candidates < <(
        type -ap "python$version"
        for folder in "${roots[@]}"; do
            [ -z "$folder" ] || printf '%s\n' "$folder/versions/$version".*/bin/"python$version"
        done | sort -rV
    )
    for candidate in "${candidates[@]}"; do
        if is_python "$candidate" "$version"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Does it run, is it that version, and can it make virtual environments?
is_python() {
    [ "$("$1" -c 'import ensurepip, sys, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$2" ]
}

# Compile the tests for a Python: else all workers do it at the same time. What is wrong is said later.
compile_tests() {
    "$1" -m pytest --collect-only -qq >/dev/null 2>&1 || true
}

# Run the suite in an environment and keep the closing line. Goes on after a failure.
suite() {
    local label=$1 log="$scratch/tests.log" closing
    shift
    echo "$*"
    "$@" 2>&1 | tee "$log" || failures=$((failures + 1))
    closing=$(grep -E '[0-9]+ (passed|failed|error)' "$log" | tail -n 1) || closing="no closing line"
    closings+=("$label: $closing")
}

# suite_on LABEL PYTHON [pip's options]: in an environment of its own.
suite_on() {
    local label=$1 python=$2 venv="$scratch/venv-suite"
    shift 2
    "$python" -m venv "$venv"
    if "$venv/bin/python" -m pip install -q "$@" -e '.[test]'; then
        compile_tests "$venv/bin/python"
        suite "$label" "$venv/bin/python" -m pytest -n auto
    else
        failures=$((failures + 1))
        closings+=("$label: what the tests need could not be installed")
    fi
    rm -rf "$venv"
}

# The suite on the newest version but the one that was tested already: what the oldest and the newest
# agree on has not failed between them. `ZIMAGE_EVERY_PYTHON=1` has it on each, 5 minutes more for one.
suite_on_other_pythons() {
    local tested=$1 version python others=0
    for version in "${PYTHONS[@]}"; do
        [ "$version" != "$tested" ] || continue
        if ! python=$(find_python "$version"); then
            echo "Python $version: not on this machine"
        elif [ "$others" -eq 0 ] || [ -n "${ZIMAGE_EVERY_PYTHON:-}" ]; then
            say "tests on Python $version: $python"
            suite_on "Python $version" "$python"
            others=$((others + 1))
        fi
    done
    [ "$others" -gt 0 ] || echo "this machine has one Python only, $tested: the suite ran on no other"
}
