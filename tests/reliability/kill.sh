#!/usr/bin/env bash
# Kills a training run (SIGKILL) at COUNT random moments, resumes each, and
# compares weights, steps and losses with those of a run that was left alone.
#   kill.sh COUNT [SEED]      in an empty folder, with the environment of tests/run
set -uo pipefail
count=${1:-5} RANDOM=${2:-1}
script=$HONE_SOURCE/tests/reliability/train.lua
killed=0 resumed=0 wrong=0

# What must be the same: the program's answer, and each line of metrics but for its time.
told() {
    cat answer
    sed 's/"seconds":[^,}]*,\{0,1\}//' runs/killed/metrics.jsonl
}

# One run, alone, for what is expected and how long it takes.
rm -rf runs
start=$EPOCHREALTIME
"$HONE_BUILD/hone" run "$script" >answer 2>log || { cat log; exit 1; }
lasts=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) # milliseconds
told >expected

for ((i = 1; i <= count; i++)); do
    rm -rf runs
    "$HONE_BUILD/hone" run "$script" >answer 2>log &
    pid=$!
    moment=$(((RANDOM * 32768 + RANDOM) % (lasts + 1)))
    sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    # Killed after its last word, it is complete; before there was a run, it begins anew.
    if [ $status != 0 ] && ! grep -q '"complete": *true' runs/killed/run.json 2>/dev/null; then
        killed=$((killed + 1))
        if [ -e runs/killed/run.json ]; then
            again=(run "$script" --resume)
            resumed=$((resumed + 1))
        else
            rm -rf runs
            again=(run "$script")
        fi
        if ! "$HONE_BUILD/hone" "${again[@]}" >answer 2>log; then
            echo "not ok run $i, killed after $moment ms, goes on"
            cat log
            wrong=$((wrong + 1))
            continue
        fi
    elif [ $status != 0 ]; then
        continue
    fi
    if ! told | cmp -s - expected; then
        echo "not ok run $i, killed after $moment ms, ends with the same bits"
        told | diff - expected | head -n 5
        wrong=$((wrong + 1))
    fi
done
echo "# $count runs of $lasts ms: $killed killed, $resumed of them resumed, $wrong wrong"
[ $killed -gt 0 ] || { echo "not ok none was killed"; wrong=1; }
[ $wrong = 0 ] && echo "ok a run that is killed $count times at random moments goes on to the same bits"
exit $((wrong > 0))
