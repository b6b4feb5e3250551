# Where a release's files arrive: incoming/N beside the releases, with t/ (files), d/ (differences) and p/ (the rest of
# what was cut in the middle). It belongs to the user who unpacks. If the sender said so, it outlives an attempt that was
# cut: the next one is told what is there, each file verified by its SHA-256, and sends the rest. One unfinished release
# is kept for each service, for a week at most.

readonly arrival_days=7
readonly ranges_limit=5000 # of what is held: it is one range, or a few, unless somebody plays games
readonly halves_limit=16

arrival=''

# begin_arrival SERVICE_DIRECTORY: sets arrival; $work/names is what the archive has to bring.
begin_arrival() {
  local incoming=$1/incoming path
  for path in "$services"/*/incoming/*; do
    [[ -z $(find "$path" -maxdepth 0 -mtime "+$(( arrival_days - 1 ))") ]] || rm -rf --one-file-system -- "$path"
  done
  mkdir -p -m 0700 -- "$incoming"
  arrival=$incoming/${option[release]}
  for path in "$incoming"/*; do
    [[ $path == "$arrival" && -n $resume ]] || rm -rf --one-file-system -- "$path"
  done
  [[ -n $resume ]] || made+=("$incoming")
  : >"$work/held"
  : >"$work/halves"
  [[ ! -d $arrival ]] || look_at_arrival
  mkdir -p -m 0700 -- "$arrival"
  touch -- "$arrival"
  [[ -z $resume ]] || tell_what_is_held
  jq -nr --rawfile items "$work/items" --rawfile held "$work/held" --rawfile halves "$work/halves" --arg coding "$coding" '
    def lines: split("\n") | map(select(. != ""));
    ($held | lines | map({key: ., value: true}) | from_entries) as $held
    | ($halves | lines | map(split("\t") | {key: .[0], value: .[1]}) | from_entries) as $halves
    | $items | lines[] | split("\t") | select($held[.[0]] | not)
    | if $halves[.[0]] then "p/\(.[0]).\($halves[.[0]])" elif $coding == "" then .[3][2:] else .[3] end' >"$work/names"
}

# look_at_arrival: what an earlier attempt left. Whole files with the right SHA-256 are held, a file that is too short is
# half there, anything else goes.
look_at_arrival() {
  chown -R "$unpack_uid:$unpack_uid" -- "$arrival"
  chmod -R u=rwX,go= -- "$arrival"
  if [[ -n $(find "$arrival" ! -type f ! -type d -print -quit) || -n $(find "$arrival" -type f -links +1 -print -quit) ]]; then
    rm -rf --one-file-system -- "$arrival"
    return
  fi
  (
    cd "$arrival"
    join_halves
    rm -rf --one-file-system -- p
    find . -type f -printf '%s\t%P\n' >"$work/found"
    jq -nr --rawfile items "$work/items" --rawfile found "$work/found" '
      def lines: split("\n") | map(select(. != "") | split("\t"));
      ($items | lines | map({key: .[3], value: .}) | from_entries) as $items
      | $found | lines[] | . as [$bytes, $name] | $items[$name]
      | if . == null or ($bytes | tonumber) > (.[2] | tonumber) then "gone\t\($name)"
        elif .[2] == $bytes then "whole\t\(.[0])\t\(.[1])\t\($name)"
        elif $bytes == "0" then "gone\t\($name)"
        else "half\t\(.[0])\t\($bytes)\t\($name)" end' | sort -t $'\t' -k 1,1 -k 2,2n >"$work/state"
    { grep '^whole' "$work/state" || true; } | cut -f 3- | sed 's/\t/  /' >"$work/whole"
    [[ ! -s $work/whole ]] || sha256sum --check "$work/whole" 2>/dev/null >"$work/checked" || true
    : >>"$work/checked"
    sed -n 's/: FAILED\( open or read\)\?$//p' "$work/checked" >"$work/unwanted"
    { grep '^gone' "$work/state" || true; } | cut -f 2- >>"$work/unwanted"
    { grep '^half' "$work/state" || true; } | tail -n "+$(( halves_limit + 1 ))" | cut -f 4- >>"$work/unwanted"
    xargs -r -d '\n' -a "$work/unwanted" rm -f --
    find . -mindepth 1 -type d -empty -delete
  )
  jq -nr --rawfile state "$work/state" --rawfile unwanted "$work/unwanted" '
    ($unwanted | split("\n") | map({key: ., value: true}) | from_entries) as $unwanted
    | $state | split("\n")[] | split("\t") | select(.[0] == "whole" and ($unwanted[.[3]] | not)) | .[1]' >"$work/held"
  { grep '^half' "$work/state" || true; } | head -n "$halves_limit" | cut -f 2,3 >"$work/halves"
}

# join_halves: in the arrival. p/INDEX.OFFSET continues a file; it is appended where the file ends exactly there.
join_halves() {
  local index offset name
  [[ -d p ]] || return 0
  find p -maxdepth 1 -type f -printf '%f\n' >"$work/pieces"
  jq -nr --rawfile items "$work/items" --rawfile pieces "$work/pieces" '
    ($items | split("\n") | map(select(. != "") | split("\t") | {key: .[0], value: .[3]}) | from_entries) as $names
    | [$pieces | split("\n")[] | select(test("^[0-9]{1,7}\\.[0-9]{1,15}$")) | split(".") | select($names[.[0]])]
    | sort_by(map(tonumber)) | .[:1000][] | "\(.[0])\t\(.[1])\t\($names[.[0]])"' >"$work/joins"
  while IFS=$'\t' read -r index offset name; do
    [[ -f $name && $(stat -c %s -- "$name") == "$offset" ]] || continue
    cat -- "p/$index.$offset" >>"$name"
    rm -f -- "p/$index.$offset"
  done <"$work/joins"
}

# tell_what_is_held: {"event":"ready","held":[[first,count],…],"half":[[index,bytes],…]}, by the order of the archive.
tell_what_is_held() {
  jq -cn --rawfile held "$work/held" --rawfile halves "$work/halves" --argjson limit "$ranges_limit" '
    {event: "ready",
     held: (reduce ($held | split("\n")[] | select(. != "") | tonumber) as $i ([];
       if length > 0 and .[-1][0] + .[-1][1] == $i then .[-1][1] += 1 else . + [[$i, 1]] end) | .[:$limit]),
     half: [$halves | split("\n")[] | select(. != "") | split("\t") | map(tonumber)]}' >"$work/ready"
  jq -r '.held[] | range(.[0]; .[0] + .[1])' "$work/ready" >"$work/held"
  say "$(<"$work/ready")"
}

# space_needed: bytes of what is to come and of what differences make. What the base release gives shares its blocks, where
# the file system can.
space_needed() {
  jq -n --rawfile items "$work/items" --rawfile held "$work/held" --slurpfile manifest "$work/manifest" '
    ($held | split("\n") | map({key: ., value: true}) | from_entries) as $held
    | ([$manifest[0].files[] | {key: .path, value: .size}] | from_entries) as $size
    | ([$items | split("\n")[] | select(. != "") | split("\t") | select($held[.[0]] | not) | .[2] | tonumber] | add // 0)
      + ([$manifest[0].patched[]?.path | $size[.]] | add // 0)'
}

# unpack ARRIVAL: the archive on standard input, by the user without rights. Only listed names are taken, none of them
# is below another, and none may occur twice: so no link of the archive can be written through.
unpack() {
  local into=$1 largest limit
  [[ -n $coding ]] || into=$1/t
  mkdir -p -m 0700 -- "$into"
  if [[ -s $work/names ]]; then
    largest=$(cut -f 3 "$work/items" | sort -n | tail -n 1)
    limit=$(cut -f 3 "$work/items" | jq -s 'map(. + 8192) | add + 1048576')
    chown "$unpack_uid:$unpack_uid" -- "$1" "$into" "$work/names"
    (
      cd "$into"
      ulimit -f "$(( largest / 1024 + 64 ))"
      opened | head -c "$limit" | unprivileged \
        tar --extract --file=- --no-same-owner --no-same-permissions --keep-old-files --no-recursion --no-wildcards \
        --verbatim-files-from --files-from=/dev/fd/3 --warning=no-timestamp 3<"$work/names"
    ) || not_unpacked
  fi
  [[ -z $(find "$1" ! -type f ! -type d -print -quit) ]] || hostile "The archive holds links, devices or pipes where files are listed."
  [[ -z $(find "$1" -type f -links +1 -print -quit) ]] || hostile "The archive holds hard links."
  cd "$1"
  join_halves
  cd /
  mkdir -p -m 0700 -- "$1/t"
  chown -R root:root -- "$1"
  (cd "$1/t" && find . -type f | sort | cmp -s - "$work/sent") || fail bad-input "The archive's files are not the ones that the manifest says are sent."
}

# opened: standard input without its coding. zstd itself takes no more than 128 MiB for a window.
opened() {
  if [[ -n $coding ]]; then
    unprivileged zstd -q -d -c
  else
    cat
  fi
}

not_unpacked() {
  local kept='nothing was changed'
  [[ -z $resume ]] || kept='what arrived of it is kept for the next attempt'
  fail_because bad-input "The archive could not be unpacked; $kept."
}

hostile() {
  made+=("$arrival")
  fail bad-input "$1"
}

# forget_arrivals SERVICE_DIRECTORY
forget_arrivals() { rm -rf --one-file-system -- "$1/incoming"; }
