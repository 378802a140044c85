#!/bin/sh
# Fetches Courier's pop3d from Debian and unpacks it into a folder of its own,
# for its packages cannot be installed beside Dovecot's. Tests look for it there.
set -eu
dir="${XDG_CACHE_HOME:-$HOME/.cache}/restante/courier"
[ -x "$dir/usr/lib/courier/courier/courierpop3d" ] && exit 0
tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/root"
cd "$tmp"
# The libraries' names have a number in them that changes with the release.
libraries="$(apt-cache depends courier-pop | grep -Eo '(libcourier-unicode|libidn)[0-9]+')"
apt-get download -q courier-pop courier-authlib $libraries
for package in *.deb; do dpkg-deb -x "$package" root; done
mkdir -p "$(dirname "$dir")"
rm -rf "$dir"
mv root "$dir"
chmod -R a+rX "$dir"
echo "Courier's pop3d is in $dir"
