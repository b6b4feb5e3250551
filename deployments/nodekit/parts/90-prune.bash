# Cleaning up. What a unit or a pending unit names stays, whatever the lists say; data is never pruned.

# used_by_units: every line of all units, present and pending; in_use TEXT looks there.
used_by_units() { cat -- /dev/null "$quadlets"/ffs-*.container "$state"/pending/*/unit >"$work/used"; }

in_use() { grep -qF -e "$1" "$work/used"; }

# prune_directory DIRECTORY KEEP: removes the entries not in the comma-separated list and in no unit.
prune_directory() {
  local path name
  for path in "$1"/*; do
    name=${path##*/}
    [[ ,$2, != *",$name,"* ]] && ! in_use "${path#"$root"}:" && ! in_use "${path#"$root"}/" || continue
    rm -rf --one-file-system -- "$path"
    removed=$(( removed + 1 ))
  done
}

verb_prune() {
  local directory=$services/ removed=0
  options 'fence service keep' 'keep-certificates keep-credentials keep-images' '' "$@"
  lock "stage-${option[service]}" 10
  lock "switch-${option[service]}" 10
  check_fence "service-${option[service]}"
  directory=$services/${option[service]}
  [[ -d $directory ]] || fail not-found "There is no service ${option[service]} on this node."
  used_by_units
  prune_directory "$directory/releases" "${option[keep]}"
  [[ -z ${option[keep-certificates]+set} ]] || prune_directory "$directory/certs" "${option[keep-certificates]}"
  [[ -z ${option[keep-credentials]+set} ]] || prune_directory "$directory/credentials" "${option[keep-credentials]}"
  [[ -z ${option[keep-images]+set} ]] || prune_images
  succeed --argjson removed "$removed"
}

# prune_images: of the images under this service's project. podman keeps what a container uses.
prune_images() {
  local project id fd
  project=$(sed -n 's/^Project=\([a-z0-9-]*\)$/\1/p' "$quadlets/ffs-${option[service]}.container" | head -n 1)
  [[ $project =~ ^$project_pattern$ ]] || return 0
  # A pull builds on layers that nothing names yet, and may take long; the next deploy prunes as well.
  exec {fd}>>"$own_runtime/locks/images"
  flock -w 10 "$fd" || { log "An image is being pulled to this node; old images are left for the next time."; return 0; }
  while IFS= read -r id; do
    id=${id#sha256:}
    [[ $id =~ ^$hex64$ && ,${option[keep-images]}, != *",sha256:$id,"* ]] && ! in_use "sha256-$id" || continue
    # Only names below the project's go; an image that has others besides stays under them.
    podman image inspect --format '{{range .RepoTags}}{{println .}}{{end}}{{range .RepoDigests}}{{println .}}{{end}}' "$id" >"$work/image-names"
    ! grep -v -e "^$registry/${project}[:@]" -e '^$' "$work/image-names" >/dev/null || continue
    podman untag "$id" && podman image rm "$id" >/dev/null && removed=$(( removed + 1 ))
  done < <(podman images --quiet --no-trunc --filter "reference=$registry/$project" | sort -u)
}

# remove: the service's unit and everything that can be staged again. Its data stays, unless --with-data says otherwise.
verb_remove() {
  local directory name
  options 'fence service' '' 'with-data' "$@"
  lock "stage-${option[service]}" 10
  lock "switch-${option[service]}" 10
  check_fence "service-${option[service]}"
  directory=$services/${option[service]}
  [[ ! -e $state/pending/${option[service]} ]] || fail pending "A switch of this service is neither confirmed nor rolled back; do that first."
  if [[ -e $quadlets/ffs-${option[service]}.container ]]; then
    try systemd "The service could not be stopped; nothing was removed." systemctl stop "ffs-${option[service]}.service"
    rm -f -- "$quadlets/ffs-${option[service]}.container"
    sync -- "$quadlets"
    systemctl daemon-reload
  fi
  for name in deployed incoming manifests releases certs credentials supervisor; do
    rm -rf --one-file-system -- "${directory:?}/$name"
  done
  [[ -z ${option[with-data]+set} ]] || rm -rf --one-file-system -- "$directory"
  [[ ! -d $directory ]] || rmdir --ignore-fail-on-non-empty -- "$directory"
  rm -rf --one-file-system -- "$state/ops"/*."${option[service]}"
  succeed
}
