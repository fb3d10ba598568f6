"""Stands in for a ztunnel and for istiod: their ports, on localhost where theirs are, with small answers in their formats."""

import http.server
import json
import sys
import threading

WORKLOADS = [
    {
        "uid": f"Kubernetes//Pod/shop/web-{number}",
        "name": f"web-{number}",
        "namespace": "shop",
        "workloadIps": [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"],
        "serviceAccount": "web",
        "trustDomain": "cluster.local",
        "status": "Healthy",
    }
    for number in range(5000)
]
DUMP = {
    "config": {"localNode": "node"},
    "policies": [],
    "services": [],
    "version": {},
    "workloadState": {},
    "workloads": WORKLOADS,
}
SYNCZ = [
    {
        "proxy": "ztunnel-e2e.istio-system",
        "proxy_type": "ztunnel",
        "resources": {"type.googleapis.com/istio.workload.Address": {"sent": "b", "acked": "a", "lastError": "no"}},
    }
]
METRICS = "# TYPE x gauge\nworkload_manager_active_proxy_count 4\nworkload_manager_pending_proxy_count 0\n# EOF\n"
PORTS = {
    ("127.0.0.1", 15000): ("/config_dump", 200, json.dumps(DUMP, indent=2)),
    ("127.0.0.1", 15014): ("/debug/syncz", 200, json.dumps(SYNCZ)),
    ("", 15020): ("/metrics", 200, METRICS),
    ("", 15021): ("/healthz/ready", 500, "not ready, pending: workload proxy manager\n"),
}


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        address, port = self.server.server_address
        path, status, text = PORTS["127.0.0.1" if address == "127.0.0.1" else "", port]
        if self.path != path:
            status, text = 404, ""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Log the request line instead, with the port."""
        sys.stdout.write(f"{self.server.server_address[1]} {self.requestline}\n")  # print writes in parts

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:  # the probe of the kubelet
            self.close_connection = True


for where in PORTS:
    threading.Thread(target=http.server.ThreadingHTTPServer(where, _Handler).serve_forever).start()
