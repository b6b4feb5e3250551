# A release's files. Standard input: {"manifest_bytes":N} on a line, N bytes of manifest (JSON), a tar of the files sent.
# The archive is unpacked by a user without rights, takes only names that the manifest lists, and counts for nothing
# until every file has the size and the SHA-256 that the manifest says.

readonly files_limit=200000
readonly bytes_limit=$(( 64 * 1024 * 1024 * 1024 ))

verb_stage_files() {
  local line bytes directory base=''
  options 'fence service release' 'base' '' "$@"
  read_line line 128
  bytes=$(request_field "$line" manifest_bytes)
  [[ $bytes =~ ^[1-9][0-9]{0,8}$ ]] && (( bytes <= 67108864 )) || fail bad-input "The manifest's size is missing or above 64 MiB."
  head -c "$bytes" >"$work/manifest"
  (( $(stat -c %s "$work/manifest") == bytes )) || fail bad-input "Standard input ended inside the manifest."
  read_manifest
  lock "stage-${option[service]}" 10
  check_fence "service-${option[service]}"
  service_directories "${option[service]}"
  directory=$services/${option[service]}/releases
  already_staged "$directory"
  if [[ -n ${option[base]+set} ]]; then
    base=$directory/${option[base]}
    [[ -d $base && ! -L $base ]] || fail not-found "Release ${option[base]}, from which the unchanged files should come, is not on this node."
  elif [[ -s $work/kept ]]; then
    fail bad-input "Some files were not sent and no base release was named."
  fi
  need_space "$directory" "$(jq '([.sent[] | {key: ., value: true}] | from_entries) as $sent | [.files[] | select($sent[.path]) | .size] | add // 0' "$work/manifest")"
  incoming=$(mktemp -d "$directory/.ffs.XXXXXXXX")
  made+=("$incoming")
  mkdir -m 0700 -- "$incoming/tree"
  unpack "$incoming/tree"
  [[ ! -s $work/kept ]] || take_over "$base" "$incoming/tree"
  verify_tree "$incoming/tree"
  publish "$incoming/tree" "$directory/${option[release]}"
  succeed --argjson files "$(wc -l <"$work/sizes")" --argjson sent "$(wc -l <"$work/sent")" --argjson already false
}

# read_manifest: checks it and writes the lists that the next steps use. Names hold no newline, so a line is a name.
read_manifest() {
  local why
  why=$(jq -r --argjson count "$files_limit" --argjson bytes "$bytes_limit" '
    def whole: type == "number" and . >= 0 and . == floor;
    def clean: type == "string" and length > 0 and (utf8bytelength <= 1024)
      and (test("[\u0000-\u001f\u007f\u0080-\u009f\\\\\ufffd\u2028\u2029]") | not)
      and (split("/") | all(. != "" and . != "." and . != ".." and utf8bytelength <= 255));
    def parents: split("/") as $p | range(1; $p | length) | $p[:.] | join("/");
    if type != "object" or (keys != ["files", "sent"]) or (.files | type) != "array" or (.sent | type) != "array" then "it is not of the form expected"
    elif (.files | length) > $count then "it lists more than \($count) files"
    elif all(.files[]; type == "object" and keys == ["mode", "path", "sha256", "size"]) | not then "a file lacks path, mode, size or sha256"
    elif all(.files[].path; clean) | not then "a path is absolute, climbs up, is too long, or holds control characters or backslashes"
    elif all(.files[].mode; whole and . <= 511) | not then "a mode is above 0777 (setuid, setgid and sticky bits are refused)"
    elif all(.files[].size; whole) | not then "a size is not a whole number"
    elif ([.files[].size] | add // 0) > $bytes then "the files are too large"
    elif all(.files[].sha256; type == "string" and test("^[0-9a-f]{64}$")) | not then "a SHA-256 is not of the form expected"
    else ([.files[] | {key: .path, value: true}] | from_entries) as $set
      | if ($set | length) != (.files | length) then "a path occurs twice"
        elif any(.files[].path | parents; $set[.]) then "a path is a file and a directory at once"
        elif all(.sent[]; type == "string" and $set[.] == true) | not then "a file is sent that it does not list"
        elif (.sent | unique | length) != (.sent | length) then "a file is sent twice"
        else "" end
    end' "$work/manifest") || fail bad-input "The manifest is not valid JSON."
  [[ -z $why ]] || fail bad-input "The manifest is refused: $why."
  jq -r '.files[] | "\(.size)\t./\(.path)"' "$work/manifest" | sort >"$work/sizes"
  jq -r '.files[] | "\(.sha256)  ./\(.path)"' "$work/manifest" | sort -k 2 >"$work/sums"
  jq -r '.files[] | select(.mode % 2 >= 1 or (.mode / 8 | floor) % 2 >= 1 or (.mode / 64 | floor) % 2 >= 1) | "./\(.path)"' "$work/manifest" | sort >"$work/executable"
  jq -r '.sent[] | "./\(.)"' "$work/manifest" | sort >"$work/sent"
  jq -r '.files[] | "./\(.path)"' "$work/manifest" | sort | comm -23 - "$work/sent" >"$work/kept"
}

# already_staged DIRECTORY: a release never changes, so the same one again is done, and another one is refused.
already_staged() {
  local tree=$1/${option[release]}
  [[ -e $tree ]] || return 0
  (cd "$tree" && find . -type f -printf '%s\t%p\n' | sort | cmp -s - "$work/sizes" && sha256sum --check --strict --status "$work/sums") ||
    fail exists "Release ${option[release]} is on this node with other files. A release never changes; make a new one."
  cat >/dev/null # whoever sends the archive is let finish
  succeed --argjson files "$(wc -l <"$work/sizes")" --argjson sent 0 --argjson already true
}

# unpack TREE: the archive on standard input, by the user without rights. Only listed names are taken, none of them
# is below another, and none may occur twice: so no link of the archive can be written through.
unpack() {
  local tree=$1 largest limit
  [[ -s $work/sent ]] || return 0
  largest=$(jq '[.files[].size] | max // 0' "$work/manifest")
  limit=$(jq '([.sent[] | {key: ., value: true}] | from_entries) as $sent | [.files[] | select($sent[.path]) | .size + 8192] | add // 0 | . + 1048576' "$work/manifest")
  sed 's|^\./||' "$work/sent" >"$work/names"
  chown "$unpack_uid:$unpack_uid" -- "$tree" "$work/names"
  (
    cd "$tree"
    ulimit -f "$(( largest / 1024 + 64 ))"
    head -c "$limit" | setpriv --reuid="$unpack_uid" --regid="$unpack_uid" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
      tar --extract --file=- --no-same-owner --no-same-permissions --keep-old-files --no-recursion --no-wildcards \
      --verbatim-files-from --files-from=/dev/fd/3 --warning=no-timestamp 3<"$work/names"
  ) || fail_because bad-input "The archive could not be unpacked; nothing was changed."
  [[ -z $(find "$tree" ! -type f ! -type d -print -quit) ]] || fail bad-input "The archive holds links, devices or pipes where files are listed."
  [[ -z $(find "$tree" -type f -links +1 -print -quit) ]] || fail bad-input "The archive holds hard links."
  chown -R root:root -- "$tree"
  (cd "$tree" && find . -type f | sort | cmp -s - "$work/sent") || fail bad-input "The archive's files are not the ones that the manifest says are sent."
}

# take_over BASE TREE: unchanged files from an older release; where the file system can, they share their blocks.
take_over() {
  (cd "$1" && xargs -d '\n' -a "$work/kept" cp --reflink=auto --no-dereference --preserve=timestamps --parents --target-directory="$2" --) ||
    fail_because verify "Unchanged files could not be taken from the base release; send them all."
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
