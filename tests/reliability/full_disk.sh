#!/usr/bin/env bash
# Fills the disk below a training run that has a checkpoint, and lets the run go
# on into it: it must fail with the file and the reason, the checkpoint must stay
# whole, and with room again the run must end with the bits of one left alone.
#   full_disk.sh      in an empty folder, with the environment of tests/run
# The disk is a tmpfs of 2 MB, in a mount namespace of its own.
set -uo pipefail
script=$HONE_SOURCE/tests/reliability/train.lua
hone=("$HONE_BUILD/hone" run "$script" strategy=full)

if [ "${1-}" != --inside ]; then
    if ! unshare -rm mount -t tmpfs tmpfs . 2>/dev/null; then
        echo "skip a full disk: no tmpfs can be mounted here"
        exit
    fi
    exec unshare -rm bash "$0" --inside
fi

failed=0
check() { # WHAT COMMAND ...
    local what=$1
    shift
    if "$@"; then
        echo "ok $what"
    else
        echo "not ok $what"
        cat "$PWD/../full.log"
        failed=1
    fi
}
checkpoints() { (cd runs/killed/checkpoints && sha256sum step-*/*); }

mkdir -p disk
mount -t tmpfs -o size=2m tmpfs disk || exit 1
cd disk || exit 1

"${hone[@]}" >../expected 2>../full.log || { cat ../full.log; exit 1; }
rm -rf runs

# Killed with some checkpoints behind it.
KILL_AT=8 "${hone[@]}" >../answer 2>../full.log
check "the run was killed" [ $? = 137 ]
checkpoints >../before

# Room for small files, not for a checkpoint.
room=$(df --output=avail -B 1024 . | tail -n 1)
head -c $(((room - 120) * 1024)) /dev/zero >filler
"${hone[@]}" --resume >../answer 2>../full.log
status=$?
check "a run on a full disk fails" [ $status = 1 ]
check "its message names the file and the reason" \
    grep -Eq 'checkpoints/.*: cannot write: No space left on device' ../full.log
checkpoints >../after
check "the checkpoint before stays whole" cmp -s ../before ../after
check "no half of a checkpoint stays" [ -z "$(find runs -name '*.tmp*')" ]

rm filler
"${hone[@]}" --resume >../answer 2>../full.log
check "with room again it goes on to the same bits" cmp -s ../expected ../answer
exit $failed
