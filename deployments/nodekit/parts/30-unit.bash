# The unit file, line by line: what is not on this list does not run. A service may mount its own directories only, has
# no capability but one, no host namespace, no free podman argument and no command of its own on the host.

readonly name_pattern='[A-Za-z_][A-Za-z0-9_]{0,127}'
# systemd and Quadlet expand $ and %, so they come doubled; a word is bare or in double quotes; no lone semicolon.
readonly bare_character='[]A-Za-z0-9_@+=:,./~^?&*#!(){}<>|[-]|[$][$]|%%'
readonly quoted_character='[^"\\$%]|\\[\\"nt]|[$][$]|%%'
readonly word="(($bare_character)+|\"($quoted_character)+\")"
readonly plain_text='([^\\%]|%%)*'
readonly seconds='[0-9]{1,5}'

declare -A allowed=()
declare -rA repeatable=([Container.PublishPort]=1 [Container.Environment]=1 [Container.Volume]=1 [Service.LoadCredentialEncrypted]=1)
readonly needed_lines='Unit.ConditionPathExists Unit.After Container.ContainerName Container.Image Container.Pull
  Container.User Container.Group Container.ReadOnly Container.DropCapability Container.NoNewPrivileges X-FFS.Project
  X-FFS.Service X-FFS.Release X-FFS.ImageId X-FFS.Certificate X-FFS.Credentials X-FFS.Operation'

allowed_lines() {
  local s=$1 base=/var/lib/ffs/$1
  allowed=(
    [Unit.Description]="$plain_text"
    [Unit.Documentation]='https?://[A-Za-z0-9._~:/?#@!&()*+,;=-]{1,500}'
    [Unit.ConditionPathExists]="$base/deployed"
    [Unit.StartLimitIntervalSec]='0'
    [Unit.Wants]='network-online\.target'
    [Unit.After]='network-online\.target ffs-firewall\.service ffs-restore\.service'
    [Container.ContainerName]="ffs-$s"
    [Container.Image]="ffs\.internal/$project_pattern:sha256-$hex64"
    [Container.Pull]='never'
    [Container.Notify]='true|healthy'
    [Container.HealthOnFailure]='kill'
    [Container.User]="$service_uid"
    [Container.Group]="$service_uid"
    [Container.ReadOnly]='true'
    [Container.DropCapability]='all'
    [Container.AddCapability]='NET_BIND_SERVICE'
    [Container.NoNewPrivileges]='true'
    [Container.PublishPort]='[1-9][0-9]{0,4}:[1-9][0-9]{0,4}/(tcp|udp)'
    [Container.Environment]="$name_pattern=($bare_character)*|\"$name_pattern=($quoted_character)*\""
    [Container.Volume]="$base/releases/$release_pattern:/ffs/files:ro,z|$base/certs/$certificate_pattern:/ffs/certs:ro,z|$base/data:/ffs/data:rw,z|/run/ffs/$s:/run/ffs:ro,z|$base/supervisor/$hex64\.py:/ffs/supervisor\.py:ro,z"
    [Container.Mount]='type=tmpfs,destination=/tmp/secrets,tmpfs-size=1048576,tmpfs-mode=0700,U=true,notmpcopyup'
    [Container.Entrypoint]='/[A-Za-z0-9._/+-]{1,200}'
    [Container.Exec]="-I -S /ffs/supervisor\.py --sd-notify --start-timeout [1-9][0-9]{0,4}( --probe $word)? --( $word){0,200}"
    [Container.LogDriver]='journald'
    [Container.StopTimeout]="$seconds"
    [Service.LoadCredentialEncrypted]="$credential_pattern:$base/credentials/$version_pattern/$credential_pattern\.cred"
    [Service.RuntimeDirectory]="ffs/$s"
    [Service.RuntimeDirectoryMode]='0755'
    [Service.ExecStartPre]="/usr/local/bin/ffs-node handover $s"
    [Service.Restart]='on-failure'
    [Service.RestartSec]="$seconds"
    [Service.RestartSteps]='[0-9]{1,3}'
    [Service.RestartMaxDelaySec]="$seconds"
    [Service.WatchdogSec]="$seconds"
    [Service.WatchdogSignal]='SIGTERM'
    [Service.TimeoutStartSec]="$seconds"
    [Service.TimeoutStopSec]="$seconds"
    [Service.LimitCORE]='0'
    [Install.WantedBy]='multi-user\.target'
    [X-FFS.Project]="$project_pattern"
    [X-FFS.Service]="$s"
    [X-FFS.Release]="$release_pattern"
    [X-FFS.ImageId]="sha256:$hex64"
    [X-FFS.Certificate]="none|$certificate_pattern"
    [X-FFS.Credentials]="none|$version_pattern"
    [X-FFS.Operation]="$operation_pattern"
  )
}

declare -A unit=() # the checked unit: Section.Key to its value (the last of a repeatable one)
unit_volumes=()    # host paths mounted
unit_credentials=()

refuse_line() { fail bad-unit "Line $1 of the unit is refused: $2"; }

# check_unit SERVICE FILE: ends the program at the first line refused; fills unit, unit_volumes and unit_credentials.
check_unit() {
  local service=$1 file=$2 line number=0 section='' key value name
  local -A sections=()
  allowed_lines "$service"
  (( $(stat -c %s -- "$file") <= 262144 )) || fail bad-unit "The unit is larger than 256 KiB."
  (( $(tr -cd '\000-\011\013-\037\177' <"$file" | wc -c) == 0 )) || fail bad-unit "The unit holds control characters."
  jq -Rse 'test("[\ufffd\u0080-\u009f\u2028\u2029\ufeff]") | not' "$file" >"$work/unit-text" || fail bad-unit "The unit is not clean UTF-8 text."
  while IFS= read -r line || [[ -n $line ]]; do
    number=$(( number + 1 ))
    (( ${#line} <= 32768 )) || refuse_line "$number" "it is longer than 32 KiB."
    [[ $line != *\\ ]] || refuse_line "$number" "a line may not go on in the next one."
    if [[ -z $line || $line == '#'* ]]; then
      continue
    elif [[ $line =~ ^\[(Unit|Container|Service|Install|X-FFS)\]$ ]]; then
      section=${BASH_REMATCH[1]}
      [[ -z ${sections[$section]+set} ]] || refuse_line "$number" "the section [$section] occurs twice."
      sections[$section]=1
    elif [[ $line =~ ^([A-Za-z]+)=(.*)$ ]]; then
      key=$section.${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
      [[ -n ${allowed[$key]+set} ]] || refuse_line "$number" "$key is not on the list of what a service may say."
      [[ -z ${unit[$key]+set} || -n ${repeatable[$key]+set} ]] || refuse_line "$number" "$key occurs twice."
      [[ $value =~ ^(${allowed[$key]})$ ]] || refuse_line "$number" "this value of $key is not allowed."
      unit[$key]=$value
      check_unit_value "$number" "$key" "$value"
    else
      refuse_line "$number" "it is no section and no setting."
    fi
  done <"$file"
  for name in $needed_lines; do
    [[ -n ${unit[$name]+set} ]] || fail bad-unit "The unit lacks $name."
  done
  check_unit_agrees
}

# What a pattern alone cannot say of one line.
check_unit_value() {
  local number=$1 key=$2 value=$3 port
  case $key in
    Container.PublishPort)
      port=${value#*:}
      (( ${value%%:*} <= 65535 && ${port%%/*} <= 65535 )) || refuse_line "$number" "a port is above 65535." ;;
    Container.Volume) unit_volumes+=("${value%%:*}") ;;
    Service.LoadCredentialEncrypted)
      [[ $value == "${value%%:*}":*/"${value%%:*}.cred" ]] || refuse_line "$number" "a credential is loaded under another name."
      unit_credentials+=("${value#*:}") ;;
    Container.Exec)
      [[ $value$' ' != *' ";" '* && $value != *'  '* ]] || refuse_line "$number" "a semicolon may not stand alone." ;;
  esac
}

# What is said twice has to be the same: [X-FFS] is what the facts report.
check_unit_agrees() {
  local path release='' certificate=none supervisor=''
  [[ ${unit[Container.Image]} == "ffs.internal/${unit[X-FFS.Project]}:${unit[X-FFS.ImageId]/:/-}" ]] ||
    fail bad-unit "Image= and [X-FFS] name different images."
  for path in "${unit_volumes[@]}"; do
    case $path in
      */releases/*) release=${path##*/} ;;
      */certs/*) certificate=${path##*/} ;;
      */supervisor/*) supervisor=${path##*/} ;;
      /run/ffs/*)
        [[ -n ${unit[Service.RuntimeDirectory]+set} && -n ${unit[Service.RuntimeDirectoryMode]+set} ]] ||
          fail bad-unit "The credentials' directory is mounted but RuntimeDirectory= and its mode are missing." ;;
    esac
  done
  [[ $(printf '%s\n' "${unit_volumes[@]}" | sed 's|/[^/]*$||' | sort | uniq -d | wc -l) == 0 ]] ||
    fail bad-unit "A directory is mounted twice."
  [[ -z $release || $release == "${unit[X-FFS.Release]}" ]] || fail bad-unit "The files mounted and [X-FFS] are of different releases."
  [[ $certificate == "${unit[X-FFS.Certificate]}" ]] || fail bad-unit "The certificate mounted is not the one in [X-FFS]."
  if [[ -n ${unit[Container.Exec]+set} || -n ${unit[Container.Entrypoint]+set} ]]; then
    [[ -n $supervisor && -n ${unit[Container.Exec]+set} && -n ${unit[Container.Entrypoint]+set} ]] ||
      fail bad-unit "Entrypoint=, Exec= and the supervisor's file belong together."
  fi
  for path in "${unit_credentials[@]}"; do
    path=${path%/*}
    [[ ${path##*/} == "${unit[X-FFS.Credentials]}" ]] || fail bad-unit "A credential is of another version than [X-FFS] says."
    [[ -n ${unit[Service.ExecStartPre]+set} ]] || fail bad-unit "Credentials are loaded but not handed over (ExecStartPre=)."
  done
}

verb_check_unit() {
  options 'service' '' '' "$@"
  read_input "$work/unit" 262144
  check_unit "${option[service]}" "$work/unit"
  succeed --arg sha256 "$(sha256sum "$work/unit" | cut -c 1-64)"
}
