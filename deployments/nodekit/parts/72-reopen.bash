# Going back from a switch that was confirmed: a rollout that fails on its last nodes goes back on its first as well.

# rollback_due DIRECTORY: is there anything that no earlier rollback of this operation has settled?
rollback_due() {
  [[ ! -e $1/rollback.json || -e $state/pending/${option[service]} ]] ||
    [[ -n ${option[confirmed]-} && $(<"$1/state") == confirmed ]]
}

# reopen DIRECTORY: a confirmed switch becomes pending again, and due, so that whatever comes between ends in the old unit.
reopen() {
  [[ -s $1/rollback.confirmed && -n $(<"$1/rollback.confirmed") ]] ||
    fail confirmed "This switch was confirmed; go back by deploying the older release."
  cmp -s -- "$1/unit" "$quadlets/ffs-${option[service]}.container" && [[ ! -e $state/pending/${option[service]} ]] ||
    fail changed "The service was switched again since this operation; nothing was changed."
  [[ -d $1/previous ]] || fail not-found "The unit from before this operation is not kept any more; nothing was changed."
  if [[ -e $1/previous/unit && -e $1/previous/deployed ]]; then
    check_unit "${option[service]}" "$1/previous/unit"
    check_staged
  fi
  log "The switch was confirmed; its old unit becomes the next one."
  store "$1/previous/uptime" 0600 <<<0
  mkdir -p -m 0700 -- "$state/pending"
  mv -T -- "$1/previous" "$state/pending/${option[service]}"
  sync -- "$state/pending" "$1"
  set_state "$1" switched
}
