#!/bin/sh
# Installs what Qt and OpenGL need to draw a window on Debian and Ubuntu, and a virtual screen for
# the tests.  Where this may not be done, it says what to install and goes on.
set -eu

packages="xvfb libegl1 libgl1 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xkb1
libdbus-1-3 libfontconfig1"

command -v dpkg-query >/dev/null || exit 0
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    echo "installing for the viewer:$missing"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y $missing; } >/dev/null &&
        exit 0
fi
echo "the viewer and its tests need:$missing"
echo "install them with: sudo apt-get install$missing"
