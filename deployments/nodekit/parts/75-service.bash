# A service's everyday verbs: start, stop, restart, and its journal.

verb_control() {
  local action=''
  if [[ ${*: -1} =~ ^(start|stop|restart)$ ]]; then
    action=${*: -1}
    set -- "${@:1:$#-1}"
  elif [[ ${1-} =~ ^(start|stop|restart)$ ]]; then
    action=$1
    shift
  fi
  options 'fence service' '' '' "$@"
  [[ -n $action ]] || fail bad-argument "control takes start, stop or restart."
  lock "switch-${option[service]}" 10
  check_fence "service-${option[service]}"
  [[ -e $quadlets/ffs-${option[service]}.container ]] || fail not-found "There is no service ${option[service]} on this node."
  [[ $action == stop || -e $services/${option[service]}/deployed ]] ||
    fail not-deployed "Nothing was deployed to this service yet, so there is nothing to start."
  # systemd does the work: the lock is not kept while a slow start is awaited, so that a restore need not wait.
  unlock "switch-${option[service]}"
  [[ $action == stop ]] || systemctl reset-failed "ffs-${option[service]}.service" || true
  systemctl "$action" "ffs-${option[service]}.service" </dev/null || {
    journal_tail "${option[service]}" "$(( EPOCHSECONDS - 30 ))"
    fail systemd "systemd could not $action ffs-${option[service]}.service; its last lines are above."
  }
  unit_condition "${option[service]}"
  succeed "${condition[@]}"
}

# reset-restarts: systemd counts the restarts of a unit, waits longer before each, and forgets none by itself, however
# well the unit is afterwards (systemd#43813). To what runs this does nothing, so it carries no fence.
verb_reset_restarts() {
  local unit condition
  options 'service' '' '' "$@"
  unit=ffs-${option[service]}.service
  [[ -e $quadlets/${unit%.service}.container ]] || fail not-found "There is no service ${option[service]} on this node."
  [[ ! -e $state/pending/${option[service]} ]] ||
    fail pending "A switch of this service is not confirmed; its gate counts the restarts. Nothing was changed."
  condition=$(systemctl show --property=ActiveState,NRestarts -- "$unit")
  [[ $condition == *ActiveState=active* && $condition =~ NRestarts=([0-9]{1,9}) ]] ||
    fail systemd "$unit is not active, so its restarts still count. Nothing was changed."
  try systemd "The restarts of $unit could not be reset." systemctl reset-failed "$unit"
  succeed --argjson restarts "${BASH_REMATCH[1]}"
}

# The text to look for is literal: it is given to journalctl as a quoted pattern.
verb_logs() {
  local arguments=(--quiet --no-pager --output=json "--output-fields=MESSAGE,PODMAN_EVENT,SYSLOG_IDENTIFIER" --all)
  options 'service' 'lines since grep' 'follow' "$@"
  if [[ -n ${option[grep]+set} ]]; then
    # Taken out once, what is left may join to another one.
    while [[ ${option[grep]} == *'\E'* ]]; do option[grep]=${option[grep]//'\E'/}; done
    arguments+=(--grep="\\Q${option[grep]}\\E" --case-sensitive=false)
  fi
  [[ -z ${option[since]+set} ]] || arguments+=(--since="@${option[since]}")
  arguments+=(--unit="ffs-${option[service]}.service" --lines="${option[lines]:-200}")
  if [[ -n ${option[follow]+set} ]]; then
    follow_journal "${arguments[@]}"
  else
    # With --grep and --lines journalctl begins at the newest.
    { journalctl "${arguments[@]}" </dev/null || true; } | journal_lines | if [[ -n ${option[grep]+set} ]]; then sort_lines; else cat; fi
  fi
  succeed
}

# journal_lines: what the service and systemd say; podman's and conmon's talk about the container is left out.
journal_lines() {
  jq -c --unbuffered "$journal_filter"'{event: "line", at: ((.__REALTIME_TIMESTAMP | tonumber) / 1000000), text}'
}

readonly journal_filter='
  .text = (.MESSAGE | if type == "array" then implode else (. // "") | tostring end | rtrimstr("\n") | .[:8192])
  | select(.PODMAN_EVENT == null and .SYSLOG_IDENTIFIER != "conmon" and .text != "{\"event\":\"result\",\"ok\":true}"
      and (.text | test("^[0-9a-f]{64}$") | not)) | '

# journal_tail SERVICE EPOCH: the last lines since then, for the log of the operation.
journal_tail() {
  { journalctl --quiet --unit="ffs-$1.service" --since="@$2" --lines=60 --output=json --all \
    --output-fields=MESSAGE,PODMAN_EVENT,SYSLOG_IDENTIFIER </dev/null || true; } |
    jq -c "$journal_filter"'{event: "log", text: .text[:1000]}' || true
}

sort_lines() { jq -cs 'sort_by(.at)[]'; }

# follow_journal ARGUMENT…: for as long as somebody reads. A line now and then, so that a closed connection is noticed.
follow_journal() {
  local line raw fd status now=$EPOCHREALTIME
  if [[ -n ${option[grep]+set} ]]; then
    # --grep with --lines begins at the newest line and stops there: what was is shown first, then what comes is followed.
    { journalctl "$@" --until="@$now" </dev/null || true; } | journal_lines | sort_lines
    set -- "$@" --since="@$now" --lines=all
  fi
  exec {raw}< <(exec journalctl "$@" --follow </dev/null)
  helpers[$!]=1
  exec {fd}< <(journal_lines <&"$raw")
  helpers[$!]=1
  while :; do
    status=0
    IFS= read -r -t 10 -u "$fd" line || status=$?
    if (( status == 0 )); then
      printf '%s\n' "$line"
    elif (( status > 128 )); then
      printf '%s\n' '{"event":"alive"}'
    else
      break
    fi
  done
}
