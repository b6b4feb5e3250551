# The switch: one file is replaced. Before that, the old file is put aside as pending, with a deadline; unless the switch is
# confirmed in time, a timer, or the next boot, puts the old file back.

verb_switch() {
  local directory sha
  options 'fence service op deadline' '' '' "$@"
  read_input "$work/unit" 262144
  check_unit "${option[service]}" "$work/unit"
  [[ ${unit[X-FFS.Operation]} == "${option[op]}" ]] || fail bad-unit "The unit was written for another operation."
  (( option[deadline] >= 10 )) || fail bad-argument "A deadline below 10 seconds leaves no time to confirm."
  directory=$(operation_directory)
  sha=$(sha256sum "$work/unit" | cut -c 1-64)
  lock "prepare-${option[service]}" 10
  if begun "$directory"; then
    [[ $(sha256sum "$directory/unit" | cut -c 1-64) == "$sha" ]] || fail exists "This operation was begun with another unit. Use a new operation."
  else
    check_fence "service-${option[service]}"
    mkdir -p -m 0700 -- "$state/ops"
    forget_operations
    rm -rf --one-file-system -- "$directory"
    mkdir -m 0700 -- "$directory"
    store "$directory/unit" 0600 <"$work/unit"
    store "$directory/fence" 0600 <<<"${option[fence]}"
    store "$directory/deadline" 0600 <<<"${option[deadline]}"
    set_state "$directory" prepared
    detach "ffs-op-${option[op]}.${option[service]}" run-switch --service "${option[service]}" --op "${option[op]}"
  fi
  unlock "prepare-${option[service]}"
  follow_operation "ffs-op-${option[op]}.${option[service]}.service" switch
}

# begun DIRECTORY: is it running, or did it change something? What was only prepared may be asked for anew.
begun() {
  [[ -e $1/state ]] || return 1
  [[ $(<"$1/state") != prepared ]] || systemctl --quiet is-active "ffs-op-${option[op]}.${option[service]}.service"
}

# The work itself, in its own unit.
verb_run_switch() {
  local directory quadlet
  options 'service op' '' '' "$@"
  directory=$(operation_directory)
  attach switch
  lock "switch-${option[service]}" 30
  [[ $(<"$directory/state") == prepared ]] || fail exists "This operation was run already."
  option[fence]=$(<"$directory/fence") option[deadline]=$(<"$directory/deadline")
  check_fence "service-${option[service]}"
  check_unit "${option[service]}" "$directory/unit"
  [[ ! -e $state/pending/${option[service]} ]] ||
    fail pending "The switch of operation $(<"$state/pending/${option[service]}/op") is neither confirmed nor rolled back. Nothing was changed."
  check_staged
  set_state "$directory" running
  log "Keeping the old unit; it comes back in ${option[deadline]} seconds unless the new one is confirmed."
  arm
  keep_old
  log "Replacing the unit: release ${unit[X-FFS.Release]}."
  quadlet=$quadlets/ffs-${option[service]}.container
  mkdir -p -m 0755 -- "$quadlets"
  store "$quadlet" 0644 <"$directory/unit"
  relabel "$quadlet"
  store "$services/${option[service]}/deployed" 0644 <<<"${option[op]}"
  systemctl daemon-reload
  if [[ $(systemctl show --property=LoadState --value "ffs-${option[service]}.service") != loaded ]]; then
    put_back "${option[service]}" 'podman refused the unit'
    restart_after_restore "${option[service]}" || true
    fail bad-unit "podman's generator refused the unit; the old one is back."
  fi
  start_new "$directory"
}

start_new() {
  local began=$EPOCHSECONDS
  systemctl reset-failed "ffs-${option[service]}.service" || true
  log "Restarting ffs-${option[service]}.service and waiting until it says that it is ready."
  if timeout "${option[deadline]}" systemctl restart "ffs-${option[service]}.service"; then
    unit_condition "${option[service]}"
    if [[ ${condition[*]} == *'--arg active active'* ]]; then
      set_state "$1" switched
      succeed --arg state switched "${condition[@]}"
    fi
  fi
  journal_tail "${option[service]}" "$began"
  set_state "$1" failed
  fail start-failed "The new release did not become ready. The old unit is kept and comes back by rollback, at the deadline, or at the next boot."
}

# check_staged: everything that the unit names is here. Before this, nothing was changed.
check_staged() {
  local path id
  id=$(podman image inspect --format '{{.Id}}' "${unit[Container.Image]}") || fail not-found "The image is not on this node; stage it first."
  [[ sha256:$id == "${unit[X-FFS.ImageId]}" ]] || fail verify "The image's name is held by another image on this node."
  for path in "${unit_volumes[@]}"; do
    [[ $path == /run/* || -e $root$path ]] || fail not-found "$path is not on this node; stage it first."
  done
  for path in "${unit_credentials[@]}"; do
    [[ -f $root$path ]] || fail not-found "$path is not on this node; seal it first."
  done
  # podman does not wait for the disk; what is switched to has to outlast a power cut.
  sync -f -- "$image_store"
}
