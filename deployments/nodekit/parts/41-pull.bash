# Way "pull": podman fetches from the dashboard's endpoint, at the other end of the tunnel, as from any registry: layers
# that are not held, or only the changed files of them (zstd:chunked).

pull_image() {
  local configuration=$work/registries.conf attempt
  # The name's registry is the tunnel, for this one command.
  printf 'unqualified-search-registries = []\n[[registry]]\nprefix = "%s"\nlocation = "127.0.0.1:%s/%s"\ninsecure = true\n' \
    "$registry" "$port" "$token" >"$configuration"
  for attempt in 1 2; do
    : >"$work/stderr"
    # podman gives up a partial pull whose connection breaks; what came whole it keeps.
    if CONTAINERS_REGISTRIES_CONF=$configuration in_storage timeout --kill-after=10 7200 podman pull "$name@$manifest"; then
      [[ $(podman image inspect --format '{{.Id}}' "$name@$manifest") == "$id" ]] && return
      podman image rm "$name@$manifest" >/dev/null || true
      fail verify "What was pulled is not the image ${option[image-id]}; it was removed again."
    fi
    ! grep -qi 'no space left on device' "$work/stderr" || break
    (( attempt > 1 )) || mend_store || log "podman did not finish; it is asked once more and goes on with what is there."
  done
  sed -i '/^Trying to pull\|^Copying \|^Getting image/d' "$work/stderr"
  fail_because podman "The image could not be pulled; the running service was not touched."
}
