"""A throw-away certificate authority and certificates for loopback, made by the openssl command."""
import ssl
import subprocess

import rawhttp


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.cert, self.key = folder / "ca.pem", folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=a test's own CA",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign", "-keyout", self.key, "-out", self.cert)

    def issue(self, name, *, kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), days=2):
        """(certificate, key) for 127.0.0.1 and localhost."""
        cert, key, request, more = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        more.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
        openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", days, "-extfile", more, "-out", cert)
        key.chmod(0o600)
        return cert, key


class Http(rawhttp.Http):
    """rawhttp over TLS."""

    def __init__(self, target):
        super().__init__(target.host, target.port, target.access_key, target.secret_key)
        self.context = ssl.create_default_context(cafile=target.ca)

    def connect(self):
        return self.context.wrap_socket(super().connect(), server_hostname="127.0.0.1")
