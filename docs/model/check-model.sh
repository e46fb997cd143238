#!/bin/sh
# check-model.sh [big]: checks protocol.pml with spin: the protocol as it is, then each mutant that puts one hole back,
# which must be caught. Needs spin and gcc; some minutes, 4 GB of memory. `big` adds the large exhaustive runs (8 to 20 GB).
# MODEL_MEMORY_MB bounds each run (20000); one that does not fit counts as WRONG, with '?' for its errors.
set -eu
model=$(cd "$(dirname "$0")" && pwd)/protocol.pml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wrong=0

# run NAME EXPECTED-ERRORS(0|1) KIND(safety|liveness) OPTIONS…
run() {
    name=$1 expected=$2 kind=$3
    shift 3
    mkdir "$work/$name"
    case $kind in
    safety) compile='-DSAFETY -DCOLLAPSE' search='' ;;
    liveness) compile='-DCOLLAPSE -DNFAIR=4' search='-a -f' ;;
    esac
    # shellcheck disable=SC2086 # lists of options
    (cd "$work/$name" && spin "$@" -a "$model" >spin.log 2>&1 &&
        gcc -O2 -w $compile -DVECTORSZ=2048 -DMEMLIM=${MODEL_MEMORY_MB:-20000} -o pan pan.c &&
        timeout 3000 ./pan -m20000 $search >out 2>&1) || :
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/$name/out" 2>/dev/null || :)
    states=$(awk '/states, stored/ { print $1 }' "$work/$name/out" 2>/dev/null || :)
    verdict=ok
    # The first error ends a run, so errors is 0 or 1; empty means that it did not finish.
    [ "$errors" = "$expected" ] || { verdict=WRONG; wrong=$((wrong + 1)); }
    printf '%-12s %-5s errors %-2s (expected %s)  %s states\n' "$name" "$verdict" "${errors:-?}" "$expected" "${states:-?}"
}

small='-DNP=4 -DCRASHES=1 -DFALSEEXP=0 -DUNK=0 -DDUPS=0'
# shellcheck disable=SC2086
{
    run small 0 safety $small
    run dropunknown 0 safety -DBUG -DBUG_DROPUNKNOWN -DNP=4 -DCRASHES=1 -DFALSEEXP=0 -DUNK=1 -DDUPS=0
    run late 0 safety -DLATE2 -DNP=5 -DCRASHES=1 -DFALSEEXP=0 -DUNK=2 -DDUPS=0
    run expire 0 safety -DEXPIRE -DNP=5 -DCRASHES=1 -DFALSEEXP=0 -DUNK=1 -DDUPS=1
    run redrive 0 safety -DREDRIVE=1 -DNP=5 -DCRASHES=1 -DFALSEEXP=0 -DUNK=0 -DDUPS=0
    run redrive_dup 0 safety -DREDRIVE=1 -DNP=5 -DCRASHES=0 -DFALSEEXP=0 -DUNK=0 -DDUPS=1
    run restage 0 safety -DBREAKS=1 -DNP=5 -DCRASHES=0 -DFALSEEXP=0 -DUNK=1 -DDUPS=1
    run giveup 0 safety -DGIVEUPS=1 -DNP=5 -DCRASHES=0 -DFALSEEXP=1 -DUNK=0 -DDUPS=0
    run giveup_seal 0 safety -DGIVEUPS=1 -DNP=5 -DCRASHES=0 -DFALSEEXP=0 -DUNK=1 -DDUPS=0
    run operated 0 safety -DREDRIVE=1 -DBREAKS=1 -DGIVEUPS=1 -DNP=6 -DCRASHES=0 -DFALSEEXP=0 -DUNK=0 -DDUPS=0
    run archive 0 safety -DARCHIVE -DVOID -DLIFE -DNP=5 -DCRASHES=1 -DFALSEEXP=0 -DUNK=0 -DDUPS=0
    run archiveloss 0 safety -DARCHIVE -DVOID -DARLOSS=1 -DNP=5 -DCRASHES=0 -DFALSEEXP=1 -DUNK=0 -DDUPS=0
    run live 0 liveness -DLTL_LIVE -DNP=5 -DCRASHES=1 -DFALSEEXP=1 -DUNK=0 -DDUPS=0

    run steal 1 safety -DBUG -DBUG_STEAL -DNP=4 -DCRASHES=0 -DFALSEEXP=1 -DUNK=0 -DDUPS=0
    run member 1 safety -DBUG -DBUG_NOMEMBER -DBUG_DROPUNKNOWN -DNP=4 -DCRASHES=0 -DFALSEEXP=0 -DUNK=1 -DDUPS=0
    run delrelease 1 safety -DBUG -DBUG_DELRELEASE -DBUG_NOMEMBER -DNP=4 -DCRASHES=0 -DFALSEEXP=0 -DUNK=1 -DDUPS=0
    run uncondrel 1 safety -DBUG -DBUG_UNCONDREL -DNP=4 -DCRASHES=0 -DFALSEEXP=1 -DUNK=0 -DDUPS=0
    run noaborted 1 liveness -DLTL_LIVE -DBUG -DBUG_NOABORTED $small
    run lifecycle 1 safety -DBUG -DLIFE $small
    run rebuild 1 safety -DBUG -DBUG_REBUILD $small
    run headevid 1 safety -DBUG -DBUG_HEADEVID -DVOID -DCONSUMER $small
    run claimfirst 1 safety -DBUG -DBUG_CLAIMFIRST $small
    run planput 1 safety -DBUG -DBUG_PLANPUT -DNP=4 -DCRASHES=0 -DFALSEEXP=1 -DUNK=1 -DDUPS=0
    run ownerabort 1 safety -DBUG -DBUG_OWNERABORT -DNP=4 -DCRASHES=0 -DFALSEEXP=0 -DUNK=1 -DDUPS=0
    run janitor 1 safety -DBUG -DBUG_JANITOR -DNP=4 -DCRASHES=1 -DFALSEEXP=1 -DUNK=0 -DDUPS=0
    run ttl 1 safety -DBUG -DBUG_TTL -DNP=4 -DCRASHES=0 -DFALSEEXP=0 -DUNK=0 -DDUPS=1
    run noscanner 1 safety -DNOSCANNER -DEXPIRE $small
    run archlast 1 safety -DBUG -DBUG_ARCHLAST -DARCHIVE -DVOID $small
    run keeparchive 1 safety -DBUG -DBUG_KEEPARCHIVE -DARCHIVE -DVOID -DLIFE $small
    run voidbyarch 1 safety -DBUG -DBUG_VOIDBYARCH -DARCHIVE -DVOID -DARLOSS=1 $small
    run samemessage 1 safety -DBUG -DBUG_SAMEMSG -DREDRIVE=1 -DNP=4 -DCRASHES=0 -DFALSEEXP=0 -DUNK=0 -DDUPS=1
    run restagelate 1 safety -DBUG -DBUG_RESTAGE -DBREAKS=1 -DNP=4 -DCRASHES=0 -DFALSEEXP=0 -DUNK=1 -DDUPS=0

    if [ "${1-}" = big ]; then
        run w2_all 0 safety -DLATE2 -DNP=6 -DCRASHES=1 -DFALSEEXP=1 -DUNK=1 -DDUPS=1
        run w2_void 0 safety -DVOID -DLIFE -DNP=6 -DCRASHES=1 -DFALSEEXP=0 -DUNK=1 -DDUPS=1
        run w2_restage 0 safety -DBREAKS=1 -DNP=5 -DCRASHES=1 -DFALSEEXP=0 -DUNK=1 -DDUPS=0
        run w2_giveup 0 safety -DGIVEUPS=1 -DNP=5 -DCRASHES=1 -DFALSEEXP=0 -DUNK=1 -DDUPS=0
        run w2_archive 0 safety -DARCHIVE -DVOID -DLIFE -DLATE2 -DNP=5 -DCRASHES=0 -DFALSEEXP=1 -DUNK=1 -DDUPS=0
        run w3_zombie 0 safety -DNW=3 -DNP=5 -DCRASHES=0 -DFALSEEXP=1 -DUNK=0 -DDUPS=0
        run w3_crash 0 safety -DNW=3 -DNP=6 -DCRASHES=1 -DFALSEEXP=0 -DUNK=0 -DDUPS=0
    fi
}
[ "$wrong" = 0 ] || { echo "$wrong runs did not end as expected"; exit 1; }
