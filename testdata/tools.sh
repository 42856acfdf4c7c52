#!/usr/bin/env bash
# tools.sh recommended|full|wasm: brings the programs that conversions use. The first two install Debian packages, as root or
# by sudo; all three put PDFium and resvg, compiled to WebAssembly, into the tools folder, for which no rights are needed.
set -euo pipefail

profile=${1:?recommended, full or wasm}

recommended=(bubblewrap libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui libreoffice-draw-nogui ffmpeg
  libvips-tools imagemagick librsvg2-bin poppler-utils qpdf ghostscript pandoc 7zip libimage-exiftool-perl tesseract-ocr
  chromium-headless-shell fonts-crosextra-carlito fonts-crosextra-caladea fonts-liberation2 fonts-dejavu-core)
full=(ocrmypdf calibre unar djvulibre-bin fontforge-nox mupdf-tools libraw-bin pngquant lzop lzip rzip fonts-noto-core fonts-noto-cjk)

# The files, with the package they come from, where they lie in it and what they must be.
wasm=(
  "pdfium.wasm @hyzyla/pdfium@2.1.13 package/dist/pdfium.wasm 71aec412a303a0405baee21c3d6d3f30ad2033dc02444130fe476be3976e2d09"
  "resvg.wasm @resvg/resvg-wasm@2.6.2 package/index_bg.wasm 22bf6e9f9a100d972da0411a69c5ba504367fc1fa87b3b64e3f35e53926d2d70"
)

# The folder that the program looks into unless --tools or GANTRY_TOOLS says otherwise.
folder() {
  if [ -n "${GANTRY_TOOLS:-}" ]; then
    echo "$GANTRY_TOOLS"
  elif [ -n "${XDG_DATA_HOME:-}" ]; then
    echo "$XDG_DATA_HOME/gantry/tools"
  elif [ "$(id -u)" = 0 ]; then
    echo /var/lib/gantry/tools
  else
    echo "$HOME/.local/share/gantry/tools"
  fi
}

packages() {
  local missing=()
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
  done
  if [ ${#missing[@]} = 0 ]; then
    echo "packages: all are there"
    return
  fi
  echo "packages to install: ${missing[*]}"
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300)
  "${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
    "${apt[@]}" update >/dev/null
    "${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null
  }
}

fetch() {
  local name=$1 package=$2 path=$3 sum=$4 to scratch
  to=$(folder)
  if [ -f "$to/$name" ] && echo "$sum  $to/$name" | sha256sum --check --status; then
    echo "$name: is there"
    return
  fi
  command -v npm >/dev/null || { echo "$name needs npm, once: install the package npm"; return 1; }
  scratch=$(mktemp -d)
  (cd "$scratch" && npm pack --silent "$package" >/dev/null && tar xzf ./*.tgz)
  echo "$sum  $scratch/$path" | sha256sum --check --status || { echo "$name from $package is not what it should be"; return 1; }
  mkdir -p "$to"
  mv "$scratch/$path" "$to/$name"
  rm -rf "$scratch"
  echo "$name: put into $to"
}

case $profile in
  recommended) packages "${recommended[@]}" ;;
  full) packages "${recommended[@]}" "${full[@]}" ;;
  wasm) ;;
  *) echo "recommended, full or wasm"; exit 2 ;;
esac
for line in "${wasm[@]}"; do
  read -r name package path sum <<<"$line"
  fetch "$name" "$package" "$path" "$sum"
done
