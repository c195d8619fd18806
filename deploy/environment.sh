# How deploy/demo, deploy/install and tests/run get Python, system packages and a virtual
# environment. Sourced by them, never run. Everything is said on standard error, so that standard
# output stays the caller's.

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

# Print the first Python of at least 3.11.
find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    die "Python 3.11 or newer is needed and none was found. On Debian 12, Debian 13 and" \
        "Raspberry Pi OS: sudo apt-get install python3 python3-venv"
}

# Install Debian packages, as root or through sudo; fail when neither is possible.
install_packages() {
    local as_root=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || return 1
        # Asking for a password needs somebody to answer.
        if [ ! -t 0 ] && ! sudo -n true 2>/dev/null; then return 1; fi
        as_root=(sudo)
    fi
    say "Installing system packages: $*"
    "${as_root[@]}" apt-get update -q </dev/null >&2 || say "apt-get update had errors; going on."
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 \
        install -q -y --no-install-recommends "$@" </dev/null >&2
}

# Make sure that this Python can make a virtual environment.
need_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    install_packages python3-venv && "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    die "$1 cannot make virtual environments. On Debian and Raspberry Pi OS:" \
        "sudo apt-get install python3-venv"
}

# What an environment depends on, as one hash: made again when it differs.
environment_stamp() { # ROOT LOCK
    { echo "$1"; cat "$1/pyproject.toml" "$1/deploy/requirements/build.txt" "$2"; } |
        sha256sum | cut -d' ' -f1
}

# Make the virtual environment VENV hold what LOCK names and this project, in place.
make_environment() { # ROOT VENV LOCK
    local root=$1 venv=$2 lock=$3 python stamp mark
    stamp=$(environment_stamp "$root" "$lock")
    mark="$venv/.made-from-$(basename "$lock")"
    exec 9<"$root/pyproject.toml"
    flock 9 # two commands started together make it once
    if [ "$(cat "$mark" 2>/dev/null)" != "$stamp" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        if ! "$venv/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            python=$(find_python)
            need_venv "$python"
            say "Making $venv with $("$python" --version)"
            "$python" -m venv --clear "$venv" >&2
        fi
        say "Installing $(grep -c '==' "$lock") locked packages into $venv (once)"
        install_lock "$root" "$venv" "$lock"
        pip_install "$venv" --no-deps --no-build-isolation --editable "$root"
        echo "$stamp" >"$mark"
    fi
    exec 9<&-
}

# Build tools first: what comes as source is built with them, and they have hashes too.
install_lock() { # ROOT VENV LOCK
    pip_install "$2" --require-hashes -r "$1/deploy/requirements/build.txt"
    pip_install "$2" --require-hashes --no-build-isolation --use-pep517 -r "$3"
}

pip_install() { # VENV ARGUMENTS...
    local venv=$1
    shift
    "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check "$@" \
        </dev/null >&2 || die "pip could not install what is needed; its own words are above." \
        "Is there a network? Is the disk full?"
}
