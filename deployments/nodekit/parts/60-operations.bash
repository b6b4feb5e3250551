# Detached operations: switch and roll back run as units of their own, so that a cut connection ends neither half-way.
# ops/OPERATION.SERVICE holds the request, the state (prepared, running, switched, failed, confirmed, rolled-back), the
# events and the result of each; whoever lost the connection asks again and gets them.

operation_directory() { printf '%s/ops/%s.%s' "$state" "${option[op]}" "${option[service]}"; }

set_state() { store "$1/state" 0600 <<<"$2"; }

# detach UNIT VERB ARGUMENT…
detach() {
  try systemd "The operation could not be started on the node; nothing was changed." \
    systemd-run --quiet --collect --unit="$1" --service-type=exec --property=SyslogIdentifier=ffs-node \
    --property=TimeoutStopSec=10 -- "$program" "${@:2}" </dev/null
}

# attach KIND: in the unit itself. Events go to the file that others follow, and to the journal.
attach() {
  local directory
  directory=$(operation_directory)
  [[ -d $directory ]] || fail not-found "There is no such operation on this node."
  exec {journal_fd}>&1
  exec >>"$directory/$1.events"
  result_file=$directory/$1.json
}

# follow_operation UNIT KIND: shows the events from the first on and ends with the result, as its own.
follow_operation() {
  local directory result line part='' turn=0 fd
  directory=$(operation_directory)
  result=$directory/$2.json
  : >>"$directory/$2.events"
  exec {fd}<"$directory/$2.events"
  while :; do
    if [[ -e $result ]]; then
      drain_events "$fd"
      [[ $2 != switch || $(<"$directory/state") != rolled-back ]] || fail rolled-back "The old release is back: $(<"$directory/why")."
      line=$(<"$result")
      answered=yes
      printf '%s\n' "$line"
      [[ $line == *'"ok":true'* ]] && exit 0
      exit 1
    fi
    drain_events "$fd"
    if (( turn % 10 == 0 )) && ! systemctl --quiet is-active "$1" && [[ ! -e $result ]]; then
      [[ $(<"$directory/state") != rolled-back ]] || fail rolled-back "The old release is back: $(<"$directory/why")."
      fail interrupted "The operation ended without a result (the node was restarted, or it was stopped). Read the facts: a pending switch is undone by itself."
    fi
    (( turn % 100 != 99 )) || say '{"event":"alive"}'
    turn=$(( turn + 1 ))
    sleep 0.1
  done
}

drain_events() {
  while IFS= read -r -u "$1" line; do
    [[ -z $part$line || $part$line == *'"event":"result"'* ]] || printf '%s\n' "$part$line"
    part=''
  done
  part+=$line
}

# forget_operations: the records of the last 50 operations are kept.
forget_operations() {
  local directory count=0
  while IFS= read -r directory; do
    count=$(( count + 1 ))
    (( count > 50 )) && [[ $(<"$directory/state") != @(prepared|running|switched) ]] || continue
    rm -rf --one-file-system -- "$directory"
  done < <(ls -1dt -- "$state"/ops/*.*/)
}

# unit_condition SERVICE: what systemd says of the service, as the arguments of succeed.
unit_condition() {
  local line
  condition=()
  while IFS= read -r line; do
    case $line in
      ActiveState=*) condition+=(--arg active "${line#*=}") ;;
      SubState=*) condition+=(--arg sub "${line#*=}") ;;
      Result=*) condition+=(--arg unit_result "${line#*=}") ;;
      MainPID=*) condition+=(--argjson main_pid "${line#*=}") ;;
    esac
  done < <(systemctl show --property=ActiveState,SubState,Result,MainPID "ffs-$1.service")
}

verb_follow() {
  options 'service op' '' 'rollback' "$@"
  [[ -d $(operation_directory) ]] || fail not-found "There is no such operation on this node."
  if [[ -n ${option[rollback]+set} ]]; then
    follow_operation "ffs-rollback-${option[op]}.${option[service]}.service" rollback
  fi
  follow_operation "ffs-op-${option[op]}.${option[service]}.service" switch
}
