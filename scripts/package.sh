#!/usr/bin/env bash
# Builds the Debian package: target/debian/chargetally_VERSION_ARCH.deb. With a profile as its argument that one is taken
# instead of `release`: `package-check` is quicker to build and is what CI packs and boots.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
profile="${1:-release}"
target="${CARGO_TARGET_DIR:-target}"
output="$target/package"
# Known to work; about two minutes on two cores.
cargo_deb_version=3.8.0
PATH="$PATH:$HOME/.cargo/bin"
command -v cargo-deb >/dev/null || cargo install cargo-deb --version "$cargo_deb_version" --locked --quiet

# The same sources give the same bytes: no path of this machine, and the commit's time instead of now.
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
flags="--remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
if [[ $profile == release ]]; then
    export RUSTFLAGS="${RUSTFLAGS:-} $flags"
fi

# The package's own features: the demo's broker has no place on a server.
cargo build --locked --profile "$profile" --no-default-features --features tls
binary="$target/$profile/chargetally"

rm -rf "$output"
mkdir -p "$output/man"
"$binary" man "$output/man"
"$binary" completions bash >"$output/chargetally.bash"
"$binary" completions zsh >"$output/_chargetally"
"$binary" completions fish >"$output/chargetally.fish"
python3 scripts/licences.py "$output/third-party-licences"
python3 scripts/sbom.py "$output/sbom.cdx.json"
version=$("$binary" --version | cut -d' ' -f2)
cat >"$output/changelog" <<END
chargetally ($version-1) unstable; urgency=medium

  * Version $version; its changes are listed in CHANGELOG.md.

 -- chargetally developers <chargetally@example.invalid>  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
cargo deb --no-build --profile "$profile" --output "$target/debian/"
ls -l "$target"/debian/*.deb
