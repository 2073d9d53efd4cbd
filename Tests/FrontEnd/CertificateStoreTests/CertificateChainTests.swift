import ACME
import Crypto
import DurableFile
import Glibc
import JOSE
import SwiftASN1
import Testing
import X509

@testable import CertificateStore

@Suite("Certificate chains")
struct CertificateChainTests {
    let folder: StoreFolder
    let names: [Identifier]

    init() throws {
        folder = try StoreFolder()
        names = try StoreFolder.names.map { try Identifier(argument: $0) }
    }

    private func check(_ chain: [[UInt8]], spki: [UInt8]? = nil, time: Int64 = TestCA.now) throws {
        try CertificateChain(pem: TestCA.pem(chain)).check(spki: spki ?? folder.key.publicKey.spki, identifiers: names, time: time)
    }

    /// The refusal's reason.
    private func refusal(_ body: () throws -> Void) -> String? {
        do {
            try body()
            return nil
        } catch {
            guard let error = error as? StoreError, error.reason == .chainRefused else { return "another error: \(error)" }
            return error.message.replacing("the CA's certificate chain is refused: ", with: "")
        }
    }

    @Test("The ordered chain is accepted, with its details")
    func good() throws {
        let der = try folder.ca.chain(key: folder.key.publicKey, names: StoreFolder.names, root: true)
        try check(der)
        let chain = try CertificateChain(pem: TestCA.pem(der))
        #expect(chain.der == der)
        #expect(chain.spki == folder.key.publicKey.spki)
        #expect(try chain.identifiers() == names)
        #expect(chain.notBefore == TestCA.now - 3_600 && chain.notAfter == TestCA.now + 7_776_000)
        #expect(chain.authorityKeyIdentifier == [1, 2, 3])
        #expect(chain.fullChainPEM == TestCA.pem(der))
        // The order of the names does not matter, nor do CRLF and blank lines.
        try check(try folder.ca.chain(key: folder.key.publicKey, names: StoreFolder.names.reversed()))
        let text = String(decoding: TestCA.pem(der), as: UTF8.self).replacing("\n", with: "\r\n") + "\r\n\r\n"
        #expect(try CertificateChain(pem: Array(text.utf8)).der == der)
    }

    @Test("A CA certificate is refused as a server's")
    func authority() throws {
        let der = try folder.ca.chain(key: folder.key.publicKey, names: StoreFolder.names, isCA: true)
        #expect(refusal { try check(der) } == "it is a CA's certificate (basicConstraints)")
    }

    @Test("A chain for another key, other names or another time is refused with the reason")
    func wrong() throws {
        let ca = folder.ca, key = folder.key.publicKey
        #expect(
            refusal { try check(ca.chain(key: P256.Signing.PrivateKey().publicKey, names: StoreFolder.names)) }
                == "it is for a key that is not the agent's")
        #expect(refusal { try check(ca.chain(key: key, names: ["www.example.org"])) } == "it is not for \"192.0.2.1\"")
        #expect(
            refusal { try check(ca.chain(key: key, names: StoreFolder.names + ["evil.test"])) }
                == "it is also for \"evil.test\", which was not ordered")
        #expect(refusal { try check(ca.chain(key: key, names: ["*.example.org", "192.0.2.1"])) } == "it is not for \"www.example.org\"")
        #expect(
            refusal { try check(ca.chain(key: key, names: StoreFolder.names, other: .rfc822Name("a@b.example"))) }?.contains(
                "neither a DNS name") == true)
        #expect(refusal { try check(ca.chain(key: key, names: [])) }?.hasPrefix("it is not for") == true)
        #expect(refusal { try check(ca.chain(key: key, names: StoreFolder.names, to: -1)) }?.hasPrefix("it expired on") == true)
        #expect(refusal { try check(ca.chain(key: key, names: StoreFolder.names, from: 86_400)) }?.hasPrefix("it is valid from") == true)
        #expect(
            refusal { try check(ca.chain(key: key, names: StoreFolder.names), time: TestCA.now + 31_536_000) }?.contains(
                "by this host's clock") == true)
        let good = try ca.chain(key: key, names: StoreFolder.names, root: true)
        #expect(refusal { try check([good[1], good[0]]) } == "it is for a key that is not the agent's")
        let stranger = try TestCA().chain(key: key, names: StoreFolder.names)
        #expect(refusal { try check([good[0], stranger[1]]) } == "certificate 1 was not issued by certificate 2")
    }

    private func foreign(_ chain: [[UInt8]]) throws {
        let leaf = try Certificate(derEncoded: ForeignCertificates.leaf)
        var serializer = DER.Serializer()
        try serializer.serialize(leaf.publicKey)
        try CertificateChain(pem: TestCA.pem(chain)).check(spki: serializer.serializedBytes, identifiers: names, time: TestCA.now)
    }

    /// AD CS signs like this.
    @Test("Issuers and leaves signed with RSASSA-PSS are accepted")
    func signedByPSS() throws {
        try foreign([ForeignCertificates.leaf, ForeignCertificates.issuer])
        try foreign([ForeignCertificates.leaf, ForeignCertificates.issuer, ForeignCertificates.root])
        try foreign([ForeignCertificates.leafByPSS, ForeignCertificates.issuer, ForeignCertificates.root])
        #expect(
            refusal { try check([ForeignCertificates.leafByPSS, ForeignCertificates.issuer]) } == "it is for a key that is not the agent's")
    }

    /// RFC 5280 §7.1: values are compared without regard to case, spaces and encoding.
    @Test("Names are compared by their values")
    func namesByValue() throws {
        try foreign([ForeignCertificates.leaf, ForeignCertificates.issuerInOtherLetters, ForeignCertificates.root])
    }

    @Test("An issuer with a key of an unknown kind is accepted")
    func unknownIssuerKey() throws {
        try foreign([ForeignCertificates.leaf, ForeignCertificates.issuer, ForeignCertificates.root, ForeignCertificates.ed448])
        try foreign([ForeignCertificates.leaf, ForeignCertificates.issuer, ForeignCertificates.ed448])
    }

    @Test("An unreadable issuer is kept if it may be a certificate, and left out if it cannot be one")
    func unreadableIssuer() throws {
        // A complete SEQUENCE that is not a certificate known to this program.
        let strange: [UInt8] = [0x30, 0x06, 0x30, 0x04, 0x02, 0x02, 0x00, 0x01]
        try foreign([ForeignCertificates.leaf, ForeignCertificates.issuer, strange])
        try foreign([ForeignCertificates.leaf, ForeignCertificates.issuer, [0, 0, 0]])
        let leaf = try ForeignCertificates.leaf, issuer = try ForeignCertificates.issuer
        let kept = try CertificateChain(der: [leaf, strange, issuer])
        #expect(kept.der == [leaf, strange, issuer] && kept.certificates.count == 2)
        #expect(kept.warnings == ["certificate 2 of the CA's chain is not a certificate as RFC 5280 describes it; it is kept"])
        let cut = try CertificateChain(der: [leaf, [0, 0, 0], issuer])
        #expect(cut.der == [leaf, issuer])
        #expect(cut.warnings == ["certificate 2 of the CA's chain is not valid DER; it is left out"])
    }

    @Test("A root before the intermediate is accepted")
    func rootFirst() throws {
        let good = try folder.ca.chain(key: folder.key.publicKey, names: StoreFolder.names, root: true)
        try check([good[0], good[2], good[1]])
        try foreign([ForeignCertificates.leaf, ForeignCertificates.root, ForeignCertificates.issuer])
    }

    @Test("Unsupported is not reported as invalid, and no library's text is shown")
    func wordsOfRefusals() throws {
        let ed448 = try #require(refusal { try foreign([ForeignCertificates.ed448]) })
        #expect(ed448 == "it is for a key that is not the agent's")
        for bytes in [[UInt8](), [0x30, 0x00], [0x30, 0x03, 0x02, 0x01, 0x00], [0x00, 0x00, 0x00], [0x30, 0x80, 0, 0]] {
            let got = try #require(refusal { _ = try CertificateChain(der: [bytes]) })
            for word in ["ASN1", "Error", "swift", "invalid", "(", "."] { #expect(!got.contains(word), "\(got)") }
        }
    }

    @Test("Anything but certificates in the text is refused")
    func foreign() throws {
        let pem = String(decoding: TestCA.pem(try folder.ca.chain(key: folder.key.publicKey, names: StoreFolder.names)), as: UTF8.self)
        let secret = folder.key.pemRepresentation
        let texts: [(String, String)] = [
            (pem + secret + "\n", "PRIVATE KEY"), (secret + "\n" + pem, "PRIVATE KEY"), ("", "no certificate"), ("hello\n", "text outside"),
            (pem + "x", "text outside"), (String(pem.dropLast(5)), "wrong END line"),
            (pem.replacing("CERTIFICATE", with: "X509 CRL"), "X509 CRL"),
            (pem.replacing("END CERTIFICATE", with: "END PRIVATE KEY"), "wrong END line"),
            ("-----BEGIN CERTIFICATE-----\n" + pem, "within another"),
            ("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "not base64"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not valid DER"),
            ("-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n", "not base64"),
            ("-----BEGIN CERTIFICATE-----\nA=AA\n-----END CERTIFICATE-----\n", "not base64"),
            ("-----BEGIN CERTIFICATE-----\nAB==\n-----END CERTIFICATE-----\n", "not base64"),
            (String(repeating: pem, count: 9), "more than 16"), (String(repeating: " ", count: 1 << 20) + pem, "larger than"),
            ("<html>502 Bad Gateway</html>", "text outside"),
        ]
        for (text, reason) in texts {
            let got = refusal { _ = try CertificateChain(pem: Array(text.utf8)) }
            #expect(got?.contains(reason) == true, "\(got ?? "accepted"), not \(reason)")
        }
        #expect(refusal { _ = try CertificateChain(der: []) } != nil)
        var der = try folder.ca.chain(key: folder.key.publicKey, names: StoreFolder.names)[0]
        der.append(0)
        #expect(refusal { _ = try CertificateChain(der: [der]) }?.contains("not valid DER") == true)
    }

    @Test("Export as PEM, DER and PKCS #7 that OpenSSL reads")
    func export() throws {
        let der = try folder.ca.chain(key: folder.key.publicKey, names: StoreFolder.names, root: true)
        let chain = try CertificateChain(der: der)
        #expect(chain.exported(as: .pem) == TestCA.pem(der))
        #expect(chain.exported(as: .der) == der[0])
        #expect(chain.leafPEM + chain.issuersPEM == chain.fullChainPEM)
        let path = folder.folder + "/chain.p7b"
        try DurableFile.replace(path, with: chain.exported(as: .p7b), mode: 0o600)
        let pipe = try #require(popen("openssl pkcs7 -inform DER -in \(path) -print_certs 2>&1", "r"))
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4_096)
        while case let got = fread(&chunk, 1, chunk.count, pipe), got > 0 { output += chunk[..<got] }
        #expect(pclose(pipe) == 0)
        let text = String(decoding: output, as: UTF8.self)
        for certificate in der { #expect(text.contains(PEM.encode(certificate, label: "CERTIFICATE"))) }
    }
}
