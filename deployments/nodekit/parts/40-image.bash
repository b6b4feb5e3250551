# The image: podman pulls it through the dashboard's own SSH connection, and asks only for what this node lacks.

verb_stage_image() {
  local line port token manifest id name
  options 'fence service project image-id' '' '' "$@"
  id=${option[image-id]#sha256:}
  name=$registry/${option[project]}
  read_line line 2048
  port=$(request_field "$line" port) token=$(request_field "$line" token) manifest=$(request_field "$line" manifest)
  [[ $port =~ ^[1-9][0-9]{3,4}$ ]] && (( port >= 1024 && port <= 65535 )) || fail bad-input "The port is not between 1024 and 65535."
  [[ $token =~ ^[A-Za-z0-9_-]{16,128}$ ]] || fail bad-input "The token is not of the form expected."
  [[ $manifest =~ ^sha256:$hex64$ ]] || fail bad-input "The manifest's digest is not of the form expected."
  lock "stage-${option[service]}" 10
  check_fence "service-${option[service]}"
  wait_for_lock images 3600 "Another image is being pulled to this node; this one waits for its turn."
  if podman image exists "$id"; then
    log "The image is held already."
  else
    pull_image "$port" "$token" "$name@$manifest"
    [[ $(podman image inspect --format '{{.Id}}' "$name@$manifest") == "$id" ]] || {
      podman image rm "$name@$manifest" >/dev/null || true
      fail verify "What was pulled is not the image ${option[image-id]}; it was removed again."
    }
  fi
  try podman "The image could not be given its name." podman tag "$id" "$name:sha256-$id"
  succeed --arg image_id "${option[image-id]}" --arg name "$name:sha256-$id"
}

# request_field JSON NAME: a string or number of an object; empty if it is not there. Through a pipe: it may be secret.
request_field() { printf '%s' "$1" | jq -r --arg name "$2" 'if type == "object" then .[$name] | if type == "string" or type == "number" then tostring else "" end else "" end' || true; }

# pull_image PORT TOKEN NAME@DIGEST: the name's registry is the tunnel, for this one command.
pull_image() {
  local configuration=$work/registries.conf temporary=$state/tmp status=0
  mkdir -p -m 0700 -- "$state" "$temporary"
  rm -rf --one-file-system -- "${temporary:?}"/*
  temporary=$(mktemp -d "$temporary/pull.XXXXXXXX")
  made+=("$temporary")
  printf '%s' "$2" >"$work/token"
  printf 'unqualified-search-registries = []\n[[registry]]\nprefix = "%s"\nlocation = "127.0.0.1:%s/%s"\ninsecure = true\n' \
    "$registry" "$1" "$2" >"$configuration"
  TMPDIR=$temporary CONTAINERS_REGISTRIES_CONF=$configuration timeout --kill-after=10 7200 \
    podman pull "$3" 2>&1 </dev/null |
    tee -a "$work/stderr" |
    jq -cR --unbuffered --rawfile token "$work/token" '{event: "log", text: (.[:1000] | split($token) | join("…"))}' ||
    status=$?
  (( status == 0 )) && return
  sed -i '/^Trying to pull\|^Copying \|^Getting image/d' "$work/stderr"
  jq -Rr --rawfile token "$work/token" 'split($token) | join("…")' "$work/stderr" >"$work/scrubbed"
  cat "$work/scrubbed" >"$work/stderr"
  fail_because podman "The image could not be pulled; the running service was not touched."
}
