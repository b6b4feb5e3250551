# The keys by which people and the dashboard log in. sshd is asked which files it reads. A user's files are read and
# written as that user: a link that the user laid there leads nowhere that the user could not go anyway.

readonly key_types='ssh-ed25519|ssh-rsa|ssh-dss|ecdsa-sha2-nistp256|ecdsa-sha2-nistp384|ecdsa-sha2-nistp521|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com'
# sshd(8), AUTHORIZED_KEYS FILE FORMAT: options, in which quotes hold spaces, type, key, comment. As sshd has it, a backslash
# escapes a quote and nothing else.
readonly quoted='"([^"\\]|\\+[^\\])*"'
readonly key_line="^[[:blank:]]*((([^[:blank:]\"\\\\]|\\\\+[^[:blank:]\\\\]|$quoted)+\\\\*|\\\\+)[[:blank:]]+)?($key_types)[[:blank:]]+([A-Za-z0-9+/]+={0,2})([[:blank:]]+(.*))?\$"
readonly key_option="^([A-Za-z0-9-]+)(=($quoted))?(,|\$)"
readonly given_key="^($key_types) ([A-Za-z0-9+/]+={0,2})( [A-Za-z0-9@._+:-][A-Za-z0-9 @._+:-]*)?\$"
readonly kept_for_good=$etc/break-glass
readonly key_files_limit=100 key_bytes_limit=262144 key_count_limit=1000

# account USER: sets account_uid, account_gid and account_home.
account() {
  local line fields
  if [[ -z $root ]]; then line=$(getent passwd -- "$1" || true); else line=$(grep -m 1 "^$1:" "$root/etc/passwd" || true); fi
  IFS=: read -r -a fields <<<"$line"
  [[ ${fields[2]-} =~ ^[0-9]+$ && ${fields[3]-} =~ ^[0-9]+$ && ${fields[5]-} == /* ]] || fail not-found "There is no user $1 on this node."
  account_uid=${fields[2]} account_gid=${fields[3]} account_home=${fields[5]}
}

as_account() {
  if (( EUID == account_uid )); then
    "$@"
  else
    setpriv --reuid="$account_uid" --regid="$account_gid" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
  fi
}

# ask_sshd USER: sets key_patterns, where sshd looks for this user's keys, and other_ways, by which keys count unseen.
ask_sshd() {
  local name value pattern
  local -a words=()
  key_patterns=() other_ways=()
  sshd -T ${root:+-f "$root/etc/ssh/sshd_config"} -C "user=$1,host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22" >"$work/sshd" ||
    fail_because verify "sshd did not say which keys it reads. Nothing was changed."
  while read -r name value; do
    case $name in
      authorizedkeysfile) IFS=' ' read -r -a words <<<"$value" ;;
      # What Fedora CoreOS had before OpenSSH 10: it prints every file of that directory.
      authorizedkeyscommand)
        if [[ $value == */ssh-key-dir* ]]; then
          key_patterns+=("$account_home/.ssh/authorized_keys.d/*")
        elif [[ $value != none ]]; then
          other_ways+=("AuthorizedKeysCommand $value")
        fi ;;
      trustedusercakeys) [[ $value == none ]] || other_ways+=("TrustedUserCAKeys $value") ;;
    esac
  done <"$work/sshd"
  for pattern in "${words[@]}"; do
    [[ $pattern != none ]] || continue
    pattern=${pattern//%%/$'\1'}
    pattern=${pattern//%h/$account_home} pattern=${pattern//%u/$1} pattern=${pattern//%U/$account_uid}
    pattern=${pattern//$'\1'/%}
    [[ $pattern == /* ]] || pattern=$account_home/$pattern
    key_patterns+=("$pattern")
  done
}

# list_keys: sets key_file, key_raw, key_text (TYPE BLOB), key_options, key_comment, key_counts (the line itself lets the key in)
# and key_heeded (it does, and sshd takes notice of its file), one entry a key, and unread: lines that are neither empty
# nor a comment nor a key.
list_keys() {
  local file line heeded counts
  local -a files=()
  key_file=() key_raw=() key_text=() key_options=() key_comment=() key_counts=() key_heeded=() unread=0
  # shellcheck disable=SC2016
  mapfile -d '' -t files < <(as_account /usr/bin/bash -pc \
    'shopt -s nullglob; IFS=; for pattern; do for file in $pattern; do [[ ! -f $file ]] || printf "%s\0" "$file"; done; done' \
    keys "${key_patterns[@]}" | sort -zu)
  (( ${#files[@]} <= key_files_limit )) || fail bad-input "sshd reads more than $key_files_limit files of keys for this user. Nothing was changed."
  for file in "${files[@]}"; do
    # One that changed into a pipe meanwhile is not waited for.
    as_account timeout 5 head -c "$(( key_bytes_limit + 1 ))" -- "$file" >"$work/keys" || : >"$work/keys"
    (( $(stat -c %s -- "$work/keys") <= key_bytes_limit )) || fail bad-input "$file is larger than $key_bytes_limit bytes. Nothing was changed."
    heeded=true
    sshd_heeds "$file" || heeded=false
    while IFS= read -r line || [[ -n $line ]]; do
      [[ ! $line =~ ^[[:space:]]*(#.*)?$ ]] || continue
      if [[ ${line%$'\r'} =~ $key_line ]]; then
        key_file+=("$file") key_raw+=("$line") key_text+=("${BASH_REMATCH[5]} ${BASH_REMATCH[6]}")
        key_options+=("${BASH_REMATCH[2]}") key_comment+=("${BASH_REMATCH[8]}")
        counts=true
        line_counts "${key_options[-1]}" "${key_text[-1]}" || counts=false
        key_counts+=("$counts")
        [[ $heeded == false ]] || key_heeded+=("$counts")
        [[ $heeded == true ]] || key_heeded+=(false)
      else
        unread=$(( unread + 1 ))
      fi
    done < <(tr -d '\0' <"$work/keys")
  done
  (( ${#key_text[@]} <= key_count_limit )) || fail bad-input "There are more than $key_count_limit keys for this user. Nothing was changed."
}

# line_counts OPTIONS TEXT: whether this line lets its key in: not if it is an authority's, or has expired, or is DSA.
line_counts() {
  local left=$1 name value
  [[ $2 != 'ssh-dss '* ]] || return 1
  while [[ -n $left ]]; do
    [[ $left =~ $key_option ]] || return 1
    name=${BASH_REMATCH[1],,} value=${BASH_REMATCH[3]}
    left=${left:${#BASH_REMATCH[0]}}
    [[ $name != cert-authority ]] || return 1
    [[ $name != expiry-time ]] || lasts "$value" || return 1
  done
}

# lasts TIME: one of sshd's, in quotes, is not over yet.
lasts() {
  local time
  [[ $1 =~ ^\"([0-9]{8})(([0-9]{2})([0-9]{2})([0-9]{2})?)?(Z?)\"$ ]] || return 1
  time="${BASH_REMATCH[1]} ${BASH_REMATCH[3]:-00}:${BASH_REMATCH[4]:-00}:${BASH_REMATCH[5]:-00}${BASH_REMATCH[6]:+ UTC}"
  time=$(date -d "$time" +%s) && (( time > $(date +%s) ))
}

# lets_in PLACE: whether somebody who has this key gets a shell by it.
lets_in() {
  local type=${key_text[$1]%% *} bits least accepted
  [[ ${key_heeded[$1]} == true && ! ,${key_options[$1],,} =~ ,command= ]] || return 1
  accepted=,$(sed -n 's/^pubkeyaccepted[a-z]* //p' "$work/sshd"),
  [[ $accepted == ,, || $accepted == *",$type,"* || ( $type == ssh-rsa && $accepted == *,rsa-sha2-* ) ]] || return 1
  printf '%s\n' "${key_text[$1]}" >"$work/one.pub"
  bits=$(ssh-keygen -l -f "$work/one.pub" | cut -d ' ' -f 1) && [[ $bits =~ ^[0-9]+$ ]] || return 1
  least=$(sed -n 's/^requiredrsasize //p' "$work/sshd")
  [[ $type != ssh-rsa ]] || (( bits >= 2048 && bits >= ${least:-0} ))
}

# sshd_heeds FILE: as StrictModes has it: the file and the directories above it, up to the home, belong to the user or to
# root, and nobody else may write there.
sshd_heeds() {
  local path owner mode
  grep -q '^strictmodes yes$' "$work/sshd" || return 0
  path=$(as_account realpath -e -- "$1") || return 1
  while :; do
    read -r owner mode < <(as_account stat -c '%u %a' -- "$path") || return 1
    (( owner == 0 || owner == account_uid )) && (( (8#$mode & 8#22) == 0 )) || return 1
    [[ $path != / && $path != "$(as_account realpath -e -- "$account_home")" ]] || return 0
    path=${path%/*}
    path=${path:-/}
  done
}

# holds TEXT: whether sshd would take this key.
holds() {
  local place
  for place in "${!key_text[@]}"; do
    [[ ${key_text[place]} != "$1" || ${key_heeded[place]} != true ]] || return 0
  done
  return 1
}
