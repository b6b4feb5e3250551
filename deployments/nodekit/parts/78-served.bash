# Which certificate does a service serve, seen from its own node? A TLS handshake with a port that it publishes.
# Nothing is changed, no lock is held. What answers is anyone: it is verified by nothing, little of it is read, and of
# that only the certificate's fingerprint and end are repeated.

readonly served_seconds=5
readonly served_bytes=262144

# The first of the ports that speaks TLS counts; of the others it is said why they do not.
verb_served() {
  local port ports=() file shown='' end said=''
  options 'service ports' 'name' '' "$@"
  file=$quadlets/ffs-${option[service]}.container
  [[ -f $file ]] || fail not-found "There is no service ${option[service]} on this node."
  IFS=, read -r -a ports <<<"${option[ports]}"
  for port in "${ports[@]}"; do
    if grep -qE "^PublishPort=$port:[0-9]+/tcp\$" "$file"; then
      shake_hands "$port" "${option[name]-}"
    else
      said+="${said:+; }port $port is not published by its unit"
    fi
    [[ -z $shown ]] || break
  done
  [[ -n $shown ]] || succeed --argjson port 0 --arg fingerprint '' --argjson not_after null --arg said "${said:0:500}"
  # A time that no date takes is an end that is not known.
  end=$(openssl x509 -in "$work/hello" -noout -enddate) || end='notAfter=unknown'
  end=$(date -u -d "${end#notAfter=}" +%s) || end=''
  [[ $end =~ ^[0-9]{1,12}$ ]] || end=null
  succeed --argjson port "$port" --arg fingerprint "$shown" --argjson not_after "$end" --arg said ''
}

# shake_hands PORT NAME: sets `shown`, or adds to `said` why nothing was. A certificate counts if the peer has its key: s_client
# prints it before that is known, and a cipher too. With -state it says on standard error that the peer's end of the
# handshake was read, which is after that.
shake_hands() {
  local asked=(-noservername) status=0
  [[ -z $2 ]] || asked=(-servername "$2")
  rm -f -- "$work/shook"
  {
    {
      timeout --kill-after=1 "$served_seconds" openssl s_client -state -connect "127.0.0.1:$1" "${asked[@]}" </dev/null 2>&3 ||
        printf '%s' "$?" >"$work/shook"
    } | head -c "$served_bytes" >"$work/hello"
  } 3>&1 | head -c "$served_bytes" >"$work/steps"
  [[ ! -s $work/shook ]] || status=$(<"$work/shook")
  shown=$(openssl x509 -in "$work/hello" -noout -fingerprint -sha256 | tr -d : | tr A-F a-f) || shown=''
  shown=${shown##*=}
  if [[ $shown =~ ^$hex64$ ]]; then
    (( status != 0 )) && ! grep -qa '^SSL_connect:.*read finished' "$work/steps" || return 0
    shown='' said+="${said:+; }port $1 showed a certificate, but the handshake did not end well"
    return 0
  fi
  shown=''
  said+="${said:+; }port $1 "
  if (( status == 124 || status == 137 )); then # timeout(1)
    said+="gave no answer within $served_seconds s"
  elif ! grep -qa '^CONNECTED' "$work/hello"; then
    said+='took no connection'
  else
    said+='did not speak TLS'
  fi
}
