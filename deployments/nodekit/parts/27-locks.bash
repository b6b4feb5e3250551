# Locks, and the fence that turns away a writer that was replaced. A lock is held until the program ends, and by children
# that it leaves behind, such as a running pull. The file says whose it is: PID START FENCE.

declare -A lock_of=()

# lock NAME SECONDS. Where a service is staged, the newer operation does not wait for one that hangs (its connection was
# cut, and nobody listens any more): it ends it, provided that its own fence is not lower.
lock() {
  local file=$own_runtime/locks/$1 fd
  exec {fd}>>"$file"
  lock_of[$1]=$fd
  if [[ $1 == stage-* && -n ${option[fence]+set} ]]; then
    seize "${1#stage-}" "$file" "$fd" "$2"
  else
    flock -w "$2" "$fd"
  fi || fail busy "Another operation is at work on this ($1). Nothing was changed; try again when it has ended."
  printf '%s %s %s\n' "$$" "$(started_at "$$")" "${option[fence]:--}" >"$file"
}

unlock() { flock -u "${lock_of[$1]}"; }

# wait_for_lock NAME SECONDS TEXT: in turn with others that have their right to it; TEXT is said once, when it takes time.
wait_for_lock() {
  local file=$own_runtime/locks/$1 fd end=$(( SECONDS + $2 )) wait=1
  exec {fd}>>"$file"
  lock_of[$1]=$fd
  until flock -w "$wait" "$fd"; do
    (( SECONDS < end )) || fail busy "Another operation has been at work on this ($1) for longer than $2 seconds. Nothing was changed; try again when it has ended."
    (( wait > 1 )) || log "$3"
    wait=5
    say '{"event":"alive"}'
  done
  printf '%s %s %s\n' "$$" "$(started_at "$$")" "${option[fence]:--}" >"$file"
}

# started_at PID: in ticks since boot; with the number it names a process, also when the number is used again. Empty when gone.
started_at() {
  local line fields
  { line=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  read -r -a fields <<<"${line##*) }" # the name before it may hold spaces and parentheses
  printf '%s' "${fields[19]}"
}

# seize SERVICE FILE FD SECONDS: false if it stays locked by what is not ffs-node's.
seize() {
  local pid start fence told='' end=$(( SECONDS + $4 ))
  refuse_stale "service-$1"
  until flock -w 1 "$3"; do
    if read -r pid start fence <"$2" && [[ $pid =~ ^[1-9][0-9]{0,9}$ && $start =~ ^[0-9]{1,18}$ && $fence =~ ^$counter\.$counter$ ]]; then
      ! fence_below "${option[fence]}" "$fence" || stale "$fence"
      [[ -n $told ]] || log "An operation with fence $fence (process $pid) still holds the lock of $1; it is ended, because this one is newer."
      told=yes
      end_holders TERM "$2" "$pid" "$start"
      ! flock -w 2 "$3" || break
      end_holders KILL "$2" "$pid" "$start"
    fi
    (( SECONDS < end )) || return 1
  done
  refuse_stale "service-$1"
  [[ -z $told ]] || sweep
}

# end_holders SIGNAL FILE PID START: the process that took the lock and all below it; if it is gone, its children that
# hold the lock still: an inherited descriptor of a locked file says so in fdinfo, one of somebody who waits does not.
# Nobody else is hit: each victim was found below a holder and is named by number and start, and an answer that makes
# no sense (a crowd, init, ourselves) ends nothing.
end_holders() {
  local signal=$1 path pid start parent
  local -A parents=() victims=()
  [[ $(started_at "$3") != "$4" ]] || victims[$3]=$4
  while IFS= read -r path; do
    grep -q '^lock:.*FLOCK' "${path/\/fd\//\/fdinfo\/}" || continue
    pid=${path#/proc/} pid=${pid%%/*} start=$(started_at "$pid")
    [[ -z $start ]] || (( start < $4 )) || victims[$pid]=$start
  done < <(find /proc/[0-9]*/fd -lname "$2" || true)
  (( ${#victims[@]} > 0 )) || return 0
  while read -r pid parent; do
    parents[$pid]=$parent
  done < <(ps -e -o pid=,ppid=)
  for pid in "${!parents[@]}"; do
    below_a_victim "$pid" || continue
    start=$(started_at "$pid")
    [[ -z $start ]] || victims[$pid]=$start
  done
  parent=$$
  while [[ -n $parent && $parent != 0 ]]; do
    [[ -z ${victims[$parent]+set} ]] || fail busy "The lock is held by a process above this one. Nothing was ended."
    parent=${parents[$parent]:-}
  done
  [[ -z ${victims[1]+set} ]] && (( ${#victims[@]} <= 100 )) || fail busy "Who holds the lock could not be told. Nothing was ended."
  for pid in "${!victims[@]}"; do
    [[ $(started_at "$pid") != "${victims[$pid]}" ]] || kill -s "$signal" -- "$pid" || true
  done
}

# end_below PID: a child of this program and all below it.
end_below() {
  local pid parent
  local -A parents=() victims=([$1]=1)
  while read -r pid parent; do
    parents[$pid]=$parent
  done < <(ps -e -o pid=,ppid=)
  [[ ${parents[$1]:-} == "$$" ]] || return 0
  for pid in "${!parents[@]}"; do
    ! below_a_victim "$pid" || kill -- "$pid"
  done
  kill -- "$1"
}

# below_a_victim PID: is one of its ancestors in victims? By parents, both of the caller.
below_a_victim() {
  local at=${parents[$1]:-0} steps=0
  while [[ $at =~ ^[1-9][0-9]*$ ]] && (( at > 1 && (steps += 1) < 64 )); do
    [[ -z ${victims[$at]+set} ]] || return 0
    at=${parents[$at]:-0}
  done
  return 1
}

# sweep: the private directories and unfinished files of programs that were killed.
sweep() {
  local path pid
  for path in "$own_runtime"/work.*; do
    pid=${path##*/work.} pid=${pid%%.*}
    [[ $pid =~ ^[0-9]+$ && -e /proc/$pid/exe ]] || rm -rf --one-file-system -- "$path"
  done
}

# seen_fence KEY: the highest so far; call it alone or while holding the lock of fences.
seen_fence() {
  local seen=0.0
  [[ ! -e $state/fences/$1 ]] || seen=$(<"$state/fences/$1")
  [[ $seen =~ ^$counter\.$counter$ ]] || fail internal "The record $state/fences/$1 is damaged; remove it after making sure that no other dashboard runs."
  highest=$seen
}

fence_below() { (( ${1%.*} < ${2%.*} || (${1%.*} == ${2%.*} && ${1#*.} < ${2#*.}) )); }

stale() { fail stale "This request has fence ${option[fence]}, but $1 was seen already: a newer operation has taken over. Nothing was changed."; }

refuse_stale() {
  local highest
  seen_fence "$1"
  ! fence_below "${option[fence]}" "$highest" || stale "$highest"
}

# check_fence KEY: call it while holding the lock of what is to be changed. Refuses a fence lower than the highest seen.
check_fence() {
  local highest fd
  mkdir -p -m 0700 -- "$state" "$state/fences"
  exec {fd}>>"$own_runtime/locks/fence"
  flock -w 10 "$fd" || fail busy "The record of fences is locked. Nothing was changed."
  seen_fence "$1"
  ! fence_below "${option[fence]}" "$highest" || stale "$highest"
  [[ ${option[fence]} == "$highest" ]] || store "$state/fences/$1" 0600 <<<"${option[fence]}"
  exec {fd}>&-
}
