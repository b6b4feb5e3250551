# Way "fetch": curl brings the blobs that did not ride along with the request, several parts at once, into fetch/IMAGE/,
# where they outlive an attempt that was cut:
#   pieces/BLOB.OFFSET   bytes of a blob from OFFSET on, as far as they came; the rest is asked for next time
#   done/LAYER           a layer that was made whole of its blob: the blob's size
#   layout/              an OCI layout that lacks the layers that podman holds already
# A layer that podman holds by now (another push brought it) is not fetched, whatever the request says.
# One attempt works here at a time (the lock "images"). What is older than a week goes.

readonly fetch_channels=6      # an SSH channel carries at most 2 MiB in one round trip
readonly segment_least=8388608 # bytes

fetch=''
never=''
told_at=0
declare -A have=() mended=() in_store=()

# pause SECONDS: without a process.
pause() {
  [[ -n $never ]] || exec {never}<> <(:)
  read -r -t "$1" -u "$never" || true
}

# begin_fetch: what an earlier attempt left and is of use now stays, and is counted in kept.
begin_fetch() {
  local at path name
  local -A layer_of=() index_of=()
  fetch=$state/fetch/$id
  for name in curl zstd; do
    command -v "$name" >/dev/null || fail not-found "This node has no $name; the image has to be pulled."
  done
  mkdir -p -m 0700 -- "$fetch" "$fetch"/{pieces,done,layout/blobs/sha256}
  touch -- "$fetch"
  rm -rf --one-file-system -- "$fetch"/{base,layer}
  adopt_pieces
  for at in "${!blob_digest[@]}"; do
    # Before a byte comes; the old layer's own size is looked at when it is there.
    [[ ${blob_form[at]} != delta ]] || room_for_patch "${blob_diff_size[at]}" "${blob_diff_size[at]}" || too_little_memory
    layer_of[${blob_digest[at]}]=${blob_diff[at]} index_of[${blob_diff[at]}]=$at
  done
  for path in "$fetch/done"/*; do
    name=${path##*/} at=${index_of[${path##*/}]:-}
    [[ -n $at && $(stat -c %s -- "$fetch/layout/blobs/sha256/$name") == "${blob_diff_size[at]}" ]] || rm -f -- "$path"
  done
  for path in "$fetch/layout/blobs/sha256"/*; do
    [[ -e $fetch/done/${path##*/} ]] || rm -f -- "$path"
  done
  for path in "$fetch/pieces"/*; do
    name=${path##*/}
    [[ $name =~ ^$hex64\.[0-9]{15}$ && -n ${layer_of[${name%.*}]:-} && ! -e $fetch/done/${layer_of[${name%.*}]} ]] || rm -f -- "$path"
  done
  find_gaps
  look
  kept=$came
  (( kept == 0 )) || log "$kept bytes are here from an earlier attempt; the rest is fetched."
}

layer_is_here() { [[ -e $fetch/done/${blob_diff[$1]} || -n ${in_store[${blob_diff[$1]}]:-} ]]; }

# find_gaps: FIRST and LAST byte of what is lacking, in parts that can be fetched side by side, large ones first.
find_gaps() {
  local at path from end size segment lacking=0
  local starts=() ends=() lacks=()
  for at in "${!blob_digest[@]}"; do
    ! layer_is_here "$at" || continue
    end=0
    for path in "$fetch/pieces/${blob_digest[at]}".* ''; do
      if [[ -n $path ]]; then
        from=$(( 10#${path##*.} )) size=$(stat -c %s -- "$path")
        if (( size == 0 || from < end || from + size > blob_size[at] )); then
          rm -f -- "$path"
          continue
        fi
      else
        from=${blob_size[at]} size=0
      fi
      if (( from > end )); then
        lacks+=("$at") starts+=("$end") ends+=("$from")
        (( lacking += from - end )) || true
      fi
      end=$(( from + size ))
    done
  done
  (( segment = (lacking + fetch_channels - 1) / fetch_channels, segment = segment < segment_least ? segment_least : segment )) || true
  for at in "${!lacks[@]}"; do
    for (( from = starts[at]; from < ends[at]; from = end )); do
      end=$(( ends[at] - from > segment + segment / 8 ? from + segment : ends[at] ))
      printf '%s %s %s %s\n' "$(( end - from ))" "${lacks[at]}" "$from" "$(( end - 1 ))"
    done
  done | sort -rn >"$work/gaps"
}

# curl_config: for curl's standard input, because the token is in it.
curl_config() {
  local at from last next='' limits='fail\nproto = "=http"\nnoproxy = "*"\ngloboff\nconnect-timeout = 20\nspeed-limit = 1\nspeed-time = 120\n'
  local base="http://127.0.0.1:$port/v2/$token/${option[project]}"
  while read -r _ at from last; do
    printf '%surl = "%s/blobs/sha256:%s"\noutput = "%s/pieces/%s.%015d"\nrange = "%s-%s"\n'"$limits" \
      "$next" "$base" "${blob_digest[at]}" "$fetch" "${blob_digest[at]}" "$from" "$from" "$last"
    next=$'next\n'
  done <"$work/gaps"
}

# look: how many bytes of each blob are here (have, by its digest), and of all (came).
look() {
  local name size
  came=0 have=()
  while read -r name size; do
    (( have[$name] += size, came += size )) || true
  done < <(find "$fetch/pieces" -type f -printf '%f %s\n' | sed 's/\.[0-9]* / /')
  for name in "$fetch/done"/*; do
    (( came += $(<"$name") )) || true
  done
}

# tell: once a second at most.
tell() {
  local all=0 size
  look
  (( SECONDS > told_at )) || return 0
  told_at=$SECONDS
  for size in "${blob_size[@]}"; do (( all += size )) || true; done
  progress "$came" "$all"
}

# fetch_blobs: until every layer is there. A connection that breaks is taken up again while something comes of it.
fetch_blobs() {
  local curl status name idle=0 most=-1
  in_store=()
  while read -r name; do
    in_store[$name]=1
  done < <(layer_chains | jq -r 'select(.gone | not) | .layers[]')
  while :; do
    make_what_came
    [[ -s $work/gaps ]] || break
    [[ -n $port ]] || fail fetch "What rode along did not arrive as it should be. The running service was not touched."
    curl -q --silent --show-error --parallel --parallel-max "$fetch_channels" --config - \
      < <(curl_config) >/dev/null 2>>"$work/stderr" &
    curl=$!
    helpers[$curl]=1
    export_bases # while the first bytes come
    while kill -0 "$curl" 2>/dev/null; do
      pause 0.1
      tell
      make_layers
    done
    status=0
    wait "$curl" || status=$?
    unset "helpers[$curl]"
    look
    make_layers
    idle=$(( came > most ? 0 : idle + 1 )) most=$(( came > most ? came : most ))
    (( idle < 3 )) || fail_because fetch "The image could not be fetched; $came bytes of it are here, and the next attempt goes on there. The running service was not touched."
    (( status == 0 )) || pause 1
  done
}

# make_what_came: before anything is asked for, what is here whole already: it rode along, or an earlier attempt brought it.
make_what_came() {
  find_gaps
  [[ ! -s $work/gaps ]] || return 0
  export_bases
  look
  make_layers
  find_gaps # what turned out damaged
}
