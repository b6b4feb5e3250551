# Certificates and the supervisor's file.

verb_stage_certificate() {
  local directory final fingerprint
  options 'fence service fingerprint' '' '' "$@"
  fingerprint=${option[fingerprint]%%-*}
  read_input "$work/request" 400000
  jq -e 'type == "object" and keys == ["chain", "key_enc"] and all(.[]; type == "string")
    and (.key_enc | test("^[A-Za-z0-9+/]+={0,2}$"))
    and (.chain | test("^(-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n){1,10}$"))' "$work/request" >/dev/null ||
    fail bad-input "Expected are a chain of 1 to 10 PEM certificates and the encrypted key in base64."
  jq -rj .chain "$work/request" >"$work/server.crt"
  jq -rj .key_enc "$work/request" | base64 -d >"$work/server.key.enc"
  [[ $(head -c 8 "$work/server.key.enc") == Salted__ ]] || fail bad-input "The key is not in the form of openssl enc."
  [[ $(openssl x509 -in "$work/server.crt" -noout -fingerprint -sha256 | tr -d ':' | tr 'A-F' 'a-f') == *"=$fingerprint" ]] ||
    fail verify "The first certificate is not the one that was named."
  lock "stage-${option[service]}" 10
  check_fence "service-${option[service]}"
  service_directories "${option[service]}"
  directory=$services/${option[service]}/certs
  final=$directory/${option[fingerprint]}
  # Encrypting the same key again gives other bytes, so only the chain is compared; verify-certificate tells whether the passphrase fits.
  if [[ -e $final ]]; then
    cmp -s "$work/server.crt" "$final/server.crt" || fail exists "The certificate is here with another chain. Stage it under FINGERPRINT-SUFFIX."
    succeed --argjson already true
  fi
  incoming=$(mktemp -d "$directory/.ffs.XXXXXXXX")
  made+=("$incoming")
  install -m 0444 -T -- "$work/server.crt" "$incoming/server.crt"
  install -m 0440 -o root -g "$service_uid" -T -- "$work/server.key.enc" "$incoming/server.key.enc"
  chmod 0555 -- "$incoming"
  publish "$incoming" "$final"
  succeed --argjson already false
}

# The one answer for every way to fail, so that it tells nothing about the passphrase.
verb_verify_certificate() {
  local certificate credential wanted found
  options 'service fingerprint version' '' '' "$@"
  certificate=$services/${option[service]}/certs/${option[fingerprint]}
  credential=$services/${option[service]}/credentials/${option[version]}/cert_pass.cred
  [[ -e $certificate/server.key.enc ]] || fail not-found "The certificate is not on this node."
  [[ -e $credential ]] || fail not-found "The passphrase (cert_pass) is not among the credentials of this version."
  wanted=$(openssl x509 -in "$certificate/server.crt" -noout -pubkey)
  found=$(openssl enc -d -aes-256-cbc -pbkdf2 -in "$certificate/server.key.enc" -pass fd:3 3< <(systemd-creds decrypt --name=cert_pass "$credential" -) |
    openssl pkey -pubout) || found=''
  [[ -n $found && $found == "$wanted" ]] || fail verify "The passphrase does not open the key, or the key is not the certificate's."
  succeed
}

verb_stage_supervisor() {
  local directory
  options 'fence service sha256' '' '' "$@"
  read_input "$work/supervisor" 524288
  [[ $(sha256sum "$work/supervisor" | cut -c 1-64) == "${option[sha256]}" ]] || fail verify "The file's SHA-256 is not the one announced."
  lock "stage-${option[service]}" 10
  check_fence "service-${option[service]}"
  service_directories "${option[service]}"
  directory=$services/${option[service]}/supervisor
  store "$directory/${option[sha256]}.py" 0444 <"$work/supervisor"
  succeed
}
