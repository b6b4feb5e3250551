# Secrets: sealed for this machine by systemd, opened by systemd at a service's start, handed to its container on a
# tmpfs. A plaintext is only ever in a pipe: never an argument, never a file on a disk.

# Standard input: {"name":…,"value_base64":…} a line, then {"end":COUNT}. Input that was cut short looks like input
# that ended; without its last line it counts for nothing.

verb_seal() {
  local directory final line name total=0 end=''
  local -A names=()
  options 'fence service version' '' '' "$@"
  [[ ${option[version]} != none ]] || fail bad-argument "The version none means that there are no credentials."
  lock "stage-${option[service]}" 10
  check_fence "service-${option[service]}"
  service_directories "${option[service]}"
  directory=$services/${option[service]}/credentials
  final=$directory/${option[version]}
  incoming=$(mktemp -d "$directory/.ffs.XXXXXXXX")
  made+=("$incoming")
  while IFS= read -r -t 60 -n 131072 line || [[ -n $line ]]; do
    [[ -z $end ]] || fail bad-input "There is something after the last line of the credentials."
    if [[ $line =~ ^\{\"end\":([0-9]{1,4})\}$ ]]; then
      end=${BASH_REMATCH[1]}
      continue
    fi
    (( ${#line} < 131072 )) || fail bad-input "A credential is larger than 96 KiB."
    (( (total += ${#line}) <= 1000000 )) || fail bad-input "The credentials together are larger than what systemd takes (about 700 KiB)."
    name=$(request_field "$line" name)
    [[ $name =~ ^$credential_pattern$ ]] || fail bad-input "A credential has a name that is not allowed."
    [[ -z ${names[$name]+set} ]] || fail bad-input "The credential $name was given twice."
    names[$name]=1
    printf '%s' "$line" | jq -e '(.value_base64 | type) == "string" and (.value_base64 | test("^[A-Za-z0-9+/]*={0,2}$"))' >/dev/null ||
      fail bad-input "The value of $name is not base64."
    printf '%s' "$line" | jq -rj .value_base64 | base64 -d |
      systemd-creds encrypt --with-key=host --name="$name" - "$incoming/$name.cred" ||
      fail_because systemd "The credential $name could not be sealed; nothing was changed."
    cmp -s <(printf '%s' "$line" | jq -rj .value_base64 | base64 -d) <(systemd-creds decrypt --name="$name" "$incoming/$name.cred" -) ||
      fail verify "The credential $name cannot be opened again after sealing; nothing was changed."
  done
  [[ $end == "${#names[@]}" ]] || fail bad-input "The credentials ended early; nothing was changed."
  (( end == 0 )) || chmod 0400 -- "$incoming"/*.cred
  if [[ -e $final ]]; then
    same_credentials "$final" "$incoming" && succeed --argjson credentials "${#names[@]}" --argjson already true
    # The machine's key was replaced: what was sealed under the old one is lost and gives way to the new.
    mv -T -- "$final" "$directory/.ffs.old"
    made+=("$directory/.ffs.old")
  fi
  publish "$incoming" "$final"
  succeed --argjson credentials "${#names[@]}" --argjson already false
}

# same_credentials OLD NEW: every one opens, with the same value. Other values under the same version are refused.
same_credentials() {
  local file name
  for file in "$1"/*.cred "$2"/*.cred; do
    name=${file##*/}
    [[ -e $1/$name && -e $2/$name ]] || fail exists "The version ${option[version]} is here with other credentials. A version never changes; use a new one."
    name=${name%.cred}
    systemd-creds decrypt --name="$name" "$1/$name.cred" - >/dev/null || return 1
    cmp -s <(systemd-creds decrypt --name="$name" "$1/$name.cred" -) <(systemd-creds decrypt --name="$name" "$2/$name.cred" -) ||
      fail exists "The version ${option[version]} is here with another value of $name. A version never changes; use a new one."
  done
}

# handover SERVICE: run by the service's unit before its container. Reads the unit's own credentials, wherever it is called from.
verb_handover() {
  local service source target file name
  (( $# == 1 )) && [[ $1 =~ ^$service_pattern$ ]] || fail bad-argument "handover takes the name of a service."
  service=$1
  usable_service "$service"
  source=$root/run/credentials/ffs-$service.service target=$runtime/$service
  [[ -d $target && ! -L $target ]] || fail not-found "$target is missing: the unit makes it by RuntimeDirectory=."
  for file in "$target"/env.* "$target"/cert_pass; do
    [[ -e $source/${file##*/} ]] || rm -f -- "$file"
  done
  for file in "$source"/*; do
    name=${file##*/}
    [[ $name =~ ^$credential_pattern$ ]] || continue
    install -m 0400 -o "$service_uid" -g "$service_uid" -T -- "$file" "$target/.$name"
    mv -fT -- "$target/.$name" "$target/$name"
  done
  succeed
}
