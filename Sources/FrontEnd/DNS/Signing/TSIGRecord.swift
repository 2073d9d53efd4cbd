import CLDNS

/// The record that signs a message (RFC 8945 §4.2).
struct TSIGRecord: Sendable {
    var key: DomainName
    var algorithm: DomainName
    /// Seconds since 1970.
    var time: UInt64
    var fudge: UInt16
    var code: [UInt8]
    var originalID: UInt16
    var error: UInt16
    var other: [UInt8]

    init(key: DomainName, algorithm: DomainName, time: UInt64, fudge: UInt16, originalID: UInt16) {
        self.key = key
        self.algorithm = algorithm
        self.time = time
        self.fudge = fudge
        self.originalID = originalID
        (code, error, other) = ([], 0, [])
    }

    /// From a record that libldns has read; `nil` if a field is missing.
    init?(_ record: UnsafePointer<ldns_rr>) {
        let fields = (0..<7).map { ldns_rr_rdf(record, $0).map { UnsafePointer($0).bytes } ?? [] }
        guard ldns_rr_rd_count(record) == 7, let key = DomainName(ldns_rr_owner(record)),
            let algorithm = DomainName(ldns_rr_rdf(record, 0)),
            fields[1].count == 6, [2, 4, 5].allSatisfy({ fields[$0].count == 2 }), [3, 6].allSatisfy({ fields[$0].count >= 2 })
        else { return nil }
        self.key = key
        self.algorithm = algorithm
        time = fields[1].reduce(0) { $0 << 8 | UInt64($1) }
        fudge = Self.number(fields[2])
        // After its length.
        code = Array(fields[3].dropFirst(2))
        originalID = Self.number(fields[4])
        error = Self.number(fields[5])
        other = Array(fields[6].dropFirst(2))
    }

    private static func number(_ bytes: [UInt8]) -> UInt16 { bytes.reduce(0) { $0 << 8 | UInt16($1) } }

    /// What is signed beside the message (§4.3.3).
    var variables: [UInt8] {
        key.wire + Self.class + Self.ttl + algorithm.wire + timeAndFudge + error.bytes + UInt16(truncatingIfNeeded: other.count).bytes
            + other
    }

    /// The record on the wire.
    var wire: [UInt8] {
        let data =
            algorithm.wire + timeAndFudge + UInt16(truncatingIfNeeded: code.count).bytes + code + originalID.bytes + error.bytes
            + UInt16(truncatingIfNeeded: other.count).bytes + other
        return key.wire + Self.type + Self.class + Self.ttl + UInt16(truncatingIfNeeded: data.count).bytes + data
    }

    private static let type: [UInt8] = [0, 250]
    /// ANY.
    private static let `class`: [UInt8] = [0, 255]
    private static let ttl: [UInt8] = [0, 0, 0, 0]

    private var timeAndFudge: [UInt8] { (0..<6).reversed().map { UInt8(truncatingIfNeeded: time >> (8 * UInt64($0))) } + fudge.bytes }
}

extension UInt16 {
    /// In network order.
    var bytes: [UInt8] { [UInt8(truncatingIfNeeded: self >> 8), UInt8(truncatingIfNeeded: self)] }
}
