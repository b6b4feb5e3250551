#!/usr/bin/bash -p
# shellcheck disable=SC2317,SC2329,SC2015,SC2174
# (Verbs are called by name; `A && B || fail` is meant as it reads; the parents of what is made here exist or are public.)
# ffs-node: the one program that the dashboard may run on this node as root.
#
#   sudo -n /usr/local/bin/ffs-node VERB [--option value …]
#
# Everything that arrives is taken for hostile: the arguments, standard input, the environment. Arguments match
# patterns or are refused; secrets come on standard input only; answers are JSON lines and the last one is the
# result. Exit status 0 means that the result is ok. `-p` keeps bash from reading BASH_ENV, SHELLOPTS and functions
# of the caller.
set -euo pipefail
PATH=/usr/sbin:/usr/bin:/sbin:/bin
IFS=$' \t\n'
umask 077
shopt -s inherit_errexit nullglob

while IFS= read -r name; do
  case $name in
    PATH | PWD | SHLVL | SHELLOPTS | BASHOPTS | _) ;;
    *) unset -v "$name" ;;
  esac
done < <(compgen -e)
unset name
export PATH LC_ALL=C HOME=/root SYSTEMD_PAGER='' SYSTEMD_COLORS=0

readonly protocol=@PROTOCOL@
readonly version=@VERSION@
readonly root=@ROOT@

readonly program=$root/usr/local/bin/ffs-node
readonly etc=$root/etc/ffs
readonly state=$root/var/lib/ffs-node
readonly services=$root/var/lib/ffs
readonly runtime=$root/run/ffs
readonly own_runtime=$root/run/ffs-node
readonly quadlets=$root/etc/containers/systemd
readonly registry=ffs.internal
readonly service_uid=1600
# Archives are unpacked by a user id that no account has and no service runs as.
readonly unpack_uid=2000001600
