# Of blobs that were fetched: layers, a layout, and the image in podman's store.

fetch_image() {
  local attempt
  for attempt in 1 2; do
    fetch_blobs
    write_layout
    : >"$work/stderr"
    # Without a name behind it, podman takes the one manifest of the layout, of either family, and gives the image no name.
    ! in_storage timeout --kill-after=10 7200 podman pull "oci:$fetch/layout" || return 0
    (( attempt == 1 )) || break
    drop_damaged || mend_store || break
  done
  sed -i '/^Copying \|^Getting image/d' "$work/stderr"
  ! grep -q "$fetch/layout/blobs.*no such file" "$work/stderr" ||
    fail podman "The node no longer holds a layer that it was thought to hold. The running service was not touched."
  fail_because podman "The image could not be put together; the running service was not touched."
}

# make_layers: of every blob that is here whole.
make_layers() {
  local at
  for at in "${!blob_digest[@]}"; do
    layer_is_here "$at" || (( ${have[${blob_digest[at]}]:-0} < blob_size[at] )) || make_layer "$at"
  done
}

# make_layer INDEX: verified before and, where a digest of the blob does not say enough, behind.
make_layer() {
  local at=$1 blob=${blob_digest[$1]} layer=${blob_diff[$1]} pieces
  pieces=("$fetch/pieces/$blob".*)
  attend sum_of "${pieces[@]}" >"$work/sum"
  if [[ $(<"$work/sum") != "$blob "* ]]; then
    rm -f -- "${pieces[@]}"
    have[$blob]=0
    [[ -z ${mended[$blob]+set} ]] || fail verify "A blob came twice with another digest than announced; it was removed. The running service was not touched."
    mended[$blob]=1
    log "A blob came damaged; it is fetched again."
    return
  fi
  [[ ${blob_form[at]} != delta ]] || room_for_patch "$(stat -c %s -- "$fetch/base/${blob_base[at]}")" "${blob_diff_size[at]}" || too_little_memory
  if ! attend open_blob "${blob_form[at]}" "$fetch/base/${blob_base[at]}" "$(( blob_diff_size[at] + 1 ))" "${pieces[@]}" >"$fetch/layer"; then
    [[ ${blob_form[at]} == delta ]] || fail_because verify "A layer could not be unpacked; the running service was not touched."
    fail_because delta "A difference could not be applied to the layer that it is for; send the layer itself."
  fi
  if [[ ${blob_form[at]} == delta ]]; then
    attend sum_of "$fetch/layer" >"$work/sum"
    [[ $(<"$work/sum") == "$layer "* ]] || fail delta "A difference did not give the layer that was meant; send the layer itself."
  fi
  [[ $(stat -c %s -- "$fetch/layer") == "${blob_diff_size[at]}" ]] || fail verify "A layer has another size than announced; the running service was not touched."
  mv -fT -- "$fetch/layer" "$fetch/layout/blobs/sha256/$layer"
  printf '%s\n' "${blob_size[at]}" >"$fetch/done/$layer"
  rm -f -- "${pieces[@]}"
}

too_little_memory() { fail delta "There is too little free memory to apply a difference; send the layer itself."; }

sum_of() { cat -- "$@" | sha256sum; }

# open_blob FORM BASE BYTES PIECE…: no more than BYTES come out, whatever the blob says of itself.
open_blob() {
  local form=$1 base=$2 most=$3
  shift 3
  cat -- "$@" | case $form in
    raw) cat ;;
    zstd) zstd -q -d -c ;;
    delta) apply_patch "$base" "$most" ;;
  esac | head -c "$most"
}

# export_bases: the old layers that differences are for, as the exact archives they came as. skopeo writes a layer as it
# re-creates it from podman's store, and passes over those for which a file is there already.
export_bases() {
  local at image bases others each scratch
  for at in "${!blob_form[@]}"; do
    [[ ${blob_form[at]} != delta || -e $fetch/base/${blob_base[at]} ]] || layer_is_here "$at" || printf '%s\n' "${blob_base[at]}"
  done >"$work/bases"
  [[ -s $work/bases ]] || return 0
  command -v skopeo >/dev/null || fail delta "This node has no skopeo; send the layers themselves."
  layer_chains | jq -r --rawfile bases "$work/bases" -s '
    ($bases | split("\n") | map(select(. != "")) | unique) as $bases
    | reduce .[] as $image ({left: $bases, found: []};
        (.left - (.left - $image.layers)) as $here
        | if ($here | length) == 0 then . else .left -= $here | .found += [[$image.id, $here, ($image.layers - $here)]] end)
    | (.left[] | "missing \(.) x"), (.found[] | "\(.[0]) \(.[1] | join(",")) \(.[2] | join(","))")' >"$work/exports"
  while read -r image bases others; do
    [[ $image != missing ]] || fail delta "The node no longer holds the layer that a difference is for; send the layer itself."
    scratch=$fetch/base/$image
    mkdir -p -m 0700 -- "$scratch/blobs/sha256"
    for each in ${others//,/ }; do : >"$scratch/blobs/sha256/$each"; done
    in_storage skopeo --insecure-policy copy --quiet --dest-oci-accept-uncompressed-layers "containers-storage:$image" "oci:$scratch:x" ||
      fail_because delta "The layer that a difference is for could not be read; send the layer itself."
    for each in ${bases//,/ }; do
      chmod 0644 -- "$scratch/blobs/sha256/$each" && mv -T -- "$scratch/blobs/sha256/$each" "$fetch/base/$each" || fail delta "The layer that a difference is for could not be read; send the layer itself."
    done
    rm -rf --one-file-system -- "$scratch"
  done <"$work/exports"
}

# write_layout: the one manifest, under an index that says its type.
write_layout() {
  local into=$fetch/layout/blobs/sha256 sum
  sum=$(sha256sum <"$work/manifest")
  cp -- "$work/manifest" "$into/${sum%% *}"
  cp -- "$work/config" "$into/$id"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$fetch/layout/oci-layout"
  jq -c --arg digest "sha256:${sum%% *}" --argjson size "$(stat -c %s -- "$work/manifest")" \
    '{schemaVersion: 2, manifests: [{mediaType, $digest, $size}]}' "$work/manifest" >"$fetch/layout/index.json"
}

# drop_damaged: layers that a power cut spoiled after they were made; true if there was one.
drop_damaged() {
  local path found=''
  for path in "$fetch/done"/*; do
    attend sum_of "$fetch/layout/blobs/sha256/${path##*/}" >"$work/sum"
    [[ $(<"$work/sum") != "${path##*/} "* ]] || continue
    found=yes
    rm -f -- "$path" "$fetch/layout/blobs/sha256/${path##*/}"
  done
  [[ -n $found ]]
}
