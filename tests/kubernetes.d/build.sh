# Sourced: builds etcd, Kubernetes' control plane, kubectl and kwok, once, out of their Go modules.

KUBERNETES=1.37.2 ETCD=3.7.3 KWOK=0.8.0

cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/flex-overflow/kubernetes-$KUBERNETES
mkdir -p "$cache"/{bin,kubernetes,etcd,kwok}

# Kubernetes' module takes its libraries from its own folders, which the module proxy doesn't have; they are
# modules as well, of the same release.
kubernetes_module() {
  go mod download "k8s.io/kubernetes@v$KUBERNETES"
  local its
  its=$(go env GOMODCACHE)/cache/download/k8s.io/kubernetes/@v/v$KUBERNETES.mod
  {
    printf 'module tools\n\n'
    grep -E '^(go|godebug) ' "$its"
    printf '\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$KUBERNETES"
    sed -nE "s#^\s+(k8s.io/\S+) => \./staging/.*#\t\1 => \1 v0.${KUBERNETES#*.}#p" "$its"
    printf ')\n'
  } >go.mod
  cat >tools.go <<'GO'
//go:build tools

package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
GO
  go mod tidy -e
}

module() {
  rm -f go.mod go.sum
  go mod init tools
  go get "$1"
}

# build FOLDER PACKAGE BINARY
build() {
  local version="-X k8s.io/component-base/version.gitVersion=v$KUBERNETES"
  [[ -x $cache/bin/$3 ]] ||
    (cd "$cache/$1" && go build -mod=mod -trimpath -ldflags="-s -w $version" -o "$cache/bin/$3" "$2")
}

if [[ ! -x $cache/bin/kwok ]]; then
  command -v go >/dev/null || { echo "tests/kubernetes: it takes Go to build Kubernetes" >&2; exit 1; }
  echo "tests/kubernetes: building Kubernetes $KUBERNETES into $cache, which takes some minutes"
  {
    (cd "$cache/kubernetes" && kubernetes_module)
    (cd "$cache/etcd" && module "go.etcd.io/etcd/server/v3@v$ETCD")
    (cd "$cache/kwok" && module "sigs.k8s.io/kwok@v$KWOK")
    for binary in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
      build kubernetes k8s.io/kubernetes/cmd/$binary $binary
    done
    build etcd go.etcd.io/etcd/server/v3 etcd
    # How nodes and pods come to be ready, and go.
    stages=$(go env GOMODCACHE)/sigs.k8s.io/kwok@v$KWOK/kustomize/stage
    install -m 644 "$stages"/node/{fast,heartbeat-with-lease}/node-*.yaml "$stages"/pod/fast/pod-*.yaml "$cache/kwok"
    build kwok sigs.k8s.io/kwok/cmd/kwok kwok
  } >"$cache/log" 2>&1 || { tail -n 20 "$cache/log" >&2; exit 1; }
fi
PATH=$cache/bin:$PATH
