# State on disk: durable files and directories, and the room for them.

# store PATH MODE [OWNER]: standard input becomes the file, whole or not at all, also through a power cut.
store() {
  local path=$1 mode=$2 owner=${3:-} temporary
  temporary=$(mktemp "${path%/*}/.ffs.XXXXXXXX")
  made+=("$temporary")
  cat >"$temporary" && chmod "$mode" -- "$temporary" || return 1
  [[ -z $owner ]] || chown "$owner" -- "$temporary" || return 1
  sync -- "$temporary" && mv -fT -- "$temporary" "$path" && sync -- "${path%/*}"
}

# publish TEMPORARY FINAL: a finished directory gets its name.
publish() {
  sync -f -- "$1"
  mv -nT -- "$1" "$2" || true
  [[ ! -e $1 ]] || fail exists "$2 was made by someone else at the same moment; nothing was replaced."
  sync -- "${2%/*}"
}

relabel() { ! command -v restorecon >/dev/null || restorecon -RF -- "$@" || true; }

# service_directories SERVICE: what a service needs to exist; data belongs to the service's user.
service_directories() {
  local directory=$services/$1
  mkdir -p -m 0755 -- "$services" "$directory" "$directory"/{releases,certs,supervisor}
  mkdir -p -m 0700 -- "$directory/credentials"
  if [[ ! -e $directory/data ]]; then
    mkdir -m 0750 -- "$directory/data"
    chown "$service_uid:$service_uid" -- "$directory/data"
  fi
  # What a killed predecessor left. The caller holds the lock under which such names are made.
  rm -rf --one-file-system -- "$directory"/{releases,certs,supervisor,credentials}/.ffs.*
}

# free_bytes PATH
free_bytes() { df --output=avail -B1 -- "$1" | tail -n 1 | tr -d ' '; }

# need_space PATH BYTES: refuse early rather than fill the disk; 64 MiB stay free.
need_space() {
  local free
  free=$(free_bytes "$1")
  (( free >= $2 + 67108864 )) || fail disk-full \
    "The disk is too full: $2 bytes are needed and 64 MiB have to stay free, but only $free bytes are free. Nothing was changed."
}

# read_line VARIABLE BYTES: one line of standard input, of bounded length, within 60 seconds.
read_line() {
  local -n line_read=$1
  IFS= read -r -t 60 -n "$2" line_read || [[ -n $line_read ]] || fail bad-input "Standard input ended before the first line was there."
  (( ${#line_read} < $2 )) || fail bad-input "The line on standard input is longer than $2 bytes."
}

# read_input FILE BYTES: all of standard input into a file, of bounded size.
read_input() {
  head -c "$(( $2 + 1 ))" >"$1"
  (( $(stat -c %s -- "$1") <= $2 )) || fail bad-input "Standard input is larger than $2 bytes."
}
