# Pending switches: pending/SERVICE holds the old unit (or none), whether there was a `deployed` stamp, and until when.
# Time counts by the kernel's uptime and boot id, not by a clock that may jump. Confirm, roll back and restore hold the
# service's switch lock, so exactly one of them finds the pending unit.

uptime_seconds() { local up; read -r up _ </proc/uptime; printf '%s' "${up%.*}"; }

boot_id() { tr -d '\n' </proc/sys/kernel/random/boot_id; }

# arm: the timer first, so that there never is a pending unit without one. It changes nothing when nothing is due.
arm() {
  disarm "${option[service]}"
  due_uptime=$(( $(uptime_seconds) + option[deadline] ))
  due_epoch=$(( EPOCHSECONDS + option[deadline] ))
  try systemd "The timer that brings the old release back could not be armed; nothing was changed." \
    systemd-run --quiet --collect --unit="ffs-restore-${option[service]}" --on-active="$(( option[deadline] + 1 ))" \
    --timer-property=AccuracySec=1s --property=SyslogIdentifier=ffs-node -- "$program" restore --due </dev/null
}

disarm() { systemctl --quiet stop "ffs-restore-$1.timer" 2>/dev/null || true; }

keep_old() {
  local temporary quadlet=$quadlets/ffs-${option[service]}.container
  mkdir -p -m 0700 -- "$state/pending"
  temporary=$(mktemp -d "$state/pending/.ffs.XXXXXXXX")
  made+=("$temporary")
  [[ ! -e $quadlet ]] || cp --no-preserve=all -- "$quadlet" "$temporary/unit"
  [[ ! -e $services/${option[service]}/deployed ]] || : >"$temporary/deployed"
  printf '%s\n' "${option[op]}" >"$temporary/op"
  printf '%s\n' "$due_epoch" >"$temporary/deadline"
  printf '%s\n' "$due_uptime" >"$temporary/uptime"
  printf '%s\n' "$(boot_id)" >"$temporary/boot"
  publish "$temporary" "$state/pending/${option[service]}"
}

# put_back SERVICE WHY: the old file in its place again. Repeating it is harmless until the pending directory is gone.
put_back() {
  local pending=$state/pending/$1 quadlet=$quadlets/ffs-$1.container directory
  directory=$state/ops/$(<"$pending/op").$1
  if [[ -e $pending/unit ]]; then
    store "$quadlet" 0644 <"$pending/unit"
    relabel "$quadlet"
  else
    rm -f -- "$quadlet"
  fi
  first=''
  if [[ ! -e $pending/deployed ]]; then
    first=yes
    rm -f -- "$services/$1/deployed"
    [[ ! -d $services/$1 ]] || sync -- "$services/$1"
  fi
  sync -- "$quadlets"
  systemctl daemon-reload
  if [[ -d $directory ]]; then
    store "$directory/why" 0600 <<<"$2"
    set_state "$directory" rolled-back
  fi
  rm -rf --one-file-system -- "$state/pending/.gone"
  mv -T -- "$pending" "$state/pending/.gone"
  sync -- "$state/pending"
  rm -rf --one-file-system -- "$state/pending/.gone"
}

# restart_after_restore SERVICE [--no-block]: a first deploy has nothing to go back to, so the service stops.
restart_after_restore() {
  systemctl reset-failed "ffs-$1.service" 2>/dev/null || true
  if [[ -n $first ]]; then
    systemctl "${@:2}" stop "ffs-$1.service" || true
  else
    systemctl "${@:2}" restart "ffs-$1.service"
  fi
}

verb_confirm() {
  local pending directory
  options 'fence service op' '' '' "$@"
  directory=$(operation_directory)
  lock "switch-${option[service]}" 10
  check_fence "service-${option[service]}"
  [[ -e $directory/state ]] || fail not-found "There is no such operation on this node."
  pending=$state/pending/${option[service]}
  write_down_confirmed "$directory"
  case $(<"$directory/state") in
    confirmed) succeed --arg state confirmed ;;
    rolled-back) fail rolled-back "Too late: the old release was brought back ($(<"$directory/why"))." ;;
    switched) ;;
    *) fail not-switched "The new release has not become ready, so there is nothing to confirm." ;;
  esac
  [[ -e $pending/op && $(<"$pending/op") == "${option[op]}" ]] || fail not-found "There is no switch of this operation to confirm."
  # This rename decides: whoever finds the directory afterwards finds none.
  rm -rf --one-file-system -- "$directory/previous"
  mv -T -- "$pending" "$directory/previous"
  sync -- "$state/pending" "$directory"
  set_state "$directory" confirmed
  disarm "${option[service]}"
  succeed --arg state confirmed
}

# write_down_confirmed DIRECTORY: the rename of the pending directory decides; where the power went between it and the
# state, the state is written now.
write_down_confirmed() {
  [[ $(<"$1/state") == switched && ! -e $state/pending/${option[service]} && -e $1/previous ]] || return 0
  set_state "$1" confirmed
  disarm "${option[service]}"
}

# rollback: of a switch that waits for its confirmation; with --confirmed also of one that was confirmed and is still the
# newest, so that a rollout that fails on its last nodes can go back on its first.
verb_rollback() {
  options 'fence service op' '' 'confirmed' "$@"
  request_rollback "${option[fence]}"
}

# cancel: a switch that is under way is stopped and undone; one that was confirmed stays.
verb_cancel() {
  options 'service op' '' '' "$@"
  request_rollback ''
}

request_rollback() { # request_rollback FENCE: empty for a cancel, which names its operation and so cannot hit a newer one
  local directory name
  directory=$(operation_directory)
  name=ffs-rollback-${option[op]}.${option[service]}
  [[ -e $directory/state ]] || fail not-found "There is no such operation on this node."
  lock "prepare-${option[service]}" 10
  if ! systemctl --quiet is-active "$name.service" && rollback_due "$directory"; then
    [[ -z $1 ]] || check_fence "service-${option[service]}"
    rm -f -- "$directory"/rollback.{json,events}
    store "$directory/rollback.fence" 0600 <<<"$1"
    store "$directory/rollback.confirmed" 0600 <<<"${option[confirmed]-}"
    detach "$name" run-rollback --service "${option[service]}" --op "${option[op]}"
  fi
  unlock "prepare-${option[service]}"
  follow_operation "$name.service" rollback
}

verb_run_rollback() {
  local directory
  options 'service op' '' '' "$@"
  attach rollback
  directory=$(operation_directory)
  stop_switch "${option[op]}" "${option[service]}"
  lock "switch-${option[service]}" 60
  option[fence]=$(<"$directory/rollback.fence")
  [[ -z ${option[fence]} ]] || check_fence "service-${option[service]}"
  write_down_confirmed "$directory"
  case $(<"$directory/state") in
    confirmed) reopen "$directory" ;;
    prepared)
      store "$directory/why" 0600 <<<'it was asked for before anything was changed'
      set_state "$directory" rolled-back ;;
  esac
  if [[ -e $state/pending/${option[service]}/op && $(<"$state/pending/${option[service]}/op") == "${option[op]}" ]]; then
    log "Putting the old unit back."
    put_back "${option[service]}" 'it was asked for'
    disarm "${option[service]}"
    restart_after_restore "${option[service]}" ||
      { journal_tail "${option[service]}" "$(( EPOCHSECONDS - 60 ))"; fail start-failed "The old unit is back, but its service does not start."; }
  elif [[ $(<"$directory/state") != rolled-back ]]; then
    store "$directory/why" 0600 <<<'nothing was pending'
    set_state "$directory" rolled-back
  fi
  unit_condition "${option[service]}"
  succeed --arg state rolled-back "${condition[@]}"
}

# stop_switch OPERATION SERVICE: a switch still waiting for its service holds the lock; end it.
stop_switch() { systemctl stop "ffs-op-$1.$2.service" 2>/dev/null || true; }

# restore --due: what the timer and ffs-restore.service at boot run. A switch of an earlier boot is due at once: it was
# never confirmed. Starting is left to systemd (--no-block): at boot the services are queued behind this very program.
verb_restore() {
  local pending service count=0
  options '' '' 'due' "$@"
  [[ -n ${option[due]+set} ]] || fail bad-argument "restore takes --due."
  for pending in "$state"/pending/*; do
    service=${pending##*/}
    is_due "$pending" || continue
    stop_switch "$(<"$pending/op")" "$service"
    lock "switch-$service" 600
    is_due "$pending" || continue
    put_back "$service" 'it was not confirmed in time'
    # One that cannot be started must not keep the others from coming back.
    restart_after_restore "$service" --no-block || log "ffs-$service.service could not be restarted."
    count=$(( count + 1 ))
  done
  succeed --argjson restored "$count"
}

is_due() {
  [[ -e $1/op ]] || return 1
  [[ $(<"$1/boot") == "$(boot_id)" ]] || return 0
  (( $(uptime_seconds) >= $(<"$1/uptime") ))
}
