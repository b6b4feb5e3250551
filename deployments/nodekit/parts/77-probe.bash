# Is a service well? One question of the gate: an address that the service publishes, or a command in its container.
# Nothing is changed, no lock is held. What answers is anyone: little of it is read, and of that only what is printable.

readonly probe_seconds=5
readonly probe_command_seconds=10
readonly probe_bytes=300

verb_probe() {
  options 'service kind' 'port path' '' "$@"
  case ${option[kind]} in
    command)
      [[ -z ${option[port]+set}${option[path]+set} ]] || fail bad-argument "A command has neither port nor path."
      probe_command "${option[service]}" ;;
    tcp)
      [[ -n ${option[port]+set} && -z ${option[path]+set} ]] || fail bad-argument "A connection by TCP has a port and no path."
      probe_published "${option[service]}" "${option[port]}"
      probe_tcp "${option[port]}" ;;
    *)
      [[ -n ${option[port]+set} && -n ${option[path]+set} ]] || fail bad-argument "An address has a port and a path."
      probe_published "${option[service]}" "${option[port]}"
      probe_http "${option[kind]}" "${option[port]}" "${option[path]}" ;;
  esac
}

# probed GOOD TEXT: the answer; what the text has of somebody else's is made printable.
probed() {
  local said
  said=$(head -c "$probe_bytes" <<<"$2" | tr -c '[:print:]' ' ')
  succeed --argjson good "$1" --arg said "${said%% }"
}

# probe_published SERVICE PORT: no other port of this machine is asked.
probe_published() {
  local file=$quadlets/ffs-$1.container
  [[ -f $file ]] || fail not-found "There is no service $1 on this node."
  grep -qE "^PublishPort=$2:[0-9]+/tcp\$" "$file" || fail bad-argument "The service $1 does not publish TCP port $2."
}

# probe_tcp PORT: bash connects by itself, in a process that can be ended.
probe_tcp() {
  local connecting waiting first='' status=0
  (
    trap - ERR EXIT HUP INT TERM
    exec 3<>"/dev/tcp/127.0.0.1/$1"
  ) &
  connecting=$!
  sleep "$probe_seconds" &
  waiting=$!
  helpers[$connecting]=1 helpers[$waiting]=1
  wait -n -p first "$connecting" "$waiting" || status=$?
  [[ $first == "$connecting" ]] || probed false "took no connection within $probe_seconds s"
  (( status == 0 )) || probed false "took no connection"
  probed true "took the connection"
}

# probe_http SCHEME PORT PATH: the status counts. No more than the beginning of the answer is read.
probe_http() {
  local status=0 found
  command -v curl >/dev/null || fail not-found "There is no curl on this node, so it cannot ask by $1. Use tcp:// or ask from the dashboard."
  {
    curl -q --silent --show-error --include --insecure --http1.1 --globoff --path-as-is --noproxy '*' --proto '=http,https' \
      --max-time "$probe_seconds" --user-agent ffs-probe --header 'Connection: close' --url "$1://127.0.0.1:$2$3" </dev/null ||
      printf '%s' "$?" >"$work/curl"
  } | head -c 4096 >"$work/answer"
  found=$(grep -aoE -m 1 '^HTTP/[0-9.]+ [0-9]{3}' "$work/answer") || found=''
  found=${found##* }
  [[ -z $found ]] || probed "$([[ $found == [23]* ]] && echo true || echo false)" "answered $found"
  [[ ! -s $work/curl ]] || status=$(<"$work/curl")
  # curl(1), EXIT CODES.
  case $status in
    0 | 1 | 8) probed false 'answered something that is not HTTP' ;;
    7) probed false 'took no connection' ;;
    28) probed false "gave no answer within $probe_seconds s" ;;
    35) probed false 'did not speak TLS' ;;
    52 | 56) probed false 'closed the connection without an answer' ;;
    *) probed false "could not be asked (curl ended with status $status)" ;;
  esac
}

# probe_command SERVICE: the words come as a JSON array on standard input. They are run as the container's own user, with
# nothing to read. podman leaves a command behind when its own end is waited for no longer: it is found by a variable of
# its environment, and killed.
probe_command() {
  local words=() mark=${work##*/} status=0 text begun=$SECONDS
  read_input "$work/request" 16384
  jq -es 'length == 1 and (.[0] | type == "array" and length >= 1 and length <= 32
    and all(.[]; type == "string" and length <= 256 and (test("[^ -~]") | not))
    and (.[0] | length >= 1 and (startswith("-") | not)))' "$work/request" >/dev/null ||
    fail bad-input "Expected are the words of a command as a JSON array."
  mapfile -t words < <(jq -r '.[]' "$work/request")
  [[ $(podman container inspect --format '{{.State.Running}}' -- "ffs-$1" || true) == true ]] || fail not-found "No container of $1 is running."
  {
    timeout --kill-after=2 "$probe_command_seconds" podman exec --env "FFS_PROBE=$mark" -- "ffs-$1" "${words[@]}" </dev/null ||
      printf '%s' "$?" >"$work/ended"
  } 2>&1 | { head -c "$probe_bytes" && timeout "$probe_command_seconds" cat >/dev/null; } >"$work/answer" || true
  [[ ! -s $work/ended ]] || status=$(<"$work/ended")
  text=$(tr -s -c '[:graph:]' ' ' <"$work/answer")
  text=${text# } text=${text% }
  if (( status == 0 )); then
    probed true "ended with status 0"
  elif (( status == 124 || (status == 137 && SECONDS - begun >= probe_command_seconds) )); then # timeout(1)
    end_probe "$mark"
    probed false "did not end within $probe_command_seconds s"
  else
    probed false "ended with status $status${text:+: $text}"
  fi
}

# end_probe MARK: what is left of a command that took too long.
end_probe() {
  local path pid
  while IFS= read -r path; do
    pid=${path#/proc/}
    kill -s KILL -- "${pid%/environ}" || true
  done < <(grep -lzxF -- "FFS_PROBE=$1" /proc/[0-9]*/environ || true)
}
