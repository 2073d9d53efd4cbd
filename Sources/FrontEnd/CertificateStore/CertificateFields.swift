/// Where the fields of a certificate are (RFC 5280 §4.1), found without reading what they contain: a store of a thousand
/// certificates is looked through often, and few of them are worth more.
struct CertificateFields: Sendable {
    /// The content bytes as in the certificate (RFC 5280 §4.1.2.2), including a leading zero.
    var serialNumber: ArraySlice<UInt8>
    /// A Name each, DER.
    var issuer: ArraySlice<UInt8>
    var subject: ArraySlice<UInt8>
    /// Unix seconds, the first and the last second of validity.
    var notBefore: Int64
    var notAfter: Int64
    /// SubjectPublicKeyInfo, DER.
    var spki: ArraySlice<UInt8>
    /// The SEQUENCE of the extensions, DER; empty if there are none.
    var extensions: ArraySlice<UInt8>

    private typealias Tag = DERCursor.Tag

    /// - Throws: `UnreadableCertificate.notDER` if not even the outermost elements are DER.
    init(_ der: [UInt8]) throws(UnreadableCertificate) {
        let outer: DERCursor.Element
        do throws(DERCursor.Fault) {
            var cursor = DERCursor(der[...])
            outer = try cursor.next()
            try cursor.finish()
        } catch { throw .notDER }
        do throws(DERCursor.Fault) {
            guard outer.tag == Tag.sequence else { throw DERCursor.Fault() }
            var certificate = outer.inside
            let tbs = try certificate.next(Tag.sequence)
            _ = try certificate.next(Tag.sequence)
            _ = try certificate.next(Tag.bitString)
            try certificate.finish()
            var fields = tbs.inside
            // version is absent in v1 certificates only.
            _ = try fields.optional(Tag.context(0, isConstructed: true))
            serialNumber = try fields.next(Tag.integer).content
            _ = try fields.next(Tag.sequence)
            issuer = try fields.next(Tag.sequence).encoded
            var validity = try fields.next(Tag.sequence).inside
            notBefore = try DERCursor.seconds(validity.next())
            notAfter = try DERCursor.seconds(validity.next())
            try validity.finish()
            subject = try fields.next(Tag.sequence).encoded
            spki = try fields.next(Tag.sequence).encoded
            // The unique identifiers of issuer and subject.
            _ = try fields.optional(Tag.context(1, isConstructed: false))
            _ = try fields.optional(Tag.context(2, isConstructed: false))
            extensions = []
            if let found = try fields.optional(Tag.context(3, isConstructed: true)) {
                var inside = found.inside
                extensions = try inside.next(Tag.sequence).encoded
                try inside.finish()
            }
            try fields.finish()
        } catch { throw .notACertificate }
    }
}
