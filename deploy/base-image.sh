#!/bin/bash
# Makes a base for deploy/Containerfile from Debian's packages, where no image registry can be reached.
# Usage, as root on a Debian machine with mmdebstrap and buildah: deploy/base-image.sh [MIRROR...]
# Prints the image's name with its digest, for --build-arg BASE_IMAGE=...
set -euo pipefail

readonly release=trixie
readonly image=localhost/debian:$release
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT

# The smallest set that apt calls a system, as in Debian's own slim images; mirrors are Debian's unless given.
mmdebstrap --variant=minbase --keyring="$keyring" "$release" "$folder/root.tar" "$@" >&2

container=$(buildah from scratch)
buildah add --quiet "$container" "$folder/root.tar" / >&2
buildah config --cmd bash "$container"
buildah commit --quiet --rm "$container" "$image" >&2
echo "${image%:*}@$(buildah images --format '{{.Digest}}' "$image")"
