# Says its input back and leaves a child behind that ignores being asked to end.
trap '' TERM
sleep 600 >/dev/null 2>&1 &
sleep 0.5
cat
