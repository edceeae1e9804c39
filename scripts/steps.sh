# The steps of scripts/test. $logs is a folder of this run; $beside, if set, the process that works beside it.
# shellcheck shell=bash

# step NAME COMMAND...: run it, say how long it took; the steps after a failed one still run.
step() {
    local name=$1 began=$SECONDS result=ok
    shift
    say "-- $name"
    "$@" || { result=FAILED; say "$name" >>"$logs/failed"; }
    say "   $name: $result, $((SECONDS - began)) s"
}

# heard NAME PYTEST-ARGUMENTS...: run tests. One or two of eight thousand fail now and then because the machine was
# busy: what failed is run once more, with nothing beside it. What fails again is broken. What passes then is named in
# the last lines, and is a finding all the same (docs/testing.md). More than three are no accident: they are not heard.
heard() {
    local name=$1 asked="$logs/$1/v/cache/lastfailed" result=0
    shift
    python -m pytest -q -o cache_dir="$logs/$name" "$@" || result=$?
    # 1: all was run, and something failed. Anything else: there may be tests that were never run.
    [ "$result" -eq 1 ] || return "$result"
    sed -n 's/^ *"\(.*::.*\)": true,\{0,1\}$/\1/p' "$asked" >"$logs/asked" || return 1
    case $(wc -l <"$logs/asked") in 1 | 2 | 3) ;; *) return 1 ;; esac
    [ -z "${beside:-}" ] || wait "$beside"
    say "-- once more, alone"
    python -m pytest -q -o cache_dir="$logs/$name" --last-failed --last-failed-no-failures none || return 1
    cat "$logs/asked" >>"$logs/unsteady"
}
