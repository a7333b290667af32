#!/bin/sh
# Gathers everything the program needs into one folder, which is then a whole image: the binary, the libraries it is linked with, the
# roots of TLS, a user. The Dockerfile's last stage and `./run image` are made by it.
#   ops/image.sh BINARY FOLDER
set -eu
binary=$1
root=$2
[ -x "$binary" ] || { echo "image.sh: $binary is no program" >&2; exit 2; }
[ ! -e "$root" ] || { echo "image.sh: $root is there already" >&2; exit 2; }

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/var/lib/arbees" "$root/var/lib/arbees-public" "$root/tmp"
cp "$binary" "$root/usr/bin/arbees"
# Each library where the loader looks for it, links followed; the line of the kernel's own (vdso) names no file.
ldd "$binary" | grep -o '/[^ ]*' | sort -u | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
# What rustls-native-certs and rustls-platform-verifier read.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo 'arbees:x:65532:65532:arbees:/var/lib/arbees:/sbin/nologin' >"$root/etc/passwd"
echo 'arbees:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chmod 0755 "$root/usr/bin/arbees"
chmod 1777 "$root/tmp"
# A named volume takes the owner of the folder it covers.
chown 65532:65532 "$root/var/lib/arbees" "$root/var/lib/arbees-public"
