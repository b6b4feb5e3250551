# What comes on the standard input of stage-image: for a pull one line of JSON. For a fetch the same, the image's
# configuration, and the blobs that are so small that they ride along, all one behind the other, packed (RFC 8878).

readonly request_most=8388608 # bytes, packed and unpacked

# request_field JSON NAME: a string or number of an object; empty if it is not there. Through a pipe: it may be secret.
request_field() { printf '%s' "$1" | jq -r --arg name "$2" 'if type == "object" then .[$name] | if type == "string" or type == "number" then tostring else "" end else "" end' || true; }

# stage_request: reads and checks the request. Sets port and token (empty where nothing is to be asked for), manifest (of a
# pull), way, need (bytes of disk) and, for what is fetched, the columns blob_digest, blob_size, blob_form, blob_diff,
# blob_diff_size, blob_base (hex digits alone) and blob_rides.
stage_request() {
  local why row config_bytes
  kept=0
  timeout 60 head -c "$(( request_most + 1 ))" >"$work/request" || fail bad-input "Standard input did not end within a minute."
  (( $(stat -c %s -- "$work/request") <= request_most )) || fail bad-input "The request is larger than 8 MiB."
  [[ -s $work/request ]] || fail bad-input "Standard input ended before the first line was there."
  open_request
  why=$(jq -rs '
    def digest: type == "string" and test("\\Asha256:[0-9a-f]{64}\\z");
    def bytes: type == "number" and . == floor and . >= 0 and . <= 70368744177664;
    def distinct: length == (unique | length);
    if length != 1 or (.[0] | type) != "object" then "The request is not one JSON object."
    else .[0] | (.way // "pull") as $way | (.blobs // []) as $blobs
    | if ($way | IN("pull", "fetch") | not) then "The way is neither pull nor fetch."
      elif ($blobs | type) != "array" or ($blobs | length) > 200 then "The blobs are no list, or more than 200."
      elif $way == "pull" and ($blobs | length) > 0 then "Blobs are named only where they are fetched."
      elif all($blobs[]; type == "object" and (.digest | digest) and (.diff_id | digest) and (.size | bytes) and (.diff_size | bytes)) | not then "A blob lacks digest, size, diff_id or diff_size, or has others than can be."
      elif all($blobs[]; .form | IN("raw", "zstd", "delta")) | not then "A blob has a form that is not known."
      elif all($blobs[]; if .form == "delta" then (.base | digest) and .base != .diff_id else has("base") | not end) | not then "A delta names its base, and nothing else does."
      elif all($blobs[]; .form != "raw" or (.digest == .diff_id and .size == .diff_size)) | not then "A blob that is said to be raw is not the layer."
      elif all($blobs[]; .rides | IN(null, true)) | not then "A blob rides along or does not."
      elif ([$blobs[].digest] | distinct | not) or ([$blobs[].diff_id] | distinct | not) then "A blob or a layer occurs twice."
      elif $way == "fetch" and ((.config | bytes | not) or (.sizes | type) != "array" or (.sizes | length) > 500 or (all(.sizes[]; bytes) | not) or (.docker | type) != "boolean") then "A fetch lacks config, sizes or docker, or has others than can be."
      elif $way == "pull" and (.manifest | digest | not) then "The manifest'"'"'s digest is not of the form expected."
      elif (.need // 0 | bytes | not) then "The bytes needed are no whole number."
      elif $way == "fetch" and .port == null and .token == null and all($blobs[]; .rides) then ""
      elif (.port | type) != "number" or .port != (.port | floor) or .port < 1024 or .port > 65535 then "The port is not between 1024 and 65535."
      elif (.token | type) != "string" or (.token | test("\\A[A-Za-z0-9_-]{16,128}\\z") | not) then "The token is not of the form expected."
      else "" end
    end' "$work/request") || fail bad-input "The request is not valid JSON."
  [[ -z $why ]] || fail bad-input "$why"
  jq -rj '.token // ""' "$work/request" >"$work/token"
  {
    read -r port manifest way need config_bytes
    blob_digest=() blob_size=() blob_form=() blob_diff=() blob_diff_size=() blob_base=() blob_rides=()
    while read -r -a row; do
      blob_digest+=("${row[0]}") blob_size+=("${row[1]}") blob_form+=("${row[2]}") blob_diff+=("${row[3]}")
      blob_diff_size+=("${row[4]}") blob_base+=("${row[5]}") blob_rides+=("${row[6]}")
    done
  } < <(jq -r '"\(.port // "none") \(.manifest // "none") \(.way // "pull") \(.need // 0 | @json) \(.config // 0 | @json)",
    ((.blobs // [])[] | "\(.digest[7:]) \(.size | @json) \(.form) \(.diff_id[7:]) \(.diff_size | @json) \(.base // "-------none" | .[7:]) \(.rides // false)")' "$work/request")
  token=$(<"$work/token")
  [[ $port != none ]] || port=''
  [[ $way == pull && -z $parcel ]] || look_into_parcel "$config_bytes"
  rm -f -- "$work/request"
}

# open_request: one that is packed becomes its first line, and parcel the descriptor of what stands behind it.
open_request() {
  local line dictionary=''
  parcel=''
  [[ $(head -c 4 -- "$work/request" | od -A n -t x1 | tr -d ' ') == 28b52ffd ]] || return 0
  command -v zstd >/dev/null || fail not-found "This node has no zstd; the image has to be pulled."
  [[ -z ${option[from]:-} ]] || find_dictionary "${option[from]}"
  mv -T -- "$work/request" "$work/packed"
  if ! attend unpack_request "$dictionary" <"$work/packed" >"$work/parcel"; then
    [[ -z $dictionary ]] || fail delta "The request could not be unpacked by the image that it was packed against; send the layers themselves."
    fail bad-input "The request could not be unpacked."
  fi
  (( $(stat -c %s -- "$work/parcel") <= request_most )) || fail bad-input "The request is larger than 8 MiB."
  exec {parcel}<"$work/parcel"
  IFS= read -r line <&"$parcel" || fail bad-input "The request is not one line of JSON and what belongs to it."
  line_bytes=$(( ${#line} + 1 ))
  printf '%s\n' "$line" >"$work/request"
}

# find_dictionary HEX: sets dictionary, the configuration of the one image whose id begins so, as podman keeps it.
find_dictionary() {
  local path image matches=("$image_store/overlay-images/$1"*/)
  (( ${#matches[@]} == 1 )) || fail delta "The node does not hold the image that the request was packed against; send the layers themselves."
  image=${matches[0]%/} image=${image##*/}
  for path in "${matches[0]}"=*; do
    [[ $(sha256sum <"$path") == "$image "* ]] || continue
    dictionary=$work/dictionary
    install -m 0644 -- "$path" "$dictionary" # for a user without rights, in a directory that is not for it
    return
  done
  fail delta "The configuration of the image that the request was packed against is not where it was looked for; send the layers themselves."
}

# unpack_request DICTIONARY: no more than may be, whatever the request says of itself.
unpack_request() {
  local words=(-q -d -c)
  if [[ -n $1 ]]; then
    exec 3<"$1"
    words+=(-D /dev/fd/3)
  fi
  cd /
  unprivileged timeout 60 zstd "${words[@]}" | head -c "$(( request_most + 1 ))"
}

# look_into_parcel BYTES: there is what was announced, no more and no less. Makes of the configuration of so many bytes a
# manifest that names every layer as it is: the image's id vouches for the one, and so for the other.
look_into_parcel() {
  local at rides=0
  [[ $way == fetch && -n $parcel ]] || fail bad-input "What is fetched comes with its configuration, packed; nothing else does."
  for at in "${!blob_rides[@]}"; do
    [[ ${blob_rides[at]} != true ]] || (( rides += blob_size[at] )) || true
  done
  (( $(stat -c %s -- "$work/parcel") == line_bytes + $1 + rides )) || fail bad-input "The request has more or less behind its first line than that announces."
  head -c "$1" <&"$parcel" >"$work/config"
  [[ $(sha256sum <"$work/config") == "$id "* ]] || fail verify "The image's configuration is not the one announced."
  jq -cj --slurpfile request "$work/request" --arg id "sha256:$id" '
    $request[0] as {$docker, $sizes, $config}
    | (if $docker then "application/vnd.docker." else "application/vnd.oci.image." end) as $family
    | .rootfs.diff_ids | if length == ($sizes | length) then . else error("layers") end
    | {
        schemaVersion: 2,
        mediaType: ($family + if $docker then "distribution.manifest.v2+json" else "manifest.v1+json" end),
        config: {mediaType: ($family + if $docker then "container.image.v1+json" else "config.v1+json" end), size: $config, digest: $id},
        layers: [to_entries[] | {
          mediaType: ($family + if $docker then "image.rootfs.diff.tar" else "layer.v1.tar" end),
          size: $sizes[.key],
          digest: (.value | if test("\\Asha256:[0-9a-f]{64}\\z") then . else error("digest") end)
        }]
      }' "$work/config" >"$work/manifest" || fail bad-input "The image's configuration names other layers than the request."
}

# take_riders: the blobs that rode along, as if they had been fetched.
take_riders() {
  local at
  for at in "${!blob_rides[@]}"; do
    [[ ${blob_rides[at]} == true ]] || continue
    rm -f -- "$fetch/pieces/${blob_digest[at]}".*
    head -c "${blob_size[at]}" <&"$parcel" >"$fetch/pieces/${blob_digest[at]}.000000000000000"
  done
}
