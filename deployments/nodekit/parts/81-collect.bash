# The facts' answer, put together by one jq. Containers write their own status text and names: it stays a string.

collect() {
  [[ -s $work/images ]] || printf '[]' >"$work/images"
  [[ -s $work/containers ]] || printf '[]' >"$work/containers"
  cp -- "$image_store/overlay-layers/layers.json" "$work/layers" || printf '[]' >"$work/layers"
  jq -cn --rawfile node "$work/node.tsv" --rawfile facts "$work/facts.tsv" --rawfile systemd "$work/systemd" \
    --rawfile sums "$work/sums" --rawfile used "$work/used" --rawfile disk_images "$work/disk-images" \
    --rawfile disk_var "$work/disk-var" --slurpfile images "$work/images" --slurpfile containers "$work/containers" --slurpfile beats "$work/heartbeats" --slurpfile layers "$work/layers" '
    def lines: split("\n") | map(select(. != ""));
    def rows: lines | map(split("\t"));
    def number_or(d): (tonumber? // d) // d;
    def epoch: if . == null or . == "" then null else ltrimstr("@") | number_or(null) end;
    def disk: lines[-1] // "0 0" | [splits(" +")] | map(select(. != "")) | {free: (.[0] | number_or(0)), total: (.[1] | number_or(0))};
    def given: if . == "none" then null else . end;
    def short: if type == "string" then .[:1000] else "" end;
    def listed(k): [$node | rows[] | select(.[0] == k) | .[1]];
    def staged: [$images[0][] | .Id as $id | select(listed("damaged") | index($id) | not) | .RepoTags[]?
      | capture("\\Affs\\.internal/(?<project>[a-z][a-z0-9-]{0,31}):sha256-(?<id>[0-9a-f]{64})\\z") | select(.id == $id)
      | "\(.project):sha256:\(.id)"] | unique;
    ($node | rows | map(select(.[0] | IN("host_key", "tool", "verb", "fetched", "damaged") | not) | {key: .[0], value: (.[1] // "")}) | from_entries) as $n
    | ($systemd | split("\n\n") | map(lines | map(index("=") as $i | {key: .[:$i], value: .[$i + 1:]}) | from_entries)
      | map(select(.Id) | {key: .Id, value: .}) | from_entries) as $units
    | ($sums | lines | map({key: (.[66:] | split("/") | last), value: .[:64]}) | from_entries) as $sha
    | ($used | rows | map({key: (.[1] // "" | split("/") | last), value: (.[0] | number_or(null))}) | from_entries) as $bytes
    | ($containers[0] | map({key: .Name, value: .}) | from_entries) as $boxes
    | ($beats | from_entries) as $heartbeats
    | def container($name): $boxes[$name] | if . == null then null else
        {id: .Id, image_id: ("sha256:" + .Image), started: (.State.StartedAt // null), running: (.State.Running // false),
         health: (.State.Health.Status // .State.Healthcheck.Status // "" | if . == "" then null else . end)} end;
      {event: "result", ok: true, protocol: ($n.protocol | tonumber), version: $n.version, program_sha256: $n.program_sha256,
       machine_id: $n.machine_id, boot_id: $n.boot_id, hostname: $n.hostname, os: $n.os, kernel: $n.kernel, arch: $n.arch,
       podman: $n.podman, systemd: $n.systemd, time: ($n.time | tonumber), uptime: ($n.uptime | number_or(0)),
       disk: {images: ($disk_images | disk), var: ($disk_var | disk)}, reboot_pending: ($n.reboot_pending == "true"),
       host_keys: listed("host_key"), cpus: ($n.cpus | number_or(0)), tools: listed("tool"), verbs: listed("verb"), partial_pulls: ($n.partial_pulls == "true"),
       fetched: (listed("fetched") | map(split("=") | {key: .[0], value: (.[1] | number_or(0))}) | from_entries),
       images_held: {ids: [$images[0][] | "sha256:" + .Id] | unique, staged: staged, diff_ids: [$images[0][].RootFS.Layers[]?] | unique,
         chunked: [$layers[0][]? | select(.["big-data-names"] // [] | any(startswith("zstd-chunked-manifest"))) | .["diff-digest"] // empty] | unique},
       services: ($facts | rows | group_by(.[0]) | map(
         (map({key: .[1], value: (.[2] // "")}) | from_entries) as $f
         | def list($k): [.[] | select(.[1] == $k) | .[2]];
         .[0][0] as $name | ($units["ffs-\($name).service"] // {}) as $u
         | {key: $name, value: {
             installed: ($f.installed == "true"), deployed: ($f.deployed == "true"),
             unit_sha256: ($sha["ffs-\($name).container"] // null), project: $f["unit.Project"],
             release: ($f["unit.Release"] // "0" | number_or(0) | if . == 0 then null else . end), image_id: ($f["unit.ImageId"] | given),
             certificate: ($f["unit.Certificate"] | given), credentials: ($f["unit.Credentials"] | given), operation: ($f["unit.Operation"] | given),
             loaded: ($u.LoadState == "loaded"), active: ($u.ActiveState // "unknown"), sub: ($u.SubState // "unknown"), result: ($u.Result // ""),
             status_text: ($u.StatusText | short), restarts: ($u.NRestarts // "0" | number_or(0)), since: ($u.ActiveEnterTimestamp | epoch),
             main_pid: ($u.MainPID // "0" | number_or(0)), container: container("ffs-\($name)"), heartbeats: $heartbeats[$name],
             releases: (list("releases") | map(tonumber) | sort), certs: list("certs"), credentials_held: list("credentials_held"),
             supervisors: list("supervisors"),
             pending: (if $f.pending_op then {op: $f.pending_op, deadline: ($f.pending_deadline | number_or(0))} else null end),
             disk_used: ($bytes[$name] // null)}}) | from_entries)}'
}
