# A release's files. Standard input: {"manifest_bytes":N} on a line, N bytes of manifest (JSON), a tar of the files sent.
# The archive is unpacked by a user without rights, takes only names that the manifest lists, and counts for nothing
# until every file has the size and the SHA-256 that the manifest says.
#
# Where the node has zstd, the line may also say "coding":"zstd" (manifest and archive are then compressed) and
# "resume":1 (what arrived stays for the next attempt; see the next part), and the manifest may name files that come
# from the base release: "copied" (from another path) and "patched" (a difference to be applied to a file of it). With
# "manifest_base":SHA256 the manifest itself is a difference to the list of the base release's files, which is kept.

readonly files_limit=200000
readonly bytes_limit=$(( 64 * 1024 * 1024 * 1024 ))
readonly manifest_limit=$(( 64 * 1024 * 1024 ))

verb_stage_files() {
  local line coding resume directory base='' tree
  options 'fence service release' 'base' '' "$@"
  read_line line 256
  coding=$(request_field "$line" coding) resume=$(request_field "$line" resume)
  [[ $coding == '' || $coding == zstd ]] || fail bad-input "Of codings only zstd is known."
  [[ $resume == '' || ($resume == 1 && $coding == zstd) ]] || fail bad-input "Only what comes with the coding zstd can be resumed."
  receive_manifest "$(request_field "$line" manifest_bytes)" "$(request_field "$line" manifest_base)"
  read_manifest
  lock "stage-${option[service]}" 10
  check_fence "service-${option[service]}"
  service_directories "${option[service]}"
  directory=$services/${option[service]}/releases
  already_staged "$directory"
  if [[ -n ${option[base]+set} ]]; then
    base=$directory/${option[base]}
    [[ -d $base && ! -L $base ]] || fail not-found "Release ${option[base]}, from which the unchanged files should come, is not on this node."
  elif [[ -s $work/kept || -s $work/copied || -s $work/patched ]]; then
    fail bad-input "Some files were not sent and no base release was named."
  fi
  begin_arrival "$services/${option[service]}"
  need_space "$directory" "$(space_needed)"
  unpack "$arrival"
  tree=$arrival/t
  [[ ! -s $work/patched ]] || apply_patches "$base" "$arrival" "$tree"
  [[ ! -s $work/copied ]] || copy_over "$base" "$tree"
  [[ ! -s $work/kept ]] || take_over "$base" "$tree"
  verify_tree "$tree"
  publish "$tree" "$directory/${option[release]}"
  forget_arrivals "$services/${option[service]}"
  keep_manifest "$services/${option[service]}"
  succeed --argjson files "$(wc -l <"$work/sizes")" --argjson sent "$(wc -l <"$work/sent")" --argjson already false
}

# receive_manifest BYTES BASE: into $work/manifest. Whatever it unpacks to, no more than the limit is kept of it.
receive_manifest() {
  local old=/dev/null from=()
  [[ $1 =~ ^[1-9][0-9]{0,8}$ ]] && (( $1 <= manifest_limit )) || fail bad-input "The manifest's size is missing or above 64 MiB."
  [[ -z $2 || ($2 =~ ^$hex64$ && -n $coding && -n ${option[base]+set}) ]] || fail bad-input "What the manifest is a difference to is not of the form expected."
  head -c "$1" >"$work/manifest"
  (( $(stat -c %s "$work/manifest") == $1 )) || fail bad-input "Standard input ended inside the manifest."
  [[ -n $coding ]] || return 0
  if [[ -n $2 ]]; then
    old=$services/${option[service]}/manifests/${option[base]}
    [[ -f $old && $(sha256sum <"$old") == "$2  -" ]] || fail no-manifest "The list of release ${option[base]}'s files is not on this node. Nothing was changed; send the whole manifest."
    from=(--long=27 --patch-from=/dev/fd/3)
  fi
  mv -- "$work/manifest" "$work/manifest.zst"
  unprivileged zstd -q -d "${from[@]}" -c <"$work/manifest.zst" 3<"$old" | head -c "$(( manifest_limit + 1 ))" >"$work/manifest" ||
    fail bad-input "The manifest is not compressed as it should be, or is above 64 MiB."
  (( $(stat -c %s "$work/manifest") <= manifest_limit )) || fail bad-input "The manifest is above 64 MiB."
}

# keep_manifest SERVICE_DIRECTORY: the list of the release's files, in the one form that it has everywhere: it is what the
# next release's manifest may be a difference to, applied by the user without rights. Lists of releases that are gone go.
keep_manifest() {
  local path
  mkdir -p -m 0700 -- "$1/manifests"
  jq -cjS '.files | map({mode, path, sha256, size})' "$work/manifest" | store "$1/manifests/${option[release]}" 0644
  for path in "$1"/manifests/*; do
    [[ -e $1/releases/${path##*/} ]] || rm -f -- "$path"
  done
}

unprivileged() { setpriv --reuid="$unpack_uid" --regid="$unpack_uid" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"; }

# read_manifest: checks it and writes the lists that the next steps use. Names hold no newline, so a line is a name.
read_manifest() {
  local why
  why=$(jq -r --argjson count "$files_limit" --argjson bytes "$bytes_limit" '
    def whole: type == "number" and . >= 0 and . == floor;
    def hex: type == "string" and test("^[0-9a-f]{64}$");
    def clean: type == "string" and length > 0 and (utf8bytelength <= 1024)
      and (test("[\u0000-\u001f\u007f\u0080-\u009f\\\\\ufffd\u2028\u2029]") | not)
      and (split("/") | all(. != "" and . != "." and . != ".." and utf8bytelength <= 255));
    def parents: split("/") as $p | range(1; $p | length) | $p[:.] | join("/");
    def patch: type == "object" and keys == ["bytes", "from", "patch", "path"] and (.path | type) == "string" and (.from | clean)
      and (.patch | hex) and (.bytes | whole) and .bytes > 0;
    def copy: type == "object" and keys == ["from", "path"] and (.path | type) == "string" and (.from | clean);
    if type != "object" or (keys - ["copied", "patched"] != ["files", "sent"]) or any(.[]; type != "array") then "it is not of the form expected"
    elif (.files | length) > $count then "it lists more than \($count) files"
    elif all(.files[]; type == "object" and keys == ["mode", "path", "sha256", "size"]) | not then "a file lacks path, mode, size or sha256"
    elif all(.files[].path; clean) | not then "a path is absolute, climbs up, is too long, or holds control characters or backslashes"
    elif all(.files[].mode; whole and . <= 511) | not then "a mode is above 0777 (setuid, setgid and sticky bits are refused)"
    elif all(.files[].size; whole) | not then "a size is not a whole number"
    elif ([.files[].size] | add // 0) > $bytes then "the files are too large"
    elif all(.files[].sha256; hex) | not then "a SHA-256 is not of the form expected"
    elif all(.patched[]?; patch) | not then "a difference is not of the form expected"
    elif all(.copied[]?; copy) | not then "a copy is not of the form expected"
    elif ([.patched[]?.bytes] | add // 0) > $bytes then "the differences are too large"
    else ([.files[] | {key: .path, value: true}] | from_entries) as $set
      | (.sent + [.patched[]?.path] + [.copied[]?.path]) as $named
      | if ($set | length) != (.files | length) then "a path occurs twice"
        elif any(.files[].path | parents; $set[.]) then "a path is a file and a directory at once"
        elif all($named[]; type == "string" and $set[.] == true) | not then "a file is sent that it does not list"
        elif ($named | unique | length) != ($named | length) then "a file is sent twice"
        elif ([.patched[]? | [.patch, .bytes]] | unique | group_by(.[0]) | any(length > 1)) then "a difference has two sizes"
        else "" end
    end' "$work/manifest") || fail bad-input "The manifest is not valid JSON."
  [[ -z $why ]] || fail bad-input "The manifest is refused: $why."
  jq -r '.files[] | "\(.size)\t./\(.path)"' "$work/manifest" | sort >"$work/sizes"
  jq -r '.files[] | "\(.sha256)  ./\(.path)"' "$work/manifest" | sort -k 2 >"$work/sums"
  jq -r '.files[] | select(.mode % 2 >= 1 or (.mode / 8 | floor) % 2 >= 1 or (.mode / 64 | floor) % 2 >= 1) | "./\(.path)"' "$work/manifest" | sort >"$work/executable"
  jq -r '.sent[] | "./\(.)"' "$work/manifest" | sort >"$work/sent"
  jq -r '.copied[]? | "\(.path)\t\(.from)"' "$work/manifest" >"$work/copied"
  jq -r '([.files[] | {key: .path, value: .size}] | from_entries) as $size
    | .patched[]? | "\($size[.path])\t\(.patch)\t\(.from)\t\(.path)"' "$work/manifest" >"$work/patched"
  jq -r '(.sent + [.patched[]?.path] + [.copied[]?.path])[] | "./\(.)"' "$work/manifest" | sort >"$work/brought"
  jq -r '.files[] | "./\(.path)"' "$work/manifest" | sort | comm -23 - "$work/brought" >"$work/kept"
  # What may be in the archive, in its order: index, SHA-256, bytes, name. With a coding, files are below t/ and differences
  # below d/; without one, names are paths.
  jq -r '([.files[] | {key: .path, value: .}] | from_entries) as $file
    | [(.sent[] | {sha: $file[.].sha256, size: $file[.].size, name: "t/\(.)"}),
       ([.patched[]? | {sha: .patch, size: .bytes, name: "d/\(.patch)"}] | unique_by(.sha)[])]
    | to_entries[] | "\(.key)\t\(.value.sha)\t\(.value.size)\t\(.value.name)"' "$work/manifest" >"$work/items"
}

# already_staged DIRECTORY: a release never changes, so the same one again is done, and another one is refused.
already_staged() {
  local tree=$1/${option[release]}
  [[ -e $tree ]] || return 0
  (cd "$tree" && find . -type f -printf '%s\t%p\n' | sort | cmp -s - "$work/sizes" && sha256sum --check --strict --status "$work/sums") ||
    fail exists "Release ${option[release]} is on this node with other files. A release never changes; make a new one."
  [[ -n $resume ]] || cat >/dev/null # whoever sends the archive without asking is let finish
  succeed --argjson files "$(wc -l <"$work/sizes")" --argjson sent 0 --argjson already true
}

# copy_over BASE TREE: files that the base release has under another name. Those that keep their last name go many at a time.
copy_over() {
  local path from directory last='' sources=()
  while IFS=$'\t' read -r path from; do
    directory=$2/$path
    directory=${directory%/*}
    if [[ ${path##*/} != "${from##*/}" || $directory != "$last" || ${#sources[@]} -ge 200 ]]; then
      copy_all "$1" "$last" "${sources[@]}"
      sources=() last=$directory
      mkdir -p -- "$directory"
    fi
    if [[ ${path##*/} == "${from##*/}" ]]; then
      sources+=("./$from")
    else
      (cd "$1" && cp --reflink=auto --no-dereference --preserve=timestamps -T -- "./$from" "$2/$path") || base_lacks
    fi
  done <"$work/copied"
  copy_all "$1" "$last" "${sources[@]}"
}

copy_all() {
  local base=$1 directory=$2
  shift 2
  (( $# == 0 )) || (cd "$base" && cp --reflink=auto --no-dereference --preserve=timestamps --target-directory="$directory" -- "$@") || base_lacks
}

base_lacks() { fail_because verify "Unchanged files could not be taken from the base release; send them all."; }

# take_over BASE TREE: unchanged files from an older release; where the file system can, they share their blocks.
take_over() {
  (cd "$1" && xargs -d '\n' -a "$work/kept" cp --reflink=auto --no-dereference --preserve=timestamps --parents --target-directory="$2" --) ||
    base_lacks
}

verify_tree() {
  cd "$1"
  find . -type d -exec chmod 0555 -- {} +
  find . -type f -printf '%s\t%p\n' | sort | cmp -s - "$work/sizes" || fail verify "A file has another size than the manifest says; nothing was changed."
  sha256sum --check --strict --status "$work/sums" 2>/dev/null || [[ ! -s $work/sums ]] || fail verify "A file has another SHA-256 than the manifest says; nothing was changed."
  find . -type f -exec chmod 0444 -- {} +
  [[ ! -s $work/executable ]] || xargs -d '\n' -a "$work/executable" chmod 0555 --
  cd /
}
