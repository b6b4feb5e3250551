# Large files that changed a little: made from a file of the base release and a difference (`zstd --patch-from`), by the
# user without rights. It gets three open files and nothing else: the old content to read, the difference to read, the
# new file to write, no further than its size. Layers of images are made so too.

readonly patch_seconds=900

# apply_patches BASE ARRIVAL TREE: a line of $work/patched is SIZE PATCH FROM PATH.
apply_patches() {
  local size patch from path old new
  cut -f 2 "$work/patched" | sort -u | sed 's|.*|&  d/&|' >"$work/patch-sums"
  (cd "$2" && sha256sum --check --strict --status "$work/patch-sums") || cannot_patch "A difference did not arrive as it should be."
  while IFS=$'\t' read -r size patch from path; do
    old=$1/$from new=$3/$path
    [[ -f $old && ! -L $old ]] || cannot_patch "The base release lacks a file that a difference is for."
    mkdir -p -- "${new%/*}"
    patched_with "$old" "$2/d/$patch" "$new" "$size" || cannot_patch "A difference could not be applied."
  done <"$work/patched"
  rm -rf --one-file-system -- "$2/d"
}

# patched_with OLD PATCH NEW SIZE
patched_with() {
  room_for_patch "$(stat -c %s -- "$1")" "$4" || cannot_patch "There is too little free memory to apply a difference."
  apply_patch "$1" "$4" <"$2" >"$3"
}

free_memory() { sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo; }

# patch_memory OLD NEW: KiB for a difference between contents of so many bytes: the old one, a window over both, and what the
# program itself takes.
patch_memory() { printf '%s\n' "$(( ($1 + 2 * $2) / 1024 + 400000 ))"; }

# room_for_patch OLD NEW: is so much free that no service has to give way?
room_for_patch() { (( $(free_memory || true) > $(patch_memory "$1" "$2") - 300000 )); }

# apply_patch OLD SIZE: a difference from standard input, to standard output, by the user without rights.
apply_patch() {
  local memory
  memory=$(patch_memory "$(stat -c %s -- "$1")" "$2")
  (
    exec 3<"$1"
    cd /
    echo 1000 >/proc/self/oom_score_adj || true # rather this one than a service
    ulimit -f "$(( $2 / 1024 + 1 ))"
    ulimit -v "$memory"
    unprivileged timeout "$patch_seconds" zstd -q -d --long=31 --patch-from=/dev/fd/3 -c
  )
}

cannot_patch() { fail_because delta "$1 Nothing was changed; send the files whole."; }
