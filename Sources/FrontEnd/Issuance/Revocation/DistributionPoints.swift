import ACMEClient
import CertificateStore
import SwiftASN1

/// The names of a distribution point (RFC 5280 §4.2.1.13): URIs, byte for byte.
typealias DistributionPointNames = [[UInt8]]

/// Where a certificate says that its revocation lists are (RFC 5280 §4.2.1.13).
struct CertificateDistributionPoints: Sendable {
    static let oid: ASN1ObjectIdentifier = [2, 5, 29, 31]
    /// A CA has one or two.
    static let maximumPoints = 8
    /// A point has one or two.
    static let maximumNames = 16

    /// The points whose list is for all reasons and is signed by the certificate's issuer. Others are left out.
    let points: [DistributionPointNames]

    /// - Throws: `DERCursor.Fault` if the extension cannot be read.
    init(_ value: ArraySlice<UInt8>) throws(DERCursor.Fault) {
        var outer = DERCursor(value)
        var list = try outer.next(DERCursor.Tag.sequence).inside
        try outer.finish()
        var points: [DistributionPointNames] = []
        while !list.isAtEnd {
            var point = try list.next(DERCursor.Tag.sequence).inside
            let name = try point.optional(DERCursor.Tag.context(0, isConstructed: true))
            let reasons = try point.optional(DERCursor.Tag.context(1, isConstructed: false))
            let issuer = try point.optional(DERCursor.Tag.context(2, isConstructed: true))
            try point.finish()
            guard let name, reasons == nil, issuer == nil, let names = try Self.fullName(name), points.count < Self.maximumPoints else {
                continue
            }
            points.append(names)
        }
        self.points = points
    }

    /// The first URLs that can be asked, each once, with the names of their points.
    func places(atMost limit: Int) -> [(url: RevocationListURL, names: DistributionPointNames)] {
        var places: [(url: RevocationListURL, names: DistributionPointNames)] = []
        for names in points {
            for name in names where places.count < limit {
                guard let url = RevocationListURL(String(decoding: name, as: UTF8.self)), !places.contains(where: { $0.url == url }) else {
                    continue
                }
                places.append((url, names))
            }
        }
        return places
    }

    /// The URIs of a DistributionPointName.
    /// - Returns: `nil` if it is relative to the issuer's name.
    static func fullName(_ element: DERCursor.Element) throws(DERCursor.Fault) -> DistributionPointNames? {
        var choice = element.inside
        let name = try choice.next()
        try choice.finish()
        guard name.tag == DERCursor.Tag.context(0, isConstructed: true) else { return nil }
        var names: DistributionPointNames = [], general = name.inside
        while !general.isAtEnd {
            let one = try general.next()
            // uniformResourceIdentifier [6] (RFC 5280 §4.2.1.6).
            guard one.tag == DERCursor.Tag.context(6, isConstructed: false) else { continue }
            // What is read here is not signed yet: it must not take more memory than it is worth.
            guard names.count < maximumNames else { throw DERCursor.Fault() }
            names.append(Array(one.content))
        }
        return names
    }
}

/// What a revocation list is for, if not for all certificates of its issuer (RFC 5280 §5.2.5).
struct IssuingDistributionPoint: Sendable, Equatable {
    /// `nil` if it names none.
    var names: DistributionPointNames?
    /// Its name is relative to the issuer's.
    var hasRelativeName = false
    var isForCAsOnly = false
    var isForAttributesOnly = false
    var isIndirect = false
    var hasSomeReasonsOnly = false

    init(_ value: ArraySlice<UInt8>) throws(DERCursor.Fault) {
        var outer = DERCursor(value)
        var fields = try outer.next(DERCursor.Tag.sequence).inside
        try outer.finish()
        if let name = try fields.optional(DERCursor.Tag.context(0, isConstructed: true)) {
            names = try CertificateDistributionPoints.fullName(name)
            hasRelativeName = names == nil
        }
        func flag(_ number: UInt8) throws(DERCursor.Fault) -> Bool {
            guard let found = try fields.optional(DERCursor.Tag.context(number, isConstructed: false)) else { return false }
            return try DERCursor.boolean(found.content)
        }
        // For the certificates of servers alone: that is what is asked about.
        _ = try flag(1)
        isForCAsOnly = try flag(2)
        hasSomeReasonsOnly = try fields.optional(DERCursor.Tag.context(3, isConstructed: false)) != nil
        isIndirect = try flag(4)
        isForAttributesOnly = try flag(5)
        try fields.finish()
    }

    /// Whether the list is the one of a certificate's distribution point: a list of another shard would hide that the
    /// certificate is revoked (RFC 5280 §6.3.3 (b) (2)).
    func covers(_ own: DistributionPointNames) -> Bool {
        guard !hasRelativeName else { return false }
        return names.map { $0.contains { own.contains($0) } } ?? true
    }
}
