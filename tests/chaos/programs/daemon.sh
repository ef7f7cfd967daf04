# Says its input back and leaves a daemon behind: forked twice, in a session of its own, deaf to SIGTERM.
trap '' TERM
(setsid sleep 600 >/dev/null 2>&1 &)
sleep 0.2
cat
