import ACME
import CertificateStore

/// A certificate revocation list (RFC 5280 §5), read where it lies: it may have millions of entries, and a few serial
/// numbers are looked for. Nothing in it counts before `check` has passed.
struct RevocationList: Sendable {
    /// What it says about a certificate.
    struct Entry: Sendable, Equatable {
        /// When it was revoked, Unix seconds.
        var date: Int64
        /// `nil` if the list gives none.
        var reason: RevocationReason?
    }

    /// How many seconds the clocks of CA and host may differ.
    static let clockTolerance: Int64 = 300

    /// The issuer's Name, DER.
    let issuer: ArraySlice<UInt8>
    /// Unix seconds.
    let thisUpdate: Int64
    let nextUpdate: Int64?
    /// CRLNumber without leading zeros.
    private(set) var number: ArraySlice<UInt8>?
    private(set) var authorityKeyIdentifier: ArraySlice<UInt8>?
    private(set) var distributionPoint: IssuingDistributionPoint?
    /// The content of the SEQUENCE of entries.
    private let entries: ArraySlice<UInt8>
    /// What is signed, how, and the signature.
    private let signed: ArraySlice<UInt8>
    private let algorithm: ArraySlice<UInt8>
    private let signature: ArraySlice<UInt8>

    private typealias Tag = DERCursor.Tag

    /// - Throws: `RevocationListFault`, also for what makes it useless for any certificate.
    init(der: [UInt8]) throws(RevocationListFault) {
        let extensions: ArraySlice<UInt8>
        do throws(DERCursor.Fault) {
            var outer = DERCursor(der[...])
            var list = try outer.next(Tag.sequence).inside
            try outer.finish()
            let tbs = try list.next(Tag.sequence)
            signed = tbs.encoded
            algorithm = try list.next(Tag.sequence).encoded
            let bits = try list.next(Tag.bitString).content
            try list.finish()
            guard bits.first == 0 else { throw DERCursor.Fault() }
            signature = bits.dropFirst()

            var fields = tbs.inside
            let version = try fields.optional(Tag.integer)?.content
            // Version 2 has the value 1; version 1 has no field, and no extensions.
            guard version.map({ $0.elementsEqual([1]) }) ?? true else { throw DERCursor.Fault() }
            // The same as outside (RFC 5280 §5.1.1.2).
            guard try fields.next(Tag.sequence).encoded == algorithm else { throw DERCursor.Fault() }
            issuer = try fields.next(Tag.sequence).encoded
            thisUpdate = try DERCursor.seconds(fields.next())
            nextUpdate =
                [Tag.utcTime, Tag.generalizedTime].contains(fields.nextTag ?? 0) ? try DERCursor.seconds(fields.next()) : nil
            entries = try fields.optional(Tag.sequence)?.content ?? []
            let found = try fields.optional(Tag.context(0, isConstructed: true))
            try fields.finish()
            extensions = found?.content ?? []
            guard version != nil || (found == nil) else { throw DERCursor.Fault() }
        } catch { throw .notReadable }
        try readExtensions(extensions)
    }

    private mutating func readExtensions(_ bytes: ArraySlice<UInt8>) throws(RevocationListFault) {
        guard !bytes.isEmpty else { return }
        var isDelta = false, unknown: String?
        do throws(DERCursor.Fault) {
            var outer = DERCursor(bytes)
            var list = try outer.next(Tag.sequence).inside
            try outer.finish()
            while !list.isAtEnd {
                let found = try Extension(&list)
                switch found.oid {
                case Extension.number:
                    var value = DERCursor(found.value)
                    number = try DERCursor.number(value.next(Tag.integer).content)
                    guard number?.count ?? 0 <= Self.longestNumber else { throw DERCursor.Fault() }
                    try value.finish()
                case Extension.authorityKeyIdentifier:
                    var value = DERCursor(found.value)
                    var fields = try value.next(Tag.sequence).inside
                    try value.finish()
                    authorityKeyIdentifier = try fields.optional(Tag.context(0, isConstructed: false))?.content
                case Extension.issuingDistributionPoint: distributionPoint = try IssuingDistributionPoint(found.value)
                case Extension.deltaIndicator: isDelta = true
                default: if found.isCritical { unknown = unknown ?? found.name }
                }
            }
        } catch { throw .notReadable }
        if isDelta { throw .isDelta }
        if let unknown { throw .unknownCriticalExtension(unknown) }
    }

    /// Whether the list counts for a certificate now (RFC 5280 §6.3.3).
    ///
    /// What is wrong with its end alone is said last: then it is the issuer's, and what it has is revoked nevertheless.
    /// - Parameters:
    ///   - issuer: the certificate's.
    ///   - names: of the distribution point from which it comes.
    ///   - seen: the last list that counted for the certificate.
    ///   - now: Unix seconds.
    func check(
        issuer certificate: ChainCertificate, names: DistributionPointNames, seen: RenewalRecord.SeenList?, now: Int64
    ) throws(RevocationListFault) {
        guard certificate.hasSubject(issuer) else { throw .otherIssuer }
        guard thisUpdate <= now &+ Self.clockTolerance else { throw .fromTheFuture(thisUpdate: thisUpdate) }
        if let distributionPoint {
            guard !distributionPoint.isForCAsOnly, !distributionPoint.isForAttributesOnly, !distributionPoint.isIndirect else {
                throw .otherKindsOnly
            }
            guard distributionPoint.covers(names) else { throw .otherDistributionPoint }
        }
        // An old list that still counts could be served again, to hide what happened since.
        // Numbers may start again: a CA's new software, another shard.
        if let seen, thisUpdate < seen.thisUpdate || (thisUpdate == seen.thisUpdate && isBefore(seen.number)) { throw .goesBackwards }
        guard !certificate.forbidsSigningCRLs else { throw .signerMayNot }
        if let own = authorityKeyIdentifier, let key = certificate.subjectKeyIdentifier, own != key { throw .otherKey }
        switch certificate.hasSigned(signed, signature: signature, algorithm: algorithm) {
        case .valid: break
        case .invalid: throw .badSignature
        case .unknownKind: throw .unknownSignature
        case .unknownParameters: throw .unknownSignatureParameters
        }
        guard let nextUpdate else { throw .withoutEnd }
        guard nextUpdate > now else { throw .outOfDate(nextUpdate: nextUpdate) }
    }

    /// RFC 5280 §5.2.3.
    private static let longestNumber = 20

    /// Whether its number is lower than an earlier one, which is hexadecimal.
    private func isBefore(_ earlier: String?) -> Bool {
        guard let number, let earlier = earlier.flatMap({ RenewalRecord.SeenList.bytes(ofNumber: $0) }) else { return false }
        return number.count != earlier.count ? number.count < earlier.count : number.lexicographicallyPrecedes(earlier)
    }

    /// The entries of some serial numbers.
    /// - Parameter serials: content bytes of INTEGERs, without leading zeros.
    /// - Throws: `RevocationListFault` if any entry cannot be read or has a critical extension that is not known here:
    ///   then the list says nothing about any certificate (RFC 5280 §5.3).
    func find(_ serials: Set<ArraySlice<UInt8>>) throws(RevocationListFault) -> [ArraySlice<UInt8>: Entry] {
        var found: [ArraySlice<UInt8>: Entry] = [:], unknown: String?
        do throws(DERCursor.Fault) {
            var list = DERCursor(entries)
            while !list.isAtEnd {
                var entry = try list.next(Tag.sequence).inside
                let serial = try entry.next(Tag.integer).content.drop { $0 == 0 }
                let time = try entry.next()
                var reason: RevocationReason?
                if let extensions = try entry.optional(Tag.sequence) {
                    var inside = extensions.inside
                    while !inside.isAtEnd {
                        let one = try Extension(&inside)
                        if one.oid == Extension.reason {
                            var value = DERCursor(one.value)
                            let code = try value.next(Tag.enumerated).content
                            try value.finish()
                            reason = code.count == 1 ? code.first.flatMap { RevocationReason(rawValue: Int($0)) } : nil
                        } else if one.isCritical {
                            unknown = unknown ?? one.name
                        }
                    }
                }
                try entry.finish()
                guard serials.contains(serial), reason != .removeFromCRL else { continue }
                let new = Entry(date: try DERCursor.seconds(time), reason: reason)
                // The one that asks for more, should there be several.
                if found[serial] == nil || new.reason == .keyCompromise { found[serial] = new }
            }
        } catch { throw .notReadable }
        if let unknown { throw .unknownCriticalExtension(unknown) }
        return found
    }

    /// One extension of the list or of an entry.
    private struct Extension {
        /// The content bytes of the object identifiers 2.5.29.x.
        static let number: ArraySlice<UInt8> = [0x55, 0x1D, 0x14]
        static let reason: ArraySlice<UInt8> = [0x55, 0x1D, 0x15]
        static let deltaIndicator: ArraySlice<UInt8> = [0x55, 0x1D, 0x1B]
        static let issuingDistributionPoint: ArraySlice<UInt8> = [0x55, 0x1D, 0x1C]
        static let authorityKeyIdentifier: ArraySlice<UInt8> = [0x55, 0x1D, 0x23]

        let oid: ArraySlice<UInt8>
        let isCritical: Bool
        let value: ArraySlice<UInt8>

        init(_ list: inout DERCursor) throws(DERCursor.Fault) {
            var fields = try list.next(Tag.sequence).inside
            oid = try fields.next(Tag.objectIdentifier).content
            let flag = try fields.optional(Tag.boolean)
            isCritical = try flag.map { (flag) throws(DERCursor.Fault) in try DERCursor.boolean(flag.content) } ?? false
            value = try fields.next(Tag.octetString).content
            try fields.finish()
        }

        /// `2.5.29.29`
        var name: String {
            guard let first = oid.first else { return "?" }
            var parts = first < 80 ? [Int(first) / 40, Int(first) % 40] : [2, Int(first) - 80]
            var value = 0
            for byte in oid.dropFirst().prefix(32) {
                value = (value & 0xFF_FFFF) << 7 | Int(byte & 0x7F)
                if byte < 0x80 {
                    parts.append(value)
                    value = 0
                }
            }
            return parts.map(String.init).joined(separator: ".")
        }
    }
}
