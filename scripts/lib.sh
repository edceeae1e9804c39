# Shared by scripts/run and scripts/test: a Python that is new enough, and .venv made from a lock file.
# shellcheck shell=bash

# What a caller's Python is told must not reach ours. Images of Docker say PYTHONDONTWRITEBYTECODE: each start of each
# process would translate all its modules again, which takes longer than the rest of the start.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Print the first Python that is 3.11 or newer; a name on PATH may be a shim that can't run.
find_python() {
    local candidate
    for candidate in ${MAILING_PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    die "needs Python 3.11 or newer: install it, or set MAILING_PYTHON to its path"
}

# A lock, and the entry points in pyproject.toml, as one word.
fingerprint() {
    cat "requirements/$1.txt" pyproject.toml | .venv/bin/python -c '
import hashlib, os, sys
print(hashlib.sha256(sys.stdin.buffer.read() + os.getcwd().encode()).hexdigest())'
}

# prepare run|docs|dev: make .venv, unless what is there was made from the same lock. dev holds all that the others do.
prepare() {
    local kind=$1 wanted
    if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        make_venv
    fi
    if is_installed "$kind" || is_installed dev; then
        return
    fi
    wanted=$(fingerprint "$kind")
    say "Installing $(grep -c '^[a-z]' "requirements/$kind.txt") packages from requirements/$kind.txt into .venv"
    rm -f .venv/.mailing-*
    renew_pip .venv
    .venv/bin/python -m pip install -qq --no-compile --require-hashes --no-deps -r "requirements/$kind.txt" ||
        die "could not install requirements/$kind.txt, see above"
    # setuptools came with the lock, so nothing is fetched here.
    .venv/bin/python -m pip install -qq --no-deps --no-build-isolation --no-index -e . ||
        die "could not install the project into .venv, see above"
    .venv/bin/python -m pip check >/dev/null || die "the packages in requirements/$kind.txt don't fit together"
    say "$wanted" >".venv/.mailing-$kind"
}

# renew_pip ENVIRONMENT: give it the pip that is locked. Where it can't be had, the one that is there does the same.
renew_pip() {
    "$1/bin/python" -m pip install -qq --no-compile --require-hashes --no-deps -r requirements/pip.txt 2>/dev/null || true
}

is_installed() { [ "$(cat ".venv/.mailing-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]; }

make_venv() {
    local python
    python=$(find_python)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python can't make virtual environments; on Debian and Ubuntu: apt install python3-venv"
    say "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv || die "could not make .venv"
}
