# Sourced: an API server with its controllers and scheduler, four nodes that kwok plays, and two volumes. All of
# it on loopback, in $work, and ended with this script.

pids=()
end() {
  kill "${pids[@]}" 2>/dev/null || true
  wait "${pids[@]}" 2>/dev/null || true
}

start() {
  "$@" >"$work/$1.log" 2>&1 &
  pids+=($!)
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_cluster() {
  local clients peers secure
  clients=http://127.0.0.1:$(free_port) peers=http://127.0.0.1:$(free_port) secure=$(free_port)
  start etcd --data-dir "$work/etcd" --listen-client-urls "$clients" --advertise-client-urls "$clients" \
    --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" --initial-cluster "default=$peers"
  openssl genrsa -out "$work/accounts.key" 2048 2>/dev/null
  echo 'token,admin,admin,system:masters' >"$work/tokens"
  start kube-apiserver --etcd-servers "$clients" --bind-address 127.0.0.1 --advertise-address 127.0.0.1 \
    --secure-port "$secure" --cert-dir "$work/certificates" --token-auth-file "$work/tokens" \
    --authorization-mode RBAC --service-cluster-ip-range 10.96.0.0/16 --allow-privileged \
    --endpoint-reconciler-type none --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$work/accounts.key" --service-account-signing-key-file "$work/accounts.key"
  export KUBECONFIG=$work/kubeconfig
  kubectl config set-cluster here --server "https://127.0.0.1:$secure" --insecure-skip-tls-verify >/dev/null
  kubectl config set-credentials admin --token token >/dev/null
  kubectl config set-context here --cluster here --user admin >/dev/null
  kubectl config use-context here >/dev/null
  until_true "the API server" kubectl get --raw /readyz
  start kube-controller-manager --kubeconfig "$KUBECONFIG" --leader-elect=false --secure-port 0 \
    --service-account-private-key-file "$work/accounts.key"
  start kube-scheduler --kubeconfig "$KUBECONFIG" --leader-elect=false --secure-port 0
  local stages=("$cache"/kwok/*.yaml)
  start kwok --kubeconfig "$KUBECONFIG" --manage-all-nodes --node-lease-duration-seconds 40 "${stages[@]/#/--config=}"
  for number in 1 2 3 4; do
    kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Node
metadata:
  name: node-$number
  labels: { kubernetes.io/hostname: node-$number, topology.kubernetes.io/zone: zone-$((number % 2)) }
status:
  allocatable: { cpu: "4", memory: 8Gi, pods: "50" }
  capacity: { cpu: "4", memory: 8Gi, pods: "50" }
YAML
  done
  # Nobody makes volumes here.
  for number in 1 2; do
    kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: { name: volume-$number }
spec:
  accessModes: [ReadWriteOnce]
  capacity: { storage: 1Gi }
  hostPath: { path: /nowhere }
YAML
  done
  until_true "the default service account" kubectl --namespace default get serviceaccount default
}

# until_true WHAT COMMAND…
until_true() {
  local what=$1 tries=0
  shift
  until "$@" >/dev/null 2>&1; do
    if ((++tries > 240)); then
      echo "tests/kubernetes: $what does not come" >&2
      exit 1
    fi
    sleep 0.5
  done
}
