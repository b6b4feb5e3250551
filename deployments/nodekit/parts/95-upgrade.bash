# Upgrade: a new ffs-node counts only if a key that this node knows has signed it. Standard input:
# {"script":"base64","signature":"the text of ssh-keygen -Y sign -n ffs-node-upgrade"}. Older versions are refused.

verb_upgrade() {
  local new_version new_protocol temporary
  options 'fence' '' '' "$@"
  [[ -s $etc/upgrade.signers ]] || fail not-found "This node knows no key for upgrades ($etc/upgrade.signers)."
  read_input "$work/request" 2097152
  jq -e 'type == "object" and keys == ["script", "signature"] and all(.[]; type == "string")' "$work/request" >/dev/null ||
    fail bad-input "Expected are a script and its signature."
  jq -rj .signature "$work/request" >"$work/signature"
  jq -rj .script "$work/request" | base64 -d >"$work/script" || fail bad-input "The script is not base64."
  ssh-keygen -Y verify -f "$etc/upgrade.signers" -I ffs-node -n ffs-node-upgrade -s "$work/signature" <"$work/script" >/dev/null ||
    fail verify "The signature is not one that this node trusts; nothing was changed."
  bash -n "$work/script" || fail verify "The script is not valid; nothing was changed."
  new_version=$(sed -n 's/^readonly version=\([0-9][0-9.]*\)$/\1/p' "$work/script" | head -n 1)
  new_protocol=$(sed -n 's/^readonly protocol=\([0-9]\{1,4\}\)$/\1/p' "$work/script" | head -n 1)
  [[ -n $new_version && -n $new_protocol ]] || fail verify "The script carries no version; nothing was changed."
  [[ $(printf '%s\n' "$version" "$new_version" | sort -V | tail -n 1) == "$new_version" ]] ||
    fail stale "Version $new_version is older than $version, which runs here; nothing was changed."
  [[ $new_version != "$version" ]] || (( new_protocol >= protocol )) ||
    fail stale "Version $new_version speaks protocol $new_protocol, which is older than $protocol, which is spoken here; nothing was changed."
  lock node 30
  check_fence node
  temporary=$program.ffs-new
  made+=("$temporary")
  store "$temporary" 0755 <"$work/script"
  relabel "$temporary"
  [[ $("$temporary" version </dev/null) == *'"ok":true'* ]] || fail verify "The new program does not run here; nothing was changed."
  mv -fT -- "$temporary" "$program"
  sync -- "${program%/*}"
  succeed --arg version "$new_version" --argjson protocol "$new_protocol" --arg program_sha256 "$(sha256sum -- "$program" | cut -c 1-64)"
}

verb_version() {
  options '' '' '' "$@"
  succeed --argjson protocol "$protocol" --arg version "$version"
}
