#!/bin/sh
# Renders icons/src into the PNG, ICO and ICNS files that are committed beside it.
# Needs rsvg-convert (librsvg2-bin) and node.
set -eu
cd "$(dirname "$0")"

app() { rsvg-convert --width "$2" --height "$2" --output "$3" "src/$1.svg"; }

app app-small 32 32x32.png
app app 128 128x128.png
app app 256 128x128@2x.png
app app 512 icon.png

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for size in 16 24 32; do app app-small "$size" "$work/$size.png"; done
for size in 48 64 128 256 512 1024; do app app "$size" "$work/$size.png"; done
node pack.mjs ico icon.ico "$work/16.png" "$work/24.png" "$work/32.png" "$work/48.png" "$work/64.png" "$work/256.png"
node pack.mjs icns icon.icns "$work/16.png" "$work/32.png" "$work/64.png" "$work/128.png" "$work/256.png" "$work/512.png" "$work/1024.png"

# "light" is drawn for dark panels, "dark" for light ones.
tray() { # theme color
  mkdir -p "tray/$1"
  printf 'svg { color: %s }\n' "$2" > "$work/$1.css"
  for source in src/tray/*.svg; do
    state=$(basename "$source" .svg)
    rsvg-convert --stylesheet "$work/$1.css" -w 16 -h 16 -o "tray/$1/$state-16.png" "$source"
    rsvg-convert --stylesheet "$work/$1.css" -w 22 -h 22 -o "tray/$1/$state.png" "$source"
    rsvg-convert --stylesheet "$work/$1.css" -w 44 -h 44 -o "tray/$1/$state@2x.png" "$source"
  done
}
tray light '#f4f5f4'
tray dark '#1f2624'
