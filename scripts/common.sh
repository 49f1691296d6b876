# What the scripts share. Sourced, with the repository as the working folder afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Ninja where there is one; a preset that names a generator, or the user's own CMAKE_GENERATOR, wins.
if [ -z "${CMAKE_GENERATOR:-}" ] && command -v ninja >/dev/null; then
  export CMAKE_GENERATOR=Ninja
fi
jobs=${JOBS:-$(nproc)}

# quietly LOG COMMAND…: runs a command and shows its output only where it fails.
quietly() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    printf 'failed: %s\n' "$*" >&2
    return 1
  fi
}
