# Options: each has a pattern; unknown, repeated, missing and malformed ones are refused before anything is done.

readonly hex64='[0-9a-f]{64}'
readonly counter='(0|[1-9][0-9]{0,14})'
readonly service_pattern='[a-z][a-z0-9-]{0,30}'
readonly certificate_pattern="$hex64(-[0-9a-z]{1,16})?"
readonly version_pattern='[A-Za-z0-9][A-Za-z0-9._-]{0,63}'
readonly release_pattern='[1-9][0-9]{0,8}'
readonly project_pattern='[a-z][a-z0-9-]{0,31}'
readonly operation_pattern='[A-Za-z0-9][A-Za-z0-9-]{0,63}'
readonly credential_pattern='(env\.[A-Za-z_][A-Za-z0-9_]{0,127}|cert_pass)'

readonly port_pattern='[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]'
# What RFC 3986 lets stand in a path and a query.
readonly path_pattern='/[A-Za-z0-9._~!$&()*+,;=:@%/?'"'"'-]{0,199}'

declare -rA option_pattern=(
  [fence]="$counter\.$counter"
  [service]="$service_pattern"
  [project]="$project_pattern"
  [image-id]="sha256:$hex64"
  [from]='[0-9a-f]{12}'
  [release]="$release_pattern"
  [base]="$release_pattern"
  [fingerprint]="$certificate_pattern"
  [sha256]="$hex64"
  [version]="$version_pattern"
  [op]="$operation_pattern"
  [deadline]='[1-9][0-9]{0,4}'
  [lines]='[1-9][0-9]{0,4}'
  [since]='[0-9]{1,10}'
  [grep]='[^[:cntrl:]]{1,200}'
  [keep]="$release_pattern(,$release_pattern){0,99}"
  [keep-certificates]="$certificate_pattern(,$certificate_pattern){0,99}"
  [keep-credentials]="$version_pattern(,$version_pattern){0,99}"
  [keep-images]="sha256:$hex64(,sha256:$hex64){0,99}"
  [kind]='https?|tcp|command'
  [port]="$port_pattern"
  [ports]="($port_pattern)(,($port_pattern)){0,3}"
  [name]='[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?'
  [path]="$path_pattern"
  [user]='core|ffsweb'
  [activate]='SHA256:[A-Za-z0-9+/]{43}'
  [confirm]='SHA256:[A-Za-z0-9+/]{43}'
)

declare -A option=()
chosen_services=()

# options NEEDED OPTIONAL FLAGS ARGUMENT…: the first three are lists of names with spaces around each.
options() {
  local needed=$1 optional=$2 flags=$3 name value
  shift 3
  while (( $# > 0 )); do
    name=${1#--}
    [[ $1 =~ ^--[a-z][a-z0-9-]{0,30}$ ]] || fail bad-argument "Options look like --name value; argument refused."
    if [[ " $flags " == *" $name "* ]]; then
      value=yes
      shift
    elif [[ " $needed $optional " == *" $name "* ]]; then
      (( $# >= 2 )) || fail bad-argument "The option --$name needs a value."
      value=$2
      (( ${#value} <= 20000 )) || fail bad-argument "The value of --$name is too long."
      [[ $value =~ ^(${option_pattern[$name]})$ ]] || fail bad-argument "The value of --$name is not of the form expected."
      shift 2
    else
      fail bad-argument "There is no option --$name for this verb."
    fi
    if [[ $name == service && $flags == *many-services* ]]; then
      (( ${#chosen_services[@]} < 200 )) || fail bad-argument "Too many services."
      chosen_services+=("$value")
    else
      [[ -z ${option[$name]+set} ]] || fail bad-argument "The option --$name was given twice."
      option[$name]=$value
    fi
  done
  for name in $needed; do
    [[ -n ${option[$name]+set} ]] || fail bad-argument "The option --$name is missing."
  done
  [[ -z ${option[service]+set} ]] || usable_service "${option[service]}"
}

# A service's unit is ffs-NAME.service: names under which ffs-node has units of its own are not for services.
usable_service() {
  case $1 in
    restore | firewall | node | op | op-* | restore-* | rollback-*)
      fail bad-argument "The name $1 is kept for ffs-node itself; give the service another one." ;;
  esac
}
