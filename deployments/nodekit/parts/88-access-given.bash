# What comes with a change of access keys: a key, a signature, and the session by which it is asked for.

# take_key VARIABLE: a line of standard input, TYPE BLOB [COMMENT]; the variable becomes TYPE BLOB, key_note the comment.
take_key() {
  local line
  local -n taken=$1
  read_line line 8192
  [[ $line =~ $given_key && ${#BASH_REMATCH[3]} -le 100 ]] || fail bad-input "Expected is one public key: its type, the key itself, and perhaps a comment, without options."
  # shellcheck disable=SC2034
  taken="${BASH_REMATCH[1]} ${BASH_REMATCH[2]}" key_note=${BASH_REMATCH[3]}
}

# check_strength TEXT: the key is one, and none that can be broken.
check_strength() {
  local bits
  printf '%s\n' "$1" >"$work/given.pub"
  bits=$(ssh-keygen -l -f "$work/given.pub" | cut -d ' ' -f 1) && [[ $bits =~ ^[0-9]+$ ]] || fail bad-input "This is no public key that OpenSSH knows. Nothing was changed."
  [[ $1 != 'ssh-dss '* ]] || fail weak-key "DSA keys are broken, and none is added. Make a new key: ssh-keygen -t ed25519"
  [[ $1 != 'ssh-rsa '* ]] || (( bits >= 3072 )) || fail weak-key "This RSA key has $bits bits; less than 3072 are not added. Make a new key: ssh-keygen -t ed25519"
}

# signed VERB TEXT: who logs in as core is root, so a change of core's keys takes a signature by a key that may sign upgrades:
# the dashboard's worker has it. It follows on standard input, in a namespace of its own, and counts for this verb, the
# node that has this host key, fence, user and key.
signed() {
  local host
  [[ ${option[user]} == core ]] || return 0
  [[ -s $etc/upgrade.signers ]] || fail not-found "This node knows no key that may sign a change of core's keys ($etc/upgrade.signers). Nothing was changed."
  host=$(fingerprint_of "$root/etc/ssh/ssh_host_ed25519_key.pub") && [[ $host == SHA256:* ]] || fail not-found "This node has no Ed25519 host key, for which a change of core's keys could be signed. Nothing was changed."
  read_input "$work/signature" 8192
  printf 'ffs-node %s\n%s\n%s\n%s\n%s\n' "$1" "$host" "${option[fence]}" "${option[user]}" "$2" >"$work/statement"
  sed 's/ namespaces="ffs-node-upgrade"/ namespaces="ffs-node-access"/' -- "$etc/upgrade.signers" >"$work/signers"
  ssh-keygen -Y verify -f "$work/signers" -I ffs-node -n ffs-node-access -s "$work/signature" <"$work/statement" >/dev/null ||
    fail verify "The signature is not one that this node trusts; nothing was changed."
}

# session_key: the fingerprint of the key by which this session was logged in, in the words of sshd's own process above
# this one; empty where the journal does not tell.
session_key() {
  local pid=$PPID line fields steps=0 said='Accepted publickey for [^ ]* from .* ssh2: [A-Z0-9-]* (SHA256:[A-Za-z0-9+/]{43})'
  while [[ -z $root ]] && (( pid > 1 && (steps += 1) < 20 )); do
    while IFS= read -r line; do
      [[ ! $line =~ ^$said ]] || { printf '%s' "${BASH_REMATCH[1]}"; return 0; }
    done < <(journalctl --quiet --no-pager --boot --output=cat --lines=20 _UID=0 "_PID=$pid" || true)
    { line=$(<"/proc/$pid/stat"); } 2>/dev/null || return 0
    read -r -a fields <<<"${line##*) }"
    pid=${fields[1]}
  done
}
