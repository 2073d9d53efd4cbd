import ACME
import Crypto
import NIOCore
import SwiftASN1

@testable import Issuance
@testable import Keyring

extension FuzzTarget {
    private static let spaces = [UInt8](repeating: 0x20, count: 64)

    private static func context(_ message: HandshakeMessage) -> [UInt8] {
        let role = message == .clientCertificateVerify ? "client" : "server"
        return spaces + Array("TLS 1.3, \(role) CertificateVerify".utf8) + [0]
    }

    /// The contents that the agent signs for TLS. What is taken is one message's content to its last byte, as it is put
    /// together here; it is no other message's, and nothing that another grammar, ASN.1's or SSH's, takes as a whole.
    static let handshake = FuzzTarget(
        "handshake", longest: 512,
        tokens: [
            "TLS 1.3, server CertificateVerify\0", "TLS 1.3, client CertificateVerify\0", "TLS 1.3, server delegated credentials\0",
            "SSHSIG",
            String(repeating: " ", count: 64), "\u{3}\0\u{1D}", "\u{3}\0\u{17}A\u{4}", "\u{3}\0\u{18}a\u{4}", "0\u{1}\0", "1b0`\u{6}",
        ]
    ) {
        let randoms = (0..<64).map { UInt8($0) &* 5 &+ 1 }
        let p256 = try P256.KeyAgreement.PrivateKey(rawRepresentation: [UInt8](repeating: 7, count: 32)).publicKey.x963Representation
        let p384 = try P384.KeyAgreement.PrivateKey(rawRepresentation: [UInt8](repeating: 7, count: 48)).publicKey.x963Representation
        return [
            context(.serverCertificateVerify) + [UInt8](repeating: 1, count: 32),
            context(.clientCertificateVerify) + [UInt8](repeating: 2, count: 48),
            randoms + [3, 0, 29, 32] + [UInt8](repeating: 9, count: 32),
            randoms + [3, 0, 23, 65] + p256, randoms + [3, 0, 24, 97] + p384,
        ]
    } check: { content in
        var taken: [HandshakeMessage] = []
        for message in HandshakeMessage.allCases {
            let schemes = TLSSignatureScheme.allCases.filter {
                (try? HandshakeContent(message, content: content, scheme: $0.rawValue)) != nil
            }
            try expect(
                schemes.isEmpty || schemes == TLSSignatureScheme.allCases.filter { $0.isFor(message) },
                "whether \(message) is taken depends on the scheme")
            if !schemes.isEmpty { taken.append(message) }
        }
        guard let message = taken.first else { return false }
        try expect(taken.count == 1, "it is two messages' content: \(taken)")
        switch message {
        case .serverCertificateVerify, .clientCertificateVerify:
            let hash = content.count - context(message).count
            try expect(hash == 32 || hash == 48, "a transcript hash of \(hash) bytes is taken")
            try expect(content == context(message) + content.suffix(hash), "another context is taken")
        case .serverKeyExchange: try checkKeyExchange(content)
        }
        // DER of the content's own length would be a request or signed attributes, for which the same key signs.
        if content.first == 0x30 || content.first == 0x31, let root = try? DER.parse(content) {
            try expect(!isSignable(root), "it is also DER that a key signs")
        }
        try expect(!content.starts(with: "SSHSIG".utf8), "it is also the blob of an SSH signature")
        return true
    }

    private static func checkKeyExchange(_ content: [UInt8]) throws {
        let lengths: [UInt8: Int] = [29: 32, 23: 65, 24: 97]
        try expect(content.count > 68 && content[64] == 3 && content[65] == 0, "a curve without a name is taken")
        let length = lengths[content[66]]
        try expect(length == Int(content[67]) && length == content.count - 68, "a point of another length is taken")
        try expect(content[66] == 29 || content[68] == 4, "a compressed point is taken")
    }

    /// Whether a CertificationRequestInfo (RFC 2986 §4.1) or SignedAttributes (RFC 5652 §5.4) may be meant.
    private static func isSignable(_ root: ASN1Node) -> Bool {
        guard case .constructed(let children) = root.content else { return false }
        var elements = children.makeIterator()
        guard let first = elements.next() else { return false }
        if root.identifier == .sequence {
            return first.identifier == .integer && elements.next()?.identifier == .sequence
        }
        return first.identifier == .sequence
    }

    /// The first bytes of a TLS client, with a proxy's line in front or without. However they arrive, they are read as the
    /// same message, and one that is malformed stays so.
    static let clientHello = FuzzTarget(
        "client-hello", longest: 2_048,
        tokens: [
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY UNKNOWN\r\n", "\u{16}\u{3}\u{1}", "\0\u{10}", "acme-tls/1", "http/1.1", "\0\0",
        ]
    ) {
        let message = hello(name: "www.example.org", protocols: ["acme-tls/1", "http/1.1"])
        return [message, Array("PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n".utf8) + message, records(of: message, size: 40)]
    } check: { bytes in
        var whole = ClientHello.Reader()
        let expected = whole.take(ByteBuffer(bytes: bytes))
        var pieces = ClientHello.Reader(), found = ClientHello.Reading.incomplete, rest = bytes[...]
        while found == .incomplete, let first = rest.first {
            let piece = rest.prefix(1 + Int(first % 5))
            rest = rest.dropFirst(piece.count)
            found = pieces.take(ByteBuffer(bytes: piece))
        }
        try expect(found == expected, "in pieces it is \(found), whole \(expected)")
        guard case .complete(let hello) = expected else { return false }
        try expect(hello.serverName.map { $0 == $0.lowercased() } ?? true, "a server's name is not in lower case")
        return true
    }

    private static func vector(_ length: Int, _ content: [UInt8]) -> [UInt8] {
        (0..<length).map { UInt8(truncatingIfNeeded: content.count >> (8 * (length - 1 - $0))) } + content
    }

    /// RFC 8446 §4.1.2, in one record.
    private static func hello(name: String, protocols: [String]) -> [UInt8] {
        let serverName = vector(2, vector(2, [0] + vector(2, Array(name.utf8))))
        let offered = vector(2, vector(2, protocols.flatMap { vector(1, Array($0.utf8)) }))
        let body =
            [3, 3] + [UInt8](repeating: 1, count: 32) + vector(1, [7]) + vector(2, [0x13, 1]) + vector(1, [0])
            + vector(2, [0, 0] + serverName + [0, 16] + offered)
        return [22, 3, 1] + vector(2, [1] + vector(3, body))
    }

    /// The same message in records of fewer bytes.
    private static func records(of hello: [UInt8], size: Int) -> [UInt8] {
        let message = Array(hello.dropFirst(5))
        return stride(from: 0, to: message.count, by: size).flatMap { start in
            [22, 3, 1] + vector(2, Array(message[start..<min(start + size, message.count)]))
        }
    }
}
