import Crypto
import Foundation
import JOSE
import SwiftASN1
import X509

/// A CA whose certificates name revocation lists, and its lists: right ones, and wrong in one way each. Written byte by
/// byte, so that a test can put anything in them. For tests only.
public struct RevokingCA: Sendable {
    /// Unix seconds.
    public static let now: Int64 = 1_800_000_000

    public let key = P256.Signing.PrivateKey()
    private let name: String
    private let signsLists: Bool
    private let start: Int64

    /// - Parameters:
    ///   - signsLists: whether its keyUsage has cRLSign.
    ///   - now: Unix seconds.
    public init(name: String = "Revoking CA", signsLists: Bool = true, now: Int64 = RevokingCA.now) {
        self.name = name
        self.signsLists = signsLists
        start = now
    }

    private static func der(_ certificate: Certificate) throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return serializer.serializedBytes
    }

    private var keyIdentifier: [UInt8] { Array(SHA256.hash(data: key.publicKey.rawRepresentation).prefix(20)) }

    /// Leaf and issuer, DER.
    /// - Parameters:
    ///   - points: the URLs of each distribution point; `nil` leaves the extension out.
    ///   - extensionValue: in place of them.
    public func chain(
        serial: [UInt8], points: [[String]]?, names: [String] = ["www.example.org"], subject: P256.Signing.PublicKey? = nil,
        extensionValue: [UInt8]? = nil, days: Int64 = 90
    ) throws -> [[UInt8]] {
        func date(_ seconds: Int64) -> Date { Date(timeIntervalSince1970: TimeInterval(seconds)) }
        let issuerName = try DistinguishedName { CommonName(name) }
        let issuer = try Certificate(
            version: .v3, serialNumber: .init(bytes: [1]), publicKey: .init(key.publicKey), notValidBefore: date(start - 86_400),
            notValidAfter: date(start + 1_000 * 86_400), issuer: issuerName, subject: issuerName, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
                Critical(KeyUsage(keyCertSign: true, cRLSign: signsLists))
                SubjectKeyIdentifier(keyIdentifier: keyIdentifier[...])
            }, issuerPrivateKey: .init(key))
        var extensions = try Certificate.Extensions {
            Critical(SubjectAlternativeNames(names.map { .dnsName($0) }))
            AuthorityKeyIdentifier(keyIdentifier: keyIdentifier[...])
        }
        let value = extensionValue ?? points.map(Self.distributionPoints)
        if let value { try extensions.append(.init(oid: [2, 5, 29, 31], critical: false, value: value[...])) }
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(bytes: serial[...]), publicKey: .init(subject ?? P256.Signing.PrivateKey().publicKey),
            notValidBefore: date(start - 3_600), notValidAfter: date(start + days * 86_400), issuer: issuerName,
            subject: try DistinguishedName { CommonName(names[0]) }, signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
            issuerPrivateKey: .init(key))
        return [try Self.der(leaf), try Self.der(issuer)]
    }

    /// - Parameter chain: DER.
    public static func pem(_ chain: [[UInt8]]) -> [UInt8] { chain.flatMap { Array(PEM.encode($0, label: "CERTIFICATE").utf8) } }

    // MARK: Lists

    /// What a list says.
    public struct List: Sendable {
        /// A revoked certificate.
        public struct Entry: Sendable {
            public var serial: [UInt8]
            public var date: Int64
            /// The code of CRLReason.
            public var reason: UInt8?
            /// More extensions, DER.
            public var more: [UInt8] = []

            public init(_ serial: [UInt8], date: Int64 = RevokingCA.now - 60, reason: UInt8? = nil, more: [UInt8] = []) {
                self.serial = serial
                self.date = date
                self.reason = reason
                self.more = more
            }
        }

        public var thisUpdate = RevokingCA.now - 3_600
        public var nextUpdate: Int64? = RevokingCA.now + 7 * 86_400
        public var number: [UInt8]? = [1]
        public var entries: [Entry] = []
        /// The issuing distribution point's URLs.
        public var points: [String]?
        /// More of the issuing distribution point, DER.
        public var pointFlags: [UInt8] = []
        /// More extensions, DER.
        public var more: [UInt8] = []
        public var issuer: String?
        public var authorityKeyIdentifier: [UInt8]?
        public var version: UInt8? = 1
        /// AlgorithmIdentifier, DER.
        public var algorithm: [UInt8] = [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02]

        public init() {}
    }

    /// - Parameter other: signs in place of the CA's key.
    public func list(_ list: List, signedBy other: P256.Signing.PrivateKey? = nil) throws -> [UInt8] {
        let commonName = Self.tlv(0x30, Self.tlv(0x06, [0x55, 0x04, 0x03]), Self.tlv(0x0C, Array((list.issuer ?? name).utf8)))
        let issuer = Self.tlv(0x30, Self.tlv(0x31, commonName))
        var extensions = Self.extension([35], Self.tlv(0x30, Self.tlv(0x80, list.authorityKeyIdentifier ?? keyIdentifier)))
        if let number = list.number { extensions += Self.extension([20], Self.tlv(0x02, number)) }
        if list.points != nil || !list.pointFlags.isEmpty {
            let names = list.points.map { Self.tlv(0xA0, Self.tlv(0xA0, $0.flatMap { Self.tlv(0x86, Array($0.utf8)) })) } ?? []
            extensions += Self.extension([28], isCritical: true, Self.tlv(0x30, names + list.pointFlags))
        }
        extensions += list.more
        var entries: [UInt8] = []
        for entry in list.entries {
            let reason = entry.reason.map { Self.extension([21], Self.tlv(0x0A, [$0])) } ?? []
            let more = reason + entry.more
            entries += Self.tlv(0x30, Self.tlv(0x02, entry.serial), Self.time(entry.date), more.isEmpty ? [] : Self.tlv(0x30, more))
        }
        let tbs = Self.tlv(
            0x30, list.version.map { Self.tlv(0x02, [$0]) } ?? [], list.algorithm, issuer, Self.time(list.thisUpdate),
            list.nextUpdate.map(Self.time) ?? [], entries.isEmpty ? [] : Self.tlv(0x30, entries), Self.tlv(0xA0, Self.tlv(0x30, extensions))
        )
        let signature = try (other ?? key).signature(for: tbs).derRepresentation
        return Self.tlv(0x30, tbs, list.algorithm, Self.tlv(0x03, [0] + signature))
    }

    /// The value of CRLDistributionPoints.
    public static func distributionPoints(_ points: [[String]]) -> [UInt8] {
        tlv(0x30, points.flatMap { urls in tlv(0x30, tlv(0xA0, tlv(0xA0, urls.flatMap { tlv(0x86, Array($0.utf8)) }))) })
    }

    // MARK: DER

    /// One element.
    public static func tlv(_ tag: UInt8, _ parts: [UInt8]...) -> [UInt8] {
        let content = parts.flatMap { $0 }
        var length: [UInt8] = [UInt8(truncatingIfNeeded: content.count)]
        if content.count >= 0x80 {
            var bytes: [UInt8] = [], rest = content.count
            while rest > 0 {
                bytes.insert(UInt8(truncatingIfNeeded: rest), at: 0)
                rest >>= 8
            }
            length = [0x80 | UInt8(bytes.count)] + bytes
        }
        return [tag] + length + content
    }

    /// An extension 2.5.29.x.
    public static func `extension`(_ oid: [UInt8], isCritical: Bool = false, _ value: [UInt8]) -> [UInt8] {
        tlv(0x30, tlv(0x06, [0x55, 0x1D] + oid), isCritical ? tlv(0x01, [0xFF]) : [], tlv(0x04, value))
    }

    /// UTCTime.
    public static func time(_ seconds: Int64) -> [UInt8] {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "UTC")
        formatter.dateFormat = "yyMMddHHmmss'Z'"
        return tlv(0x17, Array(formatter.string(from: Date(timeIntervalSince1970: TimeInterval(seconds))).utf8))
    }
}
