#!/bin/sh
# The gate between a container's start and its first request: migrate, and only then become the server.
#
#   entrypoint.sh                 migrate, then serve with gunicorn
#   entrypoint.sh COMMAND ARG…    migrate, then become COMMAND instead
#
# A migration that fails ends it with the migration's exit code. A signal ends it too, and nothing is started
# after one. Variables, signals and exit codes: docs/entrypoint.md
set -eu
# Where this file is, and not a link to it; nor where CDPATH, or a function of that name, would have it.
self=$(readlink -f -- "$0")
CDPATH='' command cd -P -- "$(dirname -- "$self")"

child='' # the migration's pid, once there is one
stopped='' # 128 + the number of the last signal, once there was one

# The migration gets SIGTERM whatever came: a shell without job control starts its background children with
# SIGINT and SIGQUIT ignored. It gets it twice, for the case that it was forked a moment ago and is still a copy of
# this shell, in which the first goes unnoticed.
stop() {
    stopped=$1
    [ -n "$child" ] || return 0
    kill -s TERM "$child" 2>/dev/null || true
    sleep 0.1 || true
    kill -s TERM "$child" 2>/dev/null || true
}
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 131' QUIT
trap 'stop 143' TERM

# The words that every variable of Lockgate's takes; what is none of them is not guessed at.
case ${LOCKGATE_SKIP_MIGRATE:-0} in
1 | [Tt][Rr][Uu][Ee] | [Oo][Nn]) skipped=yes ;;
0 | [Ff][Aa][Ll][Ss][Ee] | [Oo][Ff][Ff]) skipped='' ;;
*)
    cat >&2 <<'END'
error: LOCKGATE_SKIP_MIGRATE is neither true nor false
  state  nothing was migrated, and nothing was started
  next   give true, 1 or on, or false, 0 or off; or unset it
END
    exit 1
    ;;
esac

if [ -z "$skipped" ]; then
    DJANGO_SETTINGS_MODULE=project.settings.migrate python manage.py migrate --noinput &
    child=$!
    [ -z "$stopped" ] || stop "$stopped" # the signal came before there was a child to pass it on to

    # A trapped signal makes `wait` return early, with the signal's number: wait until the child is gone.
    while
        status=0
        wait "$child" || status=$?
        kill -0 "$child" 2>/dev/null
    do :; done
    if [ -n "$stopped" ]; then
        # It may have gone while the trap ran, its exit code not read yet. 127: it was read above.
        unread=0
        wait "$child" 2>/dev/null || unread=$?
        [ "$unread" -eq 127 ] || status=$unread
    fi
    [ "$status" -eq 0 ] || exit "$status"
fi

: "${DJANGO_SETTINGS_MODULE:=project.settings.serve}"
export DJANGO_SETTINGS_MODULE
if [ $# -eq 0 ]; then
    set -- gunicorn --config docker/gunicorn.conf.py project.wsgi
    # The kernel drops a signal to PID 1 that PID 1 has no handler for, as long as Python has not come up: a stop
    # would be lost and the server started. A blocked signal is kept; gunicorn.conf.py looks for it, and unblocks.
    if [ $$ -eq 1 ] && env --block-signal=TERM true 2>/dev/null; then
        set -- env --block-signal=HUP,INT,QUIT,TERM "$@"
    fi
fi

# In this order: a signal before the first line is in $stopped, one after it has its default effect.
trap - HUP INT QUIT TERM
[ -z "$stopped" ] || exit "$stopped"
exec "$@"
