# Make .venv from locked, hash-checked packages. Sourced by ./start and ./check.
#
# All are wheels but dkimpy, which is published as source alone: pure Python, built
# by a setuptools that is locked as well, and by nothing that pip would fetch by itself.
#
# `make_environment FILE` leaves .venv with the packages of FILE and this
# repository importable in it. Running it again costs nothing until FILE, the
# interpreter or the place of the repository changes.

say() { printf '%s\n' "$*" >&2; }

# $PYTHON, else the distribution's where it can make environments, else the first of at least 3.11. The
# distribution's is built with profile-guided optimization (a fifth less CPU than one compiled plainly),
# gets security updates, and can be run by a service, unlike one in somebody's home.
find_python() {
    if [ -z "${PYTHON:-}" ] && is_recent /usr/bin/python3 && has_venv_module /usr/bin/python3; then
        echo /usr/bin/python3
        return
    fi
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if is_recent "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say 'Posthouse needs Python 3.11 or later (Debian 12: apt-get install python3 python3-venv).'
    return 1
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
has_venv_module() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Debian ships venv apart from Python; root can help itself.
ensure_venv_module() {
    has_venv_module "$1" && return
    package="python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Installing $package …"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null </dev/null ||
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package"; } >/dev/null </dev/null
    else
        say "This Python cannot make virtual environments yet. Please run: sudo apt-get install $package"
        return 1
    fi
}

WHEELS='--require-hashes --only-binary :all:'
BUILD=.ci/requirements-build.txt

# uv is faster where it is installed; where it does not reach the packages, pip may.
# shellcheck disable=SC2086
install_with_uv() {
    command -v uv >/dev/null 2>&1 || return 1
    [ -x .venv/bin/python ] || uv venv --quiet --python "$1" .venv || return 1
    uv pip install --quiet --python .venv/bin/python $WHEELS -r "$BUILD" &&
        uv pip install --quiet --python .venv/bin/python $WHEELS --no-binary dkimpy --no-build-isolation -r "$2"
}

# shellcheck disable=SC2086
install_with_pip() {
    ensure_venv_module "$1" || return 1
    .venv/bin/python -m pip --version >/dev/null 2>&1 || "$1" -m venv --clear .venv || return 1
    pip="-m pip install --quiet --quiet --no-input --disable-pip-version-check"
    .venv/bin/python $pip $WHEELS -r "$BUILD" </dev/null &&
        .venv/bin/python $pip $WHEELS --no-binary dkimpy --no-build-isolation -r "$2" </dev/null
}

# The repository itself is used where it stands: a path file and a launcher, nothing to build.
link_repository() {
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$PWD" >"$site/posthouse.pth"
    {
        printf '#!/bin/sh\n'
        printf "exec '%s' -m relay \"\$@\"\n" "$PWD/.venv/bin/python"
    } >.venv/bin/posthouse
    chmod +x .venv/bin/posthouse
}

make_environment() {
    python=$(find_python) || return 1
    # An environment whose interpreter is gone, or that was moved, is made anew.
    if [ -e .venv ] && ! .venv/bin/python -c 'import sys' >/dev/null 2>&1; then
        rm -rf .venv
    fi
    stamp="$PWD $(cat "$BUILD" "$1" | cksum)"
    if [ "$(cat ".venv/$1.stamp" 2>/dev/null)" != "$stamp" ]; then
        say "Installing $(grep -c '==' "$1") locked packages into .venv (once) …"
        install_with_uv "$python" "$1" || install_with_pip "$python" "$1" || return 1
        link_repository
        printf '%s\n' "$stamp" >".venv/$1.stamp"
        # The test extras contain everything that a run needs.
        if [ "$1" = requirements-check.txt ]; then
            printf '%s\n' "$PWD $(cat "$BUILD" requirements.txt | cksum)" >.venv/requirements.txt.stamp
        fi
    fi
}
