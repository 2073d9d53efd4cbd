#!/bin/sh
# Remakes the keys in this folder, with OpenSSL and Python as independent implementations. The private keys are
# discarded. valid/NAME.der is a SubjectPublicKeyInfo, valid/NAME.pem the same as printed by OpenSSL. valid/expected.txt
# has NAME, THUMBPRINT (RFC 7638, base64url) and FINGERPRINT (SHA-256 of the DER, hex). refused/ has keys that
# must be refused. signature/ has ECDSA signatures of message.txt in DER, by the keys next to them.
set -eu
cd "$(dirname "$0")"
mkdir -p valid refused signature
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make() { # folder name genpkey-arguments…
    folder=$1 name=$2
    shift 2
    openssl genpkey -out "$work/$name.key" "$@" 2>/dev/null
    openssl pkey -in "$work/$name.key" -pubout -outform DER -out "$folder/$name.der"
}

for curve in 256 384; do make valid p$curve -algorithm EC -pkeyopt ec_paramgen_curve:P-$curve; done
for bits in 2048 3072 4096; do make valid rsa$bits -algorithm RSA -pkeyopt rsa_keygen_bits:$bits; done
make valid rsa2056-exponent3 -algorithm RSA -pkeyopt rsa_keygen_bits:2056 -pkeyopt rsa_keygen_pubexp:3
make valid ed25519 -algorithm ED25519
for der in valid/*.der; do openssl pkey -pubin -inform DER -in "$der" -pubout -out "${der%.der}.pem"; done

make refused rsa1024 -algorithm RSA -pkeyopt rsa_keygen_bits:1024
make refused rsa2047 -algorithm RSA -pkeyopt rsa_keygen_bits:2047
make refused rsa4104 -algorithm RSA -pkeyopt rsa_keygen_bits:4104
make refused rsa-pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
make refused p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521
make refused secp256k1 -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1
make refused explicit-curve -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit
make refused x25519 -algorithm X25519
make refused ed448 -algorithm ED448
openssl ec -in "$work/p256.key" -pubout -conv_form compressed -outform DER -out refused/compressed.der 2>/dev/null
openssl ec -in "$work/p256.key" -pubout -conv_form hybrid -outform DER -out refused/hybrid.der 2>/dev/null

printf 'a message\n' >signature/message.txt
for curve in 256 384; do
    openssl dgst -sha$curve -sign "$work/p$curve.key" -out signature/p$curve.sig signature/message.txt
    cp valid/p$curve.der signature/p$curve.der
done

python3 - >valid/expected.txt <<'END'
import base64, glob, hashlib, json, os, re, subprocess

def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

for path in sorted(glob.glob("valid/*.der")):
    der = open(path, "rb").read()
    name = os.path.basename(path)[:-4]
    if name.startswith("p"):
        size = {"p256": 32, "p384": 48}[name]
        jwk = {"crv": "P-" + name[1:], "kty": "EC", "x": b64(der[-2 * size : -size]), "y": b64(der[-size:])}
    elif name.startswith("rsa"):
        text = subprocess.run(
            ["openssl", "rsa", "-pubin", "-inform", "DER", "-in", path, "-noout", "-text", "-modulus"],
            capture_output=True, text=True, check=True).stdout
        modulus = bytes.fromhex(re.search(r"Modulus=([0-9A-F]+)", text)[1])
        exponent = int(re.search(r"Exponent: (\d+)", text)[1])
        jwk = {"e": b64(exponent.to_bytes((exponent.bit_length() + 7) // 8, "big")), "kty": "RSA", "n": b64(modulus)}
    else:
        jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64(der[-32:])}
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()
    print(name, b64(hashlib.sha256(canonical).digest()), hashlib.sha256(der).hexdigest())
END
