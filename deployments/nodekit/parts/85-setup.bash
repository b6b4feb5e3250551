# What is left of server set-up after Ignition, and the host key of the first contact. Both may be repeated.

verb_setup() {
  local storage=$root/etc/containers/storage.conf restore=$root/etc/systemd/system/ffs-restore.service
  options 'fence' '' '' "$@"
  lock node 30
  check_fence node
  mkdir -p -m 0755 -- "$etc" "$services" "$quadlets"
  mkdir -p -m 0700 -- "$state" "$state"/{fences,ops,pending,tmp}
  if [[ ! -e $storage ]]; then
    partial_pulls | store "$storage" 0644
    log "Partial pulls are on: only the changed files of an image travel."
  elif ! grep -q '^enable_partial_images *= *"true"' "$storage"; then
    log "$storage is there and does not switch partial pulls on; it was left as it is."
  fi
  if ! cmp -s <(restore_unit) "$restore"; then
    restore_unit | store "$restore" 0644
    relabel "$restore"
    systemctl daemon-reload
  fi
  try systemd "The unit that undoes unconfirmed switches at boot could not be enabled." systemctl --quiet enable ffs-restore.service
  relabel "$etc" "$services" "$state" "$storage" "$program"
  succeed
}

partial_pulls() {
  printf '[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n\n[storage.options]\n'
  [[ ! -d $root/usr/lib/containers/storage ]] || printf 'additionalimagestores = ["/usr/lib/containers/storage"]\n'
  printf '\n[storage.options.pull_options]\nenable_partial_images = "true"\nuse_hard_links = "false"\n'
}

restore_unit() {
  cat <<'UNIT'
@RESTORE_UNIT@
UNIT
}

# rekey-host, in three steps, so that an answer lost on the way locks nobody out:
#   (no option)            makes the new key beside the old one and answers it; again: the same key
#   --activate FINGERPRINT once the dashboard accepts both: the new key takes the old one's place, the old is kept
#   --confirm FINGERPRINT  after a connection that saw the new key: the old one is removed
verb_rekey_host() {
  local key=$root/etc/ssh/ssh_host_ed25519_key print
  options 'fence' 'activate confirm' '' "$@"
  [[ -z ${option[activate]+set} || -z ${option[confirm]+set} ]] || fail bad-argument "Activate first, connect again, then confirm."
  lock node 30
  check_fence node
  if [[ -n ${option[activate]+set} ]]; then
    if [[ $(fingerprint_of "$key.pub") != "${option[activate]}" ]]; then
      [[ $(fingerprint_of "$key.ffs-new.pub") == "${option[activate]}" ]] || fail not-found "There is no new host key with this fingerprint."
      activate_host_key "$key"
    fi
    reload_sshd
  elif [[ -n ${option[confirm]+set} ]]; then
    [[ $(fingerprint_of "$key.pub") == "${option[confirm]}" ]] || fail not-found "The host key in use has another fingerprint."
    rm -f -- "$key".ffs-old{,.pub}
    sync -- "${key%/*}"
  else
    [[ -e $key.ffs-new && -e $key.ffs-new.pub ]] || new_host_key "$key"
    key=$key.ffs-new
  fi
  read -r -a print <"$key.pub"
  succeed --arg public_key "${print[0]} ${print[1]}" --arg fingerprint "$(fingerprint_of "$key.pub")"
}

fingerprint_of() { [[ ! -e $1 ]] || ssh-keygen -l -E sha256 -f "$1" | cut -d ' ' -f 2; }

new_host_key() {
  rm -f -- "$1".ffs-new{,.pub}
  try internal "A new host key could not be made; nothing was changed." ssh-keygen -q -t ed25519 -N '' -C '' -f "$work/host_key"
  store "$1.ffs-new.pub" 0644 <"$work/host_key.pub"
  store "$1.ffs-new" 0600 <"$work/host_key"
}

# The public half goes last; sshd reads the private one, and each file is whole at every moment.
activate_host_key() {
  [[ -e $1.ffs-old || ! -e $1 ]] || { store "$1.ffs-old" 0600 <"$1"; store "$1.ffs-old.pub" 0644 <"$1.pub"; }
  store "$1" 0600 <"$1.ffs-new"
  store "$1.pub" 0644 <"$1.ffs-new.pub"
  relabel "$1" "$1.pub"
  if ! sshd -t; then
    store "$1" 0600 <"$1.ffs-old"
    store "$1.pub" 0644 <"$1.ffs-old.pub"
    relabel "$1" "$1.pub"
    fail_because verify "sshd does not take the new host key; the old one is back."
  fi
  rm -f -- "$1".ffs-new{,.pub}
}

# FCOS calls it sshd, Debian ssh; where a socket starts one sshd for each connection, there is nothing to reload.
reload_sshd() {
  local name
  for name in sshd ssh; do
    if systemctl --quiet is-active "$name.service"; then
      try systemd "sshd could not be reloaded; it goes on with the old host key." systemctl reload "$name.service"
    fi
  done
}
