# The verbs. Nothing runs that is not named here.

main() {
  local verb=${1-}
  begin
  (( $# >= 1 )) || fail bad-argument "ffs-node takes a verb first."
  shift
  case $verb in
    facts | setup | seal | switch | confirm | rollback | cancel | follow | control | logs | handover | probe | prune | remove | served | upgrade | version | restore) ;;
    access | access-add | access-remove) ;;
    rekey-host | stage-image | stage-files | stage-certificate | stage-supervisor | verify-certificate | check-unit | reset-restarts | run-switch | run-rollback) ;;
    *) fail bad-argument "ffs-node has no such verb." ;;
  esac
  "verb_${verb//-/_}" "$@"
}

main "$@"
exit
