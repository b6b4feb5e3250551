# What fetches that were cut left: told in the facts, used by the next one, removed after a week.

readonly fetch_minutes=10080

forget_fetches() {
  [[ ! -d $state/fetch ]] || find "$state/fetch" -mindepth 1 -maxdepth 1 -mmin "+$fetch_minutes" -exec rm -rf --one-file-system -- {} +
}

# fetched_facts: what is here of images whose way was cut, a line for each with all its bytes, one for each blob with those
# of it, and one for each layer that was made already with all of the layer's. The dashboard sends the same blobs again.
fetched_facts() {
  local path name size bytes number=0
  local -A of=()
  for path in "$state/fetch"/*; do
    [[ ${path##*/} =~ ^$hex64$ ]] && (( (number += 1) <= 100 )) || continue
    bytes=0 of=()
    while read -r name size; do
      [[ $name =~ ^$hex64$ ]] || continue
      (( bytes += size, of[$name] += size )) || true
    done < <(find "$path/pieces" -type f -printf '%f %s\n' | sed 's/\.[0-9]* / /')
    while read -r size; do
      (( bytes += size )) || true
    done < <(cat -- /dev/null "$path/done"/*)
    printf '%s=%s\n' "${path##*/}" "$bytes"
    for name in "${!of[@]}"; do
      printf '%s=%s\n' "$name" "${of[$name]}"
    done
    for name in "$path/done"/*; do
      printf '%s=%s\n' "${name##*/}" "$(stat -c %s -- "$path/layout/blobs/sha256/${name##*/}" || echo 0)"
    done
  done | head -n 1000 | sort -u -t = -k 1,1 | sed 's/^/fetched\tsha256:/'
}

# adopt_pieces: blobs and layers that attempts at other images left. One image at a time is brought.
adopt_pieces() {
  local at path other
  for at in "${!blob_digest[@]}"; do
    for path in "$state/fetch"/*/done/"${blob_diff[at]}"; do
      other=${path%/done/*}
      [[ ! -e $fetch/done/${blob_diff[at]} ]] || break
      mv -fT -- "$other/layout/blobs/sha256/${blob_diff[at]}" "$fetch/layout/blobs/sha256/${blob_diff[at]}" &&
        mv -fT -- "$path" "$fetch/done/${blob_diff[at]}" || true
    done
    for path in "$state/fetch"/*/pieces/"${blob_digest[at]}".*; do
      [[ $path != "$fetch"/* ]] || break
      mv -fT -- "$path" "$fetch/pieces/${path##*/}" || true
    done
  done
}
