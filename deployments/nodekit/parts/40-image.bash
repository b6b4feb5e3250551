# The image: what this node lacks comes through the dashboard's own SSH connection, by podman itself (way "pull") or by
# this program (way "fetch"). Whatever the way, the image counts only when its id is the one announced and all of its
# layers can be read; what was damaged is removed and brought once more.

readonly image_store=$root/var/lib/containers/storage

# Standard input: one line of JSON, see stage_request. The token in it is a secret: it is in no argument and no log.
verb_stage_image() {
  local id name found=''
  options 'fence service project image-id' '' '' "$@"
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

# request_field JSON NAME: a string or number of an object; empty if it is not there. Through a pipe: it may be secret.
request_field() { printf '%s' "$1" | jq -r --arg name "$2" 'if type == "object" then .[$name] | if type == "string" or type == "number" then tostring else "" end else "" end' || true; }

# stage_request: reads and checks the request. Sets port, token, manifest, way, need (bytes of disk) and, for what is
# fetched, the columns blob_digest, blob_size, blob_form, blob_diff, blob_diff_size and blob_base (hex digits alone).
stage_request() {
  local why row
  kept=0
  timeout 60 head -c 1048577 >"$work/request" || fail bad-input "Standard input did not end within a minute."
  (( $(stat -c %s -- "$work/request") <= 1048576 )) || fail bad-input "The request is larger than 1 MiB."
  [[ -s $work/request ]] || fail bad-input "Standard input ended before the first line was there."
  why=$(jq -rs '
    def digest: type == "string" and test("\\Asha256:[0-9a-f]{64}\\z");
    def bytes: type == "number" and . == floor and . >= 0 and . <= 70368744177664;
    def distinct: length == (unique | length);
    if length != 1 or (.[0] | type) != "object" then "The request is not one JSON object."
    else .[0] | (.way // "pull") as $way | (.blobs // []) as $blobs
    | if (.port | type) != "number" or .port != (.port | floor) or .port < 1024 or .port > 65535 then "The port is not between 1024 and 65535."
      elif (.token | type) != "string" or (.token | test("\\A[A-Za-z0-9_-]{16,128}\\z") | not) then "The token is not of the form expected."
      elif (.manifest | digest | not) then "The manifest'"'"'s digest is not of the form expected."
      elif (.need // 0 | bytes | not) then "The bytes needed are no whole number."
      elif ($way | IN("pull", "fetch") | not) then "The way is neither pull nor fetch."
      elif ($blobs | type) != "array" or ($blobs | length) > 200 then "The blobs are no list, or more than 200."
      elif $way == "pull" and ($blobs | length) > 0 then "Blobs are named only where they are fetched."
      elif all($blobs[]; type == "object" and (.digest | digest) and (.diff_id | digest) and (.size | bytes) and (.diff_size | bytes)) | not then "A blob lacks digest, size, diff_id or diff_size, or has others than can be."
      elif all($blobs[]; .form | IN("raw", "zstd", "delta")) | not then "A blob has a form that is not known."
      elif all($blobs[]; if .form == "delta" then (.base | digest) and .base != .diff_id else has("base") | not end) | not then "A delta names its base, and nothing else does."
      elif all($blobs[]; .form != "raw" or (.digest == .diff_id and .size == .diff_size)) | not then "A blob that is said to be raw is not the layer."
      elif ([$blobs[].digest] | distinct | not) or ([$blobs[].diff_id] | distinct | not) then "A blob or a layer occurs twice."
      else "" end
    end' "$work/request") || fail bad-input "The request is not valid JSON."
  [[ -z $why ]] || fail bad-input "$why"
  jq -rj .token "$work/request" >"$work/token"
  {
    read -r port manifest way need
    blob_digest=() blob_size=() blob_form=() blob_diff=() blob_diff_size=() blob_base=()
    while read -r -a row; do
      blob_digest+=("${row[0]}") blob_size+=("${row[1]}") blob_form+=("${row[2]}")
      blob_diff+=("${row[3]}") blob_diff_size+=("${row[4]}") blob_base+=("${row[5]}")
    done
  } < <(jq -r '"\(.port) \(.manifest) \(.way // "pull") \(.need // 0 | @json)",
    ((.blobs // [])[] | "\(.digest[7:]) \(.size | @json) \(.form) \(.diff_id[7:]) \(.diff_size | @json) \(.base // "-------none" | .[7:])")' "$work/request")
  token=$(<"$work/token")
  rm -f -- "$work/request"
}

# begin_transfer: the room for it, before a byte comes, and a place for podman's temporary files, which are large.
begin_transfer() {
  mkdir -p -m 0700 -- "$state" "$state/tmp" "$state/fetch"
  rm -rf --one-file-system -- "$state/tmp"/*
  [[ $way == pull ]] || begin_fetch
  room_for_image
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
  exec {out}> >(jq -rR --unbuffered --rawfile token "$work/token" 'split($token) | join("…")' |
    tee -a "$work/stderr" | jq -cR --unbuffered '{event: "log", text: .[:1000]}')
  filter=$!
  TMPDIR=$state/tmp/pull attend "$@" >&"$out" 2>&1 </dev/null || status=$?
  exec {out}>&-
  wait "$filter" || true
  return "$status"
}
