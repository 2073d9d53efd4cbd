import ACME
import Foundation
import JOSE
import StrictJSON
import SwiftASN1
import TestSupport
import X509

@testable import CertificateStore
@testable import Issuance

extension FuzzTarget {
    /// Keys and signatures: after a line with the form, SubjectPublicKeyInfo, JWK, a key file, a JWS, or an ECDSA
    /// signature's DER. Each has one form, and swift-certificates reads the same keys.
    static let key = FuzzTarget(
        "key", longest: 2_048,
        tokens: [
            "\"kty\":\"EC\"", "\"crv\":\"P-256\"", "\"x\":\"", "\"kty\":\"RSA\"", "\"n\":\"", "\"e\":\"AQAB\"", "\"d\":\"AA\"",
            "\"protected\":\"",
            "\"payload\":\"\"", "\"signature\":\"AA\"", "-----BEGIN ACME AGENT KEY-----\n", "-----END ACME AGENT KEY-----\n", "0\u{1}",
            "AAAA",
        ]
    ) {
        let p256 = PublicKey.ec(
            curve: .p256, x: Hexadecimal.decode("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296") ?? [],
            y: Hexadecimal.decode("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5") ?? [])
        let rsa = PublicKey.rsa(modulus: [0xC1] + [UInt8](repeating: 0x35, count: 255), exponent: [1, 0, 1])
        let keys = [p256, rsa, .ed25519([0x58] + [UInt8](repeating: 0x66, count: 31))]
        return keys.map { .headed("spki", $0.spki) } + keys.map { .headed("jwk", $0.jwk) } + [
            .headed("file", KeyFile.encode(name: "web", socket: "/run/a.sock", spki: p256.spki)),
            .headed("file", KeyFile.encode(name: "web", socket: nil, spki: rsa.spki)),
            .headed("jws", #"{"protected":"e30","payload":"","signature":"AAEC"}"#.utf8),
            .headed("ecdsa", ECDSASignature.der(raw: [UInt8](repeating: 0x80, count: 64)) ?? []),
        ]
    } check: { bytes in
        guard let (form, content) = bytes.headed else { return false }
        switch form {
        case "spki":
            guard let key = try? PublicKey(spki: content) else { return false }
            try expect(key.spki == content, "a public key has two forms")
            let other = try must("swift-certificates refuses a public key") { try Certificate.PublicKey(derEncoded: content) }
            try expect(try encoded(other) == content, "swift-certificates reads another public key")
            try checkJWK(key)
        case "jwk":
            guard let object = try? JSONDocument(parsing: content).root.object(), let key = try? PublicKey(jwk: object) else {
                return false
            }
            try checkJWK(key)
            let again = try must("a JWK's key is refused as SubjectPublicKeyInfo") { try PublicKey(spki: key.spki) }
            try expect(again == key, "a JWK's key is another one as SubjectPublicKeyInfo")
        case "file":
            guard let file = try? KeyFile(pem: content) else { return false }
            let text = KeyFile.encode(name: file.name, socket: file.socket, spki: file.publicKey.spki)
            let again = try must("a key file that was written is refused") { try KeyFile(pem: text) }
            try expect(again == file, "a key file that was written is another one")
        case "jws":
            guard let jws = try? FlattenedJWS(json: content) else { return false }
            let again = try must("a JWS that was written is refused") { try FlattenedJWS(json: jws.json()) }
            try expect(
                again == jws && jws.signedBytes == Array("\(jws.protected).\(jws.payload)".utf8), "a JWS that was written is another one")
            try expect(Base64URL.decode(jws.signature).map { Base64URL.encode($0) } == jws.signature, "base64url has two forms")
        case "ecdsa":
            guard let raw = ECDSASignature.raw(der: content, size: 32) else { return false }
            try expect(raw.count == 64 && ECDSASignature.der(raw: raw) == content, "a signature has two forms")
        default: return false
        }
        return true
    }

    /// SubjectPublicKeyInfo, DER.
    private static func encoded(_ key: Certificate.PublicKey) throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(key)
        return serializer.serializedBytes
    }

    private static func checkJWK(_ key: PublicKey) throws {
        let object = try must("a JWK that was written is no object") { try JSONDocument(parsing: key.jwk).root.object() }
        let again = try must("a JWK that was written is refused") { try PublicKey(jwk: object) }
        try expect(again == key, "a JWK that was written is another key")
    }

    /// Certificates in PEM, DER or PKCS #7. A chain that is read is the same when it is written, a certificate when it was
    /// stored, and swift-certificates reads the same fields.
    static let certificate = FuzzTarget(
        "certificate", longest: 4_096,
        tokens: [
            "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", "-----BEGIN PKCS7-----\n", "-----BEGIN PRIVATE KEY-----\n",
            "\r\n",
            "=", "\u{17}\r491231235959Z", "\u{18}\u{F}20500101000000Z", "\u{3}U\u{1D}\u{11}", "\u{4}\u{2}0\0", "\u{5}\0",
        ], binary: [[0x30, 0x82, 1], [0x30, 0x80], [0, 0]]
    ) {
        let ca = RevokingCA(),
            chain = try ca.chain(serial: [0, 0x90, 1], points: [["http://crl.test/1"]], names: ["www.example.org", "a.test"])
        return [RevokingCA.pem(chain), RevokingCA.pem([chain[0]]), chain[0], chain[1]]
    } check: { bytes in
        var isAccepted = false
        if let chain = try? CertificatePEM.read(bytes) {
            try expect((1...CertificatePEM.maximumCertificates).contains(chain.count), "a chain has \(chain.count) certificates")
            let again = try must("a chain that was written is refused") {
                try CertificatePEM.read(chain.flatMap { Array(PEM.encode($0, label: "CERTIFICATE").utf8) })
            }
            try expect(again == chain, "a chain that was written is another one")
            isAccepted = true
        }
        guard let found = try? ReceivedCertificates.read(bytes) else { return isAccepted }
        for der in found {
            guard let own = try? ChainCertificate(der: der) else { continue }
            isAccepted = true
            try expect(UnreadableCertificate.mayBeCertificate(der), "a certificate is not one SEQUENCE")
            let stored = try must("a certificate is refused when it was stored") { try ChainCertificate(stored: der) }
            try expect(stored.spki == own.spki && stored.notAfter == own.notAfter, "a certificate is another one when it was stored")
            try checkDistributionPoints(own)
            guard let other = try? Certificate(derEncoded: der) else { continue }
            let isSameSerial = other.serialNumber.bytes.drop { $0 == 0 } == own.serialNumber.drop { $0 == 0 }
            try expect(isSameSerial, "swift-certificates reads another serial number")
            try expect(other.subject == own.subject && other.issuer == own.issuer, "swift-certificates reads other names")
            let isSameKey = try !own.isOfKnownKind || encoded(other.publicKey) == own.spki
            try expect(isSameKey, "swift-certificates reads another key")
            try expect(Int64(other.notValidBefore.timeIntervalSince1970) == own.notBefore, "swift-certificates reads another beginning")
            try expect(Int64(other.notValidAfter.timeIntervalSince1970) == own.notAfter, "swift-certificates reads another end")
        }
        return isAccepted
    }

    private static func checkDistributionPoints(_ certificate: ChainCertificate) throws {
        guard let value = certificate.extensionValue(CertificateDistributionPoints.oid)?.value,
            let points = try? CertificateDistributionPoints(value)
        else { return }
        try expect(points.points.count <= CertificateDistributionPoints.maximumPoints, "more distribution points are kept than the limit")
        try expect(points.places(atMost: 3).count <= 3, "more places are asked than the limit")
    }

    /// Revocation lists, DER. The entries are those that swift-asn1's reader finds, by a walk of its own; a list is found
    /// to be somebody's only by its signature.
    static let revocationList = FuzzTarget(
        "revocation-list", longest: 2_048,
        tokens: [
            "\u{17}\r271231235959Z", "\u{18}\u{F}20500101000000Z", "\u{A}\u{1}\u{8}", "\u{3}U\u{1D}\u{15}", "\u{2}\u{1}",
        ], binary: [[0x30, 0x80], [1, 1, 0xFF], [0xA0, 2], [0x30, 0x84, 0, 0, 0, 1]]
    ) {
        let ca = RevokingCA()
        var list = RevokingCA.List()
        list.entries = [
            .init([0x40, 1], reason: 1), .init([0, 0x90, 2]), .init([3], reason: 8), .init([4], date: RevokingCA.now, reason: 6),
        ]
        let plain = try ca.list(list)
        list.points = ["http://crl.test/1"]
        list.number = [0, 0xFF]
        return [plain, try ca.list(list), try ca.list(.init())]
    } check: { bytes in
        guard let list = try? RevocationList(der: bytes) else { return false }
        try expect(
            list.number.map { $0.count <= 20 && $0.first != 0 } ?? true, "a list's number has leading zeros, or is longer than the limit")
        guard let root = try? DER.parse(bytes) else { return true }
        let serials = try serials(root)
        guard let found = try? list.find(Set(serials.map(\.serial))) else { return true }
        for (serial, isRemoved) in serials {
            if !isRemoved { try expect(found[serial] != nil, "an entry is not found: \(Hexadecimal.encode(serial))") }
        }
        try expect(
            found.keys.allSatisfy { key in serials.contains { $0.serial == key && !$0.isRemoved } }, "an entry is found that is not there")
        return true
    }

    /// The serial numbers of a list's entries without leading zeros, and whether the entry is removeFromCRL (RFC 5280
    /// §5.3.1).
    private static func serials(_ root: ASN1Node) throws -> [(serial: ArraySlice<UInt8>, isRemoved: Bool)] {
        func children(_ node: ASN1Node?) -> [ASN1Node] {
            guard let node, case .constructed(let children) = node.content else { return [] }
            return Array(children)
        }
        func primitive(_ node: ASN1Node?) -> ArraySlice<UInt8>? {
            guard let node, case .primitive(let bytes) = node.content else { return nil }
            return bytes
        }
        let fields = children(children(root).first)
        let times = fields.lastIndex { $0.identifier == .utcTime || $0.identifier == .generalizedTime }
        guard let times, times + 1 < fields.count, fields[times + 1].identifier == .sequence else { return [] }
        return children(fields[times + 1]).compactMap { entry in
            let parts = children(entry)
            guard let serial = primitive(parts.first) else { return nil }
            let reasons = children(parts.count > 2 ? parts[2] : nil).compactMap { one -> UInt8? in
                let parts = children(one)
                guard primitive(parts.first)?.elementsEqual([0x55, 0x1D, 0x15]) == true, let value = primitive(parts.last)
                else { return nil }
                return value.count == 3 ? value.last : 0
            }
            return (serial.drop { $0 == 0 }, reasons.last == 8)
        }
    }
}

extension ChainCertificate {
    /// Whether the library reads and writes keys of its kind byte for byte.
    fileprivate var isOfKnownKind: Bool { (try? PublicKey(spki: spki)) != nil }
}
