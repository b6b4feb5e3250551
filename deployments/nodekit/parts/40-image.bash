# The image: what this node lacks comes through the dashboard's own SSH connection, by podman itself (way "pull") or by
# this program (way "fetch"). Whatever the way, the image counts only when its id is the one announced and all of its
# layers can be read; what was damaged is removed and brought once more.

readonly image_store=$root/var/lib/containers/storage

# Standard input: see stage_request. The token in it is a secret: it is in no argument and no log. --from: the image whose
# configuration the request was packed against.
verb_stage_image() {
  local id name found=''
  options 'fence service project image-id' 'from' '' "$@"
  id=${option[image-id]#sha256:}
  name=$registry/${option[project]}
  stage_request
  lock "stage-${option[service]}" 10
  check_fence "service-${option[service]}"
  keep_alive
  wait_for_lock images 3600 "Another image is being brought to this node; this one waits for its turn."
  made+=("$state/tmp/pull")
  forget_fetches
  if held_whole; then
    log "The image is held already."
  else
    begin_transfer
    bring_image
    found=$(podman image inspect --format '{{.Id}}' "$id" || true)
    [[ $found == "$id" ]] || fail verify "What came is not the image ${option[image-id]}."
    image_is_whole "$id" || bring_image_again
  fi
  try podman "The image could not be given its name." podman tag "$id" "$name:sha256-$id"
  rm -rf --one-file-system -- "$state/fetch/$id"
  succeed --arg image_id "${option[image-id]}" --arg name "$name:sha256-$id" --arg way "$way" --argjson kept "$kept"
}

# begin_transfer: the room for it, before a byte comes, and a place for podman's temporary files, which are large.
begin_transfer() {
  mkdir -p -m 0700 -- "$state" "$state/tmp" "$state/fetch"
  rm -rf --one-file-system -- "$state/tmp"/*
  [[ $way == pull ]] || begin_fetch
  room_for_image
  [[ $way == pull ]] || take_riders
}

# room_for_image: need is for both places together; where they are two disks, each has its share. What was fetched for
# other images gives way.
room_for_image() {
  local images=$(( need > kept ? need - kept : 0 )) temporary=0 at came=0
  mkdir -p -m 0700 -- "$image_store"
  if [[ $way == fetch && $(stat -c %d -- "$image_store") != $(stat -c %d -- "$state") ]]; then
    for at in "${!blob_size[@]}"; do
      (( came += blob_diff_size[at], temporary += blob_size[at] + blob_diff_size[at] )) || true
    done
    images=$(( need - temporary > came ? need - temporary : came ))
    temporary=$(( temporary + came - kept )) # podman writes a layer once more before it unpacks it
  fi
  if (( $(free_bytes "$state") < (images > temporary ? images : temporary) + 67108864 )); then
    find "$state/fetch" -mindepth 1 -maxdepth 1 ! -name "$id" -exec rm -rf --one-file-system -- {} +
  fi
  need_space "$image_store" "$images"
  (( temporary <= 0 )) || need_space "$state" "$temporary"
}

bring_image() {
  rm -rf --one-file-system -- "$state/tmp/pull"
  mkdir -m 0700 -- "$state/tmp/pull"
  if [[ $way == pull ]]; then pull_image; else fetch_image; fi
}

# bring_image_again: a layer that was here before was damaged, and came to be part of the new image.
bring_image_again() {
  repair_image
  bring_image
  image_is_whole "$id" || fail verify "The image has layers that cannot be read, also after it was brought a second time. The running service was not touched; look at this node's disk."
}

# in_storage COMMAND…: podman and skopeo, with temporary files on the disk. What they say goes to the log, and is kept for
# a failure; the token is taken out of it.
in_storage() {
  local status=0 out filter
  exec {out}> >(jq -rR --unbuffered --rawfile token "$work/token" 'if $token == "" then . else split($token) | join("…") end' |
    tee -a "$work/stderr" | jq -cR --unbuffered '{event: "log", text: .[:1000]}')
  filter=$!
  TMPDIR=$state/tmp/pull attend "$@" >&"$out" 2>&1 </dev/null || status=$?
  exec {out}>&-
  wait "$filter" || true
  return "$status"
}
