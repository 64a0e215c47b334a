# Runs that are killed, and runs on a full disk: a few here, many by hand (docs/reliability.md).
status=0
bash "$HONE_SOURCE/tests/reliability/kill.sh" "${HONE_RELIABILITY_KILLS:-5}" || status=1
rm -rf ./*
bash "$HONE_SOURCE/tests/reliability/full_disk.sh" || status=1
exit $status
