#!/bin/sh
# Makes the fonts of the PDF documents. Needed only to change a weight, an alphabet or a font's version; the results are
# committed. Run it in an empty scratch folder that holds the sources named below; it writes the .ttf files beside itself.
#
#   python3 -m venv venv && venv/bin/pip install fonttools==4.68.0 brotli
#   npm pack inter-ui@4.1.1 @fontsource-variable/newsreader@5.3.0 @expo-google-fonts/noto-emoji@0.4.7     (unpack each into a folder of its own name)
#   apt-get download fonts-noto-core && dpkg -x fonts-noto-core_*.deb noto
#   PATH=$PWD/venv/bin:$PATH sh …/fonts/build.sh
#
# typst wants TrueType, one file per weight: the variable fonts are cut at the weights and optical sizes of the design.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
inter=$(find -L . -name InterVariable.woff2 | head -n 1)
news=$(find -L . -name newsreader-latin-opsz-normal.woff2 | head -n 1 | xargs dirname)
noto=$(find -L . -name NotoSansHebrew-Regular.ttf | head -n 1 | xargs dirname)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
text="U+0000-052F,U+1C80-1C8F,U+1D00-1DBF,U+1E00-1FFF,U+2000-2BFF,U+2C60-2C7F,U+2E00-2E7F,U+A640-A69F,U+A720-A7FF,U+FB00-FB06,U+FFFD"
features="kern,mark,mkmk,ccmp,locl,tnum,lnum"

# cut <source> <result> <weight> <optical size>
cut_font() {
  fonttools ttLib.woff2 decompress -o "$tmp/whole.ttf" "$1" 2>/dev/null
  fonttools varLib.instancer -q -o "$tmp/cut.ttf" "$tmp/whole.ttf" wght="$3" opsz="$4"
  pyftsubset "$tmp/cut.ttf" --output-file="$2" --unicodes="$text" --layout-features="$features" --no-hinting \
    --notdef-outline
}

# name <file> <family> <style> <weight class> <italic 0|1>: typst finds fonts by these
name_font() {
  python3 - "$@" <<'PY'
import os
import sys

from fontTools.ttLib import TTFont

path, family, style, weight, italic = sys.argv[1:]
font = TTFont(path, recalcTimestamp=False)
names = font["name"]
for record in list(names.names):
    if record.nameID in (1, 2, 3, 4, 6, 16, 17, 21, 22, 25):
        names.removeNames(nameID=record.nameID)
for name_id, text in ((1, family), (2, style), (3, f"{family} {style}; cut for documents"), (4, f"{family} {style}"),
                      (6, f"{family}-{style}".replace(" ", "")), (16, family), (17, style)):
    names.setName(text, name_id, 3, 1, 0x409)
font["OS/2"].usWeightClass = int(weight)
if "STAT" in font:
    del font["STAT"]
if italic == "1":
    font["OS/2"].fsSelection = (font["OS/2"].fsSelection & ~0x40) | 1
    font["head"].macStyle |= 2
font["head"].modified = font["head"].created
font.save(path + ".new")
os.replace(path + ".new", path)
PY
}

cut_font "$inter" "$out/Inter-Regular.ttf" 400 14
cut_font "$inter" "$out/Inter-Medium.ttf" 500 14
cut_font "$inter" "$out/Inter-SemiBold.ttf" 565 14
name_font "$out/Inter-Regular.ttf" "Inter" Regular 400 0
name_font "$out/Inter-Medium.ttf" "Inter" Medium 500 0
name_font "$out/Inter-SemiBold.ttf" "Inter" SemiBold 600 0

# newsreader <roman|italic> <result> <weight> <optical size>: its alphabets come in files of their own
newsreader() {
  for part in latin latin-ext vietnamese; do
    cut_font "$news/newsreader-$part-opsz-$1.woff2" "$tmp/$part.ttf" "$3" "$4"
  done
  pyftmerge --output-file="$2" "$tmp/latin.ttf" "$tmp/latin-ext.ttf" "$tmp/vietnamese.ttf" 2>/dev/null
}
newsreader normal "$out/NewsreaderDisplay-Regular.ttf" 360 44
newsreader normal "$out/Newsreader-Regular.ttf" 450 18
newsreader italic "$out/Newsreader-Italic.ttf" 400 24
name_font "$out/NewsreaderDisplay-Regular.ttf" "Newsreader Display" Regular 400 0
name_font "$out/Newsreader-Regular.ttf" "Newsreader" Regular 400 0
name_font "$out/Newsreader-Italic.ttf" "Newsreader" Italic 400 1

# Fallback alphabets: one weight each, so that no customer's name is lost.
for script in Arabic Hebrew Armenian Georgian Thai Devanagari Bengali Tamil; do
  pyftsubset "$noto/NotoSans$script-Regular.ttf" --output-file="$out/NotoSans$script-Regular.ttf" --unicodes="*" \
    --layout-features="*" --no-hinting --notdef-outline
done

# Emoji in one colour, each by itself: no joined families, no flags.
emoji=$(find -L . -name NotoEmoji_400Regular.ttf | head -n 1)
pyftsubset "$emoji" --output-file="$out/NotoEmoji-Regular.ttf" --layout-features="" --no-hinting --notdef-outline \
  --drop-tables+=STAT,GSUB,GPOS --unicodes="U+203C,U+2049,U+2122,U+2139,U+2194-21AA,U+231A-23FF,U+24C2,U+25AA-27BF,U+2934-2B55,U+3030,U+303D,U+3297,U+3299,U+1F000-1FAFF"
ls -l "$out"
