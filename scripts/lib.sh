# shellcheck shell=bash
# What the scripts in this folder share. Sourced by them, never run:
#
#   root                    the top of the tree (absolute)
#   say TEXT...             a line of progress, on standard error
#   die TEXT...             a line of failure, exit 1
#   usage_error TEXT...     the same with a pointer to --help, exit 2
#   show_help               the comment at the head of the calling script
#   need_value "$@"         for `--option VALUE`: usage error where VALUE is missing
#   need_group GROUP...     scripts/setup for these groups (nothing happens where all is there)
#   binaries PRESET         builds the preset and prints the folder of its binaries
#   start_lossd BIN LOG [FLAG...]   sets lossd_address and lossd_pid once the server is serving on a free loopback port
#   stop_lossd              SIGTERM; dies unless the server drained and exited 0
#   on_exit COMMAND...      runs when the script ends, however it ends; the last one registered runs first

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools_bin=$root/build/tools/bin
export PATH="$tools_bin:$PATH"

say() { printf '== %s\n' "$*" >&2; }
die() {
  printf '%s: error: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
usage_error() {
  printf '%s: error: %s (see %s --help)\n' "${0##*/}" "$*" "$0" >&2
  exit 2
}
show_help() { sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$0"; }
need_value() { [[ $# -ge 2 && -n $2 ]] || usage_error "$1 needs a value"; }

need_group() {
  local group
  for group in "$@"; do "$root/scripts/setup" --only "$group" >&2; done
}

binaries() {
  "$root/scripts/build" "$1" >&2
  printf '%s\n' "$root/build/$1/bin"
}

exit_commands=()
on_exit() { exit_commands=("$(printf '%q ' "$@")" "${exit_commands[@]}"); }
run_exit_commands() {
  local status=$? command
  trap - EXIT
  for command in "${exit_commands[@]}"; do eval "$command" || true; done
  exit "$status"
}
trap run_exit_commands EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

lossd_pid=
start_lossd() {
  local bin=$1 log=$2
  shift 2
  [[ -x $bin/lossd ]] || die "$bin/lossd is missing; run scripts/build"
  mkdir -p "$(dirname "$log")"
  lossd_log=$log
  local port_file=$log.port
  rm -f "$port_file"
  "$bin/lossd" --listen_address=127.0.0.1:0 --metrics_address= --port_file="$port_file" "$@" > "$log" 2>&1 &
  lossd_pid=$!
  on_exit kill_lossd
  local tries
  for ((tries = 0; tries < 300; ++tries)); do
    if [[ -s $port_file ]]; then
      lossd_address=$(head -n 1 "$port_file")
      rm -f "$port_file"
      say "lossd serves on $lossd_address (log: ${log#"$root"/})"
      return
    fi
    kill -0 "$lossd_pid" 2> /dev/null || break
    sleep 0.1
  done
  tail -n 20 "$log" >&2
  die "lossd was not serving within 30 s; the end of its log stands above"
}

stop_lossd() {
  local status=0 pid=$lossd_pid tries
  kill -TERM "$pid" 2> /dev/null || true
  for ((tries = 0; tries < 600; ++tries)); do
    kill -0 "$pid" 2> /dev/null || break
    sleep 0.1
  done
  if kill -0 "$pid" 2> /dev/null; then
    tail -n 20 "$lossd_log" >&2
    die "lossd was still there 60 s after SIGTERM; the end of its log stands above"
  fi
  lossd_pid=
  wait "$pid" || status=$?
  if [[ $status -ne 0 ]]; then
    tail -n 20 "$lossd_log" >&2
    die "lossd ended with status $status instead of draining and exiting 0; the end of its log stands above"
  fi
  say "lossd drained and exited 0"
}

# The way out of a script that failed: no server stays behind.
kill_lossd() {
  [[ -n $lossd_pid ]] || return 0
  kill -TERM "$lossd_pid" 2> /dev/null || return 0
  local tries
  for ((tries = 0; tries < 50; ++tries)); do
    kill -0 "$lossd_pid" 2> /dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$lossd_pid" 2> /dev/null || true
}
