# Is an image whole? podman itself answers only when it reads. Its records say which layers an image has.

# layer_chains: a JSON line for each image with its layers' uncompressed digests (hex), base first, and their names in the
# store; "gone" where one has no record or was not finished. Images of another store have no record here.
layer_chains() {
  [[ -s $image_store/overlay-images/images.json && -s $image_store/overlay-layers/layers.json ]] || return 0
  jq -cn --slurpfile images "$image_store/overlay-images/images.json" --slurpfile layers "$image_store/overlay-layers/layers.json" '
    ([$layers[0][] | {key: .id, value: .}] | from_entries) as $known
    | def chain: if . == null or . == "" then empty else ., ($known[.].parent | chain) end;
    $images[0][] | {id, names: [limit(500; .layer | chain)] | reverse}
    | .gone = any(.names[]; $known[.] == null or $known[.].incomplete == true or $known[.].flags.incomplete == true)
    | .layers = [.names[] | $known[.]["diff-digest"] // empty | .[7:]]'
}

# image_is_whole HEX: the quick look. Nothing that podman needs of its layers is missing.
image_is_whole() {
  local gone names
  layer_chains | jq -r --arg id "$1" 'select(.id == $id) | "\(.gone) \(.names | join(" "))"' >"$work/chain" || return 1
  read -r gone names <"$work/chain" || return 0
  # shellcheck disable=SC2086 # names of layers, one word each
  [[ $gone == false ]] && layers_are_whole $names
}

layers_are_whole() {
  local layer
  for layer; do
    [[ -d $image_store/overlay/$layer/diff && -s $image_store/overlay/$layer/link && -s $image_store/overlay-layers/$layer.tar-split.gz ]] || return 1
  done
}

# damaged_images: "damaged HEX" a line for each image of which podman would miss something. It looks, and reads no layer.
damaged_images() {
  local image gone names
  layer_chains | jq -r '"\(.id) \(.gone) \(.names | join(" "))"' >"$work/chains" || return 0
  while read -r image gone names; do
    # shellcheck disable=SC2086 # names of layers, one word each
    [[ $image =~ ^$hex64$ ]] && { [[ $gone == true ]] || ! layers_are_whole $names; } && printf 'damaged\t%s\n' "$image"
  done <"$work/chains"
  return 0
}

# mend_store: after podman failed. True if a layer of any image was damaged, so that asking it once more is worth while.
mend_store() {
  local names
  layer_chains | jq -rs 'map(.names) | add // [] | unique | join(" ")' >"$work/chain" || return 1
  read -r names <"$work/chain" || return 1
  # shellcheck disable=SC2086 # names of layers, one word each
  ! layers_are_whole $names || return 1
  remove_damaged
}

# held_whole: is the image here, so that nothing needs to come? One that no finished operation named is read through once:
# a pull may have been killed, or the power cut, before all of it was on the disk.
held_whole() {
  podman image exists "$id" || return 1
  if image_is_whole "$id"; then
    podman image inspect --format '{{range .RepoTags}}{{println .}}{{end}}' "$id" >"$work/names" || true
    ! grep -qx "$registry/[a-z0-9-]*:sha256-$id" "$work/names" || return 0
    log "The image is here, but no operation finished it: it is read through once."
    mkdir -p -m 0700 -- "$state" "$state/tmp" "$state/tmp/pull"
    ! TMPDIR=$state/tmp/pull attend read_through || return 0
  fi
  repair_image
  return 1
}

read_through() { podman save --quiet "$id" </dev/null | cat >/dev/null; }

# repair_image: it is removed if no container uses it.
repair_image() {
  remove_damaged
  podman image exists "$id" || return 0
  [[ -z $(podman ps --all --quiet --filter "ancestor=$id") ]] ||
    fail verify "The image is damaged on this node and a container uses it, so it was left as it is. Deploy another release, or stop the service, and try again."
  podman untag "$id" || true
  try podman "The damaged image could not be removed; the running service was not touched." podman image rm "$id" >/dev/null
}

# remove_damaged: podman removes images that are damaged and in no container's use, and layers that belong to nothing.
remove_damaged() {
  log "A layer is damaged on this node. What is damaged and not in use is removed and comes again."
  attend podman system check --quick --repair --max 0s </dev/null >/dev/null || true
}
