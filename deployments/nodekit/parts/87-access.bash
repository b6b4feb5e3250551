# The verbs for access keys: list, add, remove. None of them can lock out who asks.

verb_access() {
  local place
  options 'user' '' '' "$@"
  account "${option[user]}"
  ask_sshd "${option[user]}"
  list_keys
  for place in "${!key_text[@]}"; do
    jq -cn --arg file "${key_file[place]#"$root"}" --arg key "${key_text[place]}" --arg options "${key_options[place]:0:300}" \
      --arg comment "${key_comment[place]:0:100}" --argjson heeded "${key_heeded[place]}" '$ARGS.named'
  done >"$work/keys.json"
  for place in "${other_ways[@]}"; do jq -cn --arg way "${place:0:300}" '$way'; done >"$work/ways.json"
  cat -- /dev/null "$kept_for_good" 2>/dev/null | head -n "$key_count_limit" | jq -cR . >"$work/kept.json" || true
  succeed --slurpfile keys "$work/keys.json" --slurpfile other_ways "$work/ways.json" --slurpfile break_glass "$work/kept.json" \
    --argjson unread "$unread"
}

# access-add: standard input is the public key. The same key twice is the same as once. What the dashboard's user may do
# with it is not for the caller to say. With --break-glass no later call removes it; nothing here undoes that.
verb_access_add() {
  local text key_note limits='' added=false
  options 'fence user' '' 'break-glass' "$@"
  take_key text
  check_strength "$text"
  signed "access-add${option[break-glass]+ --break-glass}" "$text"
  [[ ${option[user]} != ffsweb ]] || limits='restrict,port-forwarding '
  [[ -z ${option[break-glass]+set} || ${option[user]} != ffsweb ]] || fail bad-argument "A break-glass key is a person's; the dashboard's own is none."
  lock node 30
  check_fence node
  account "${option[user]}"
  ask_sshd "${option[user]}"
  list_keys
  if [[ -n ${option[break-glass]+set} ]] && ! { [[ -e $kept_for_good ]] && grep -qxF -e "$text" "$kept_for_good"; }; then
    mkdir -p -m 0755 -- "$etc"
    { cat -- /dev/null "$kept_for_good" 2>/dev/null || true; printf '%s\n' "$text"; } >"$work/kept"
    store "$kept_for_good" 0644 <"$work/kept"
    relabel "$kept_for_good"
  fi
  if ! holds "$text"; then
    append_key "$text" "$limits$text$key_note"
    added=true
    list_keys
    holds "$text" || fail verify "The key is written, but sshd does not read it there, or takes no notice of the file because others may write to it or to a directory above it. The keys from before are untouched."
  fi
  succeed --argjson added "$added"
}

# append_key TEXT LINE: to our own file, or where sshd does not look there, to the user's plain one. Not again where it stands
# already, in a file of which sshd takes no notice.
append_key() {
  local place pattern line
  for place in "$account_home/.ssh/authorized_keys.d/ffsweb" "$account_home/.ssh/authorized_keys"; do
    for pattern in "${key_patterns[@]}"; do
      # shellcheck disable=SC2053
      if [[ $place == $pattern ]]; then
        for line in "${!key_text[@]}"; do
          [[ ${key_file[line]} != "$place" || ${key_text[line]} != "$1" || ${key_counts[line]} != true ]] || return 0
        done
        # shellcheck disable=SC2016
        as_account /usr/bin/bash -pc "$rewrite"'
          mkdir -p -m 0700 -- "${1%/*}"
          begin "$1"
          [[ ! -e $1 ]] || cat -- "$1" >>"$temporary"
          [[ ! -s $temporary || -z $(tail -c 1 -- "$temporary") ]] || echo >>"$temporary"
          printf "%s\n" "$2" >>"$temporary"
          finish "$1"' keys "$place" "$2" || fail_because internal "The key could not be written to $place. The keys from before are untouched."
        return
      fi
    done
  done
  fail not-found "sshd reads neither .ssh/authorized_keys.d/ffsweb nor .ssh/authorized_keys of this user, so the key was put nowhere. Nothing was changed."
}

# A file of keys is replaced whole: sshd reads no name that begins with a dot. The directory gives its SELinux type.
# shellcheck disable=SC2016
readonly rewrite='
  set -euo pipefail
  umask 077
  begin() {
    rm -f -- "${1%/*}"/.ffs.????????
    temporary=$(mktemp "${1%/*}/.ffs.XXXXXXXX")
    trap '"'rm -f -- \"\$temporary\"'"' EXIT
  }
  finish() {
    if [[ -e $1 ]]; then
      chmod --reference="$1" -- "$temporary"
      (( EUID != 0 )) || chown --reference="$1" -- "$temporary"
    fi
    sync -- "$temporary"
    mv -fT -- "$temporary" "$1"
    sync -- "${1%/*}"
    ! command -v restorecon >/dev/null || restorecon -F -- "$1" || true
  }
'

# access-remove: standard input is the key to remove, and for the dashboard's user a second line: the key by which this
# session was logged in. Not removed are that one, a break-glass key, and the last key that sshd takes.
verb_access_remove() {
  local text mine='' key_note place others=0 found=0 session
  local -A seen=()
  options 'fence user' '' '' "$@"
  take_key text
  [[ ${option[user]} != ffsweb ]] || take_key mine
  signed access-remove "$text"
  lock node 30
  check_fence node
  account "${option[user]}"
  ask_sshd "${option[user]}"
  list_keys
  [[ ! -e $kept_for_good ]] || ! grep -qxF -e "$text" "$kept_for_good" || fail break-glass "This is a break-glass key ($kept_for_good), which ffs-node never removes. Nothing was changed."
  if [[ -n $mine ]]; then
    [[ $mine != "$text" ]] || fail own-key "A session does not remove the key by which it was logged in. Nothing was changed."
    holds "$mine" || fail own-key "sshd would not take the key that is to stay. Nothing was changed."
    printf '%s\n' "$mine" >"$work/mine.pub"
    session=$(session_key)
    [[ -z $session || $session == "$(fingerprint_of "$work/mine.pub")" ]] || fail own-key "This session was logged in with $session, which is not the key that is said to stay. Nothing was changed."
  fi
  for place in "${!key_text[@]}"; do
    if [[ ${key_text[place]} == "$text" ]]; then
      found=$(( found + 1 ))
    elif (( others == 0 )) && lets_in "$place"; then
      others=1
    fi
  done
  (( found == 0 || others > 0 )) || fail last-key "This is the last key by which ${option[user]} can log in. Nothing was changed: add another one first."
  for place in "${!key_text[@]}"; do
    if [[ ${key_text[place]} == "$text" && -z ${seen[${key_file[place]}]+set} ]]; then
      seen[${key_file[place]}]=1
      strip_key "${key_file[place]}" "$text"
    fi
  done
  list_keys
  for place in "${!key_text[@]}"; do
    [[ ${key_text[place]} != "$text" ]] || fail verify "The key is still in ${key_file[place]}, which somebody writes to at this moment. Try again."
  done
  succeed --argjson removed "$found"
}

# strip_key FILE TEXT: without the lines of this key; every other line stays as it is.
strip_key() {
  local file=$1 place owner runs=as_account
  for place in "${!key_text[@]}"; do
    [[ ${key_file[place]} != "$file" || ${key_text[place]} != "$2" ]] || printf '%s\n' "${key_raw[place]}"
  done >"$work/lines"
  owner=$(as_account stat -c %u -- "$file")
  if (( owner != account_uid )); then
    (( owner == 0 )) && roots_alone "$file" || fail not-ours "The key is in $file, which belongs to neither root nor the user. Nothing was changed there: remove its line by hand."
    runs='env'
  fi
  # Whole lines and no patterns: what somebody wrote in between stays. Status 1 of grep: no line is left.
  # shellcheck disable=SC2016
  "$runs" /usr/bin/bash -pc "$rewrite"'
    begin "$1"
    grep -avxF -f - -- "$1" >>"$temporary" || (( $? == 1 ))
    finish "$1"' keys "$file" <"$work/lines" || fail_because internal "$file could not be written. The key may still count."
}

# roots_alone FILE: no link, and nobody but root can put anything in its place.
roots_alone() {
  local path=$1 owner mode
  [[ $(realpath -e -- "$path") == "$path" ]] || return 1
  while :; do
    read -r owner mode < <(stat -c '%u %a' -- "$path") || return 1
    (( owner == 0 && (8#$mode & 8#22) == 0 )) || return 1
    [[ $path != / ]] || return 0
    path=${path%/*}
    path=${path:-/}
  done
}
