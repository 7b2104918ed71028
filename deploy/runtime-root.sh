#!/bin/bash
# Runs inside the build of the image (deploy/Containerfile): copies what the worker needs of Debian into a root of its own.
set -euo pipefail

readonly root=$1
# Python, the libraries that it and the wheels link, and base-files, which has the directories and the release's name.
readonly packages=(
  base-files libc6 libgcc-s1 libstdc++6
  python3-minimal python3.13-minimal libpython3.13-minimal libpython3.13-stdlib
  libbz2-1.0 libdb5.3t64 libexpat1 libffi8 liblzma5 libncursesw6 libreadline8t64 libsqlite3-0 libssl3t64 libtinfo6
  libuuid1 libzstd1 zlib1g
)

copy_package() {
  # Debian's slim images lack documents that the package lists; the licences are there and come along.
  dpkg --listfiles "$1" | sed 's,^/,,' \
    | while read -r path; do if [[ -e /$path || -L /$path ]]; then echo "$path"; fi; done \
    | tar --create --directory / --no-recursion --files-from - | tar --extract --directory "$root"
  # Where scanners look for the packages of an image that has no dpkg.
  dpkg-query --status "$1" > "$root/var/lib/dpkg/status.d/$1"
}

write_configuration() {
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  echo "prism:x:65532:65532:Prism:/nonexistent:/usr/sbin/nologin" > "$root/etc/passwd"
  echo "prism:x:65532:" > "$root/etc/group"
  echo "hosts: files dns" > "$root/etc/nsswitch.conf"
}

mkdir --parents "$root/var/lib/dpkg/status.d" "$root/etc/ssl/certs"
for package in "${packages[@]}"; do copy_package "$package"; done
write_configuration
# Debian compiles bytecode when it installs; here nothing could write it later, and every start would compile anew.
python3 -m compileall -q --invalidation-mode unchecked-hash -s "$root" -p / "$root/usr/lib/python3.13"
