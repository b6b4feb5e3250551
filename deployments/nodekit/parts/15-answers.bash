# Answers: one JSON object a line. `succeed` and `fail` end the program.

answered=''    # set when the result was given
result_file='' # where a detached operation leaves its result for whoever asks later
journal_fd=''  # a detached operation's own standard output, the journal
work=''        # a private directory on a tmpfs, gone at the end
made=()        # unfinished files and directories to remove at the end
declare -A helpers=() # processes to stop at the end
attended=''    # the command that `attend` waits for, stopped at the end with all below it

say() {
  printf '%s\n' "$1"
  [[ -z $journal_fd ]] || printf '%s\n' "$1" >&"$journal_fd"
}

log() { say "$(jq -cn --arg text "${1:0:2000}" '{event: "log", text: $text}')"; }

progress() { say "{\"event\":\"progress\",\"done\":$1,\"total\":$2}"; }

# answer LINE: give the result, keep it where a later `follow` finds it.
answer() {
  answered=yes
  [[ -z $result_file ]] || store "$result_file" 0600 <<<"$1"
  say "$1"
}

# succeed [--arg NAME TEXT | --argjson NAME JSON]…
succeed() {
  answer "$(jq -cn "$@" '{event: "result", ok: true} + $ARGS.named')"
  exit 0
}

# fail CODE TEXT
fail() {
  answer "$(jq -cn --arg code "$1" --arg text "${2:0:2000}" '{event: "result", ok: false, code: $code, text: $text}')"
  exit 1
}

# fail_because CODE TEXT: adds what the failed command said; a full disk has a code of its own.
fail_because() {
  local said=''
  [[ -z $work ]] || said=$(tail -c 600 "$work/stderr" | tr -c '[:print:]\n' '?' | tail -n 3)
  case $said in
    *'No space left on device'* | *'no space left on device'* | *'Disk quota exceeded'*)
      fail disk-full "The disk is full. $2 Nothing that ran was changed. Free some space (prune old releases) and try again." ;;
  esac
  fail "$1" "$2${said:+ It said: $said}"
}

# try CODE TEXT COMMAND…: a command (no function: errexit would be off inside it) that may fail.
try() {
  local code=$1 text=$2
  shift 2
  "$@" || fail_because "$code" "$text"
}

# attend COMMAND…: run it so that a signal ends it at once; bash would wait for it first. Its status is the answer.
attend() {
  local status=0
  "$@" <&0 &
  attended=$!
  wait "$attended" || status=$?
  attended=''
  return "$status"
}

# keep_alive: from here on a line every five seconds. When it cannot be said, nobody listens any more: then this ends too.
keep_alive() {
  local fd never main=$$
  (
    trap - ERR EXIT HUP INT TERM
    trap '' PIPE
    for fd in "${lock_of[@]}"; do exec {fd}>&-; done # a helper holds no lock
    exec {never}<> <(:)
    while ! read -r -t 5 -u "$never" && kill -0 "$main"; do
      printf '%s\n' '{"event":"alive"}' || { kill -s TERM -- "$main"; exit; }
    done
  ) &
  helpers[$!]=1
}

at_exit() {
  local status=$?
  trap - EXIT
  set +e
  IFS=$' \t\n' # a signal may have come in the middle of `IFS= read`
  (( ${#helpers[@]} == 0 )) || kill -- "${!helpers[@]}"
  [[ -z $attended ]] || end_below "$attended"
  if [[ -z $answered ]]; then
    answered=yes
    (( status != 130 )) || (fail interrupted "ffs-node was asked to stop before it had finished. The facts tell what was done; asking again is safe.")
    (( status == 130 )) || (fail_because internal "ffs-node stopped with status $status near line ${failed_line:-?}.")
    status=1
  fi
  (( ${#made[@]} == 0 )) || rm -rf --one-file-system -- "${made[@]}"
  [[ -z $work ]] || rm -rf -- "$work"
  exit "$status"
}

begin() {
  trap 'failed_line=$LINENO' ERR
  trap at_exit EXIT
  # Somebody hung up or gave up: clean up on the way out. What runs detached is another process.
  trap 'exit 130' HUP INT PIPE TERM
  [[ -n $root || $EUID == 0 ]] || fail not-root "ffs-node has to be run by root: sudo -n $program."
  mkdir -p -m 0700 -- "$own_runtime" "$own_runtime/locks"
  work=$(mktemp -d "$own_runtime/work.$$.XXXXXXXX")
  export TMPDIR=$work
  exec 2>"$work/stderr"
}
