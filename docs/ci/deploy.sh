#!/bin/sh
# Build an image, push it to the dashboard, deploy it and wait: what a CI job runs.
#
#   deploy.sh PROJECT HOST SERVICE [DIRECTORY]
#
# DIRECTORY (.) has the Containerfile. FFSWEB_URL is the dashboard's address, FFSWEB_TOKEN an access token with the role
# operator, FFSWEB_USER the user who made it; TAG names the image (the commit, if it is not set).
# It ends as `ffs deploy --wait` does: 0 live, 1 failed, 2 rolled back, 3 unknown.
set -eu

project=$1 host=$2 service=$3 directory=${4:-.}
tag=${TAG:-$(git -C "$directory" rev-parse --short=12 HEAD)}
address=${FFSWEB_URL#*://}
registry=${address%%/*}
case $FFSWEB_URL in
    https://*) verify=true ;;
    *) verify=false ;; # a dashboard on this machine, for trying it out
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

podman build --iidfile "$work/image" --tag "localhost/$project:$tag" "$directory"
printf %s "$FFSWEB_TOKEN" |
    podman login --authfile "$work/auth.json" --tls-verify="$verify" --username "$FFSWEB_USER" --password-stdin "$registry"
podman push --authfile "$work/auth.json" --tls-verify="$verify" "localhost/$project:$tag" "$registry/$project:$tag"

# By its ID, not by the tag: nobody else's push can take its place meanwhile.
ffs deploy "$host" --project "$project" --name "$service" --image "$(cat "$work/image")" --note "$tag" --yes --wait
