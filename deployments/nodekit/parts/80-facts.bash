# The facts: everything that a page says of this node, in one go. Slow questions are asked side by side.

verb_facts() {
  options '' 'service' 'many-services' "$@"
  known_services
  status_files >"$work/heartbeats"
  ask_podman
  service_facts >"$work/facts.tsv"
  systemctl show --timestamp=unix --property=Id,LoadState,ActiveState,SubState,Result,StatusText,NRestarts,ActiveEnterTimestamp,MainPID \
    -- "${units[@]/%/.service}" >"$work/systemd" || : >"$work/systemd"
  disk_facts
  wait
  {
    node_facts
    damaged_images
  } >"$work/node.tsv"
  collect
  answered=yes
  exit 0
}

# known_services: the ones asked for, or all that have a unit or a directory. Sets wanted and units.
known_services() {
  local path name
  local -A seen=()
  wanted=() units=()
  for path in "$quadlets"/ffs-*.container "$services"/*/; do
    path=${path%/} name=${path##*/}
    name=${name#ffs-} name=${name%.container}
    [[ $name =~ ^$service_pattern$ ]] && seen[$name]=1
  done
  if (( ${#chosen_services[@]} > 0 )); then
    wanted=("${chosen_services[@]}")
  else
    wanted=("${!seen[@]}")
  fi
  units=("${wanted[@]/#/ffs-}")
  (( ${#units[@]} > 0 )) || units=(ffs-restore)
}

ask_podman() {
  {
    podman --version >"$work/podman" || true
  } &
  {
    podman images --quiet --no-trunc | sort -u >"$work/image-ids" || true
    [[ ! -s $work/image-ids ]] || xargs -a "$work/image-ids" podman image inspect >"$work/images" || true
  } &
  {
    podman container inspect -- "${units[@]}" >"$work/containers" || true
  } &
}

# service_facts: SERVICE, NAME, VALUE a line, from files alone; nothing here starts a process.
service_facts() {
  local name file path
  for name in "${wanted[@]}"; do
    printf '%s\tname\t\n' "$name"
    file=$quadlets/ffs-$name.container
    [[ ! -f $file ]] || unit_facts "$name" "$file"
    for path in "$services/$name"/releases/*/; do list_fact "$name" releases "$path" "$release_pattern"; done
    for path in "$services/$name"/certs/*/; do list_fact "$name" certs "$path" "$certificate_pattern"; done
    for path in "$services/$name"/credentials/*/; do list_fact "$name" credentials_held "$path" "$version_pattern"; done
    for path in "$services/$name"/supervisor/*.py; do list_fact "$name" supervisors "${path%.py}/" "$hex64"; done
    [[ ! -e $services/$name/deployed ]] || printf '%s\tdeployed\ttrue\n' "$name"
    if [[ -e $state/pending/$name/op ]]; then
      printf '%s\tpending_op\t%s\n%s\tpending_deadline\t%s\n' "$name" "$(<"$state/pending/$name/op")" "$name" "$(<"$state/pending/$name/deadline")"
    fi
  done
}

# status_files: the supervisors' status files. The services write them where they may write, so they are not trusted: no
# link is followed, no pipe is waited for, and no more than 64 KiB is read. Where nothing in the container notifies, no
# supervisor runs there: the file is one that another release left.
status_files() {
  local name file unit
  for name in "${wanted[@]}"; do
    file=$services/$name/data/.ffs-status.json unit=$quadlets/ffs-$name.container
    [[ -f $file && ! -L $file && -f $unit && $(<"$unit") == *$'\n'Notify=true$'\n'* ]] || continue
    { dd if="$file" iflag=nofollow,nonblock,fullblock bs=65536 count=1 status=none || true; } | jq -cR --arg name "$name" -s '{key: $name, value: (fromjson? | select(type == "object"))}' || true
  done
}

list_fact() {
  local item=${3%/}
  item=${item##*/}
  [[ ! $item =~ ^($4)$ ]] || printf '%s\t%s\t%s\n' "$1" "$2" "$item"
}

# unit_facts SERVICE FILE: what [X-FFS] of the unit file says.
unit_facts() {
  local line section='' count=0
  printf '%s\tinstalled\ttrue\n' "$1"
  while IFS= read -r line && (( (count += 1) < 2000 )); do
    [[ $line != '['*']' ]] || section=$line
    [[ $section == '[X-FFS]' && $line =~ ^(Project|Release|ImageId|Certificate|Credentials|Operation)=([[:graph:]]{1,200})$ ]] || continue
    printf '%s\tunit.%s\t%s\n' "$1" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  done <"$2"
}

disk_facts() {
  local path directories=("${wanted[@]/#/$services/}") files=("$quadlets"/ffs-*.container)
  for path in sums used; do : >"$work/$path"; done
  (( ${#files[@]} == 0 )) || sha256sum -- "${files[@]}" "$program" >"$work/sums" || true
  { df --output=avail,size -B1 -- "$root/var/lib/containers" || printf 'none\n0 0\n'; } | tail -n 1 >"$work/disk-images"
  { df --output=avail,size -B1 -- "$services" || df --output=avail,size -B1 -- "$root/var" || printf 'none\n0 0\n'; } | tail -n 1 >"$work/disk-var"
  # A large data directory may take long to add up: then its size is not told.
  (( ${#wanted[@]} == 0 )) || timeout 0.25 du -sx -B1 -- "${directories[@]}" >"$work/used" || true
}

node_facts() {
  local line os='' path
  while IFS= read -r line; do
    [[ ! $line =~ ^PRETTY_NAME=\"?([^\"]*)\"?$ ]] || os=${BASH_REMATCH[1]}
  done <"$root/etc/os-release"
  printf 'os\t%s\n' "$os"
  printf 'version\t%s\nprotocol\t%s\n' "$version" "$protocol"
  printf 'time\t%s\n' "${EPOCHREALTIME/,/.}"
  printf 'machine_id\t%s\n' "$(<"$root/etc/machine-id")"
  printf 'boot_id\t%s\n' "$(boot_id)"
  printf 'hostname\t%s\n' "$(</proc/sys/kernel/hostname)"
  printf 'uptime\t%s\n' "$(uptime_seconds)"
  printf 'kernel\t%s\narch\t%s\n' "$(uname -r)" "$(uname -m)"
  printf 'systemd\t%s\n' "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
  printf 'program_sha256\t%s\n' "$(sha256sum -- "$program" | cut -c 1-64)"
  printf 'podman\t%s\n' "$(sed -n '1s/.* //p' "$work/podman")"
  if [[ -e $root/run/ostree/staged-deployment || -e $root/run/reboot-required ]]; then
    printf 'reboot_pending\ttrue\n'
  fi
  for path in "$root"/etc/ssh/ssh_host_*_key.pub; do
    read -r -a line <"$path" || true
    printf 'host_key\t%s\n' "${line[0]:-} ${line[1]:-}"
  done
  # Verbs that an earlier ffs-node of the same protocol does not have: they are asked for where they are told of alone.
  printf 'verb\treset-restarts\nverb\tstage-image-packed\n'
  transfer_facts
}

# transfer_facts: what decides how an image comes here, and what came already of one whose way was cut.
transfer_facts() {
  local path
  printf 'cpus\t%s\n' "$(nproc)"
  for path in skopeo zstd curl rsync; do
    ! command -v "$path" >/dev/null || printf 'tool\t%s\n' "$path"
  done
  ! grep -qs '^ *enable_partial_images *= *"true"' "$root/etc/containers/storage.conf" || printf 'partial_pulls\ttrue\n'
  fetched_facts
}
