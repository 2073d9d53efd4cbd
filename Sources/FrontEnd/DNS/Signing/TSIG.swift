/// Signs requests, and checks the signatures of the answers (RFC 8945). The MACs are made by swift-crypto: libldns 1.8
/// has no HMAC-SHA384, and compares MACs in a time that depends on them.
struct TSIG: Sendable {
    /// Seconds that clocks may differ (§10: 300 is recommended).
    static let fudge: UInt16 = 300

    private let key: TSIGKey
    /// The code of the request, which the answer's signature covers too (§5.3).
    private let requestCode: [UInt8]
    /// The request with its signature.
    let signedRequest: [UInt8]

    /// Signs a request.
    /// - Parameter time: seconds since 1970.
    init?(_ request: DNSRequest, _ key: TSIGKey, time: Int64) {
        self.key = key
        var record = TSIGRecord(
            key: key.name, algorithm: key.algorithmName, time: UInt64(max(0, time)), fudge: Self.fudge, originalID: request.id)
        record.code = key.authenticationCode(of: request.bytes + record.variables)
        requestCode = record.code
        guard let signed = Self.with(request.bytes, additional: 1, record.wire) else { return nil }
        signedRequest = signed
    }

    /// What is wrong with the signature of an answer.
    enum Fault: Equatable { case missing, wrong(TSIGFault) }

    /// - Parameters:
    ///   - bytes: the answer as it came.
    ///   - message: the same, read.
    func fault(_ bytes: [UInt8], _ message: DNSMessage, time: Int64) -> Fault? {
        guard let record = message.signature, let start = MessageLayout(bytes)?.signatureStart else { return .missing }
        guard record.key == key.name, record.algorithm == key.algorithmName else { return .wrong(.badKey) }
        // The whole code: a truncated one (§5.2.2.1) is easier to guess, and no server needs it.
        guard var signed = Self.with(Array(bytes[..<start]), additional: -1, []) else { return .missing }
        signed.replaceSubrange(0..<2, with: record.originalID.bytes)
        let covered = UInt16(truncatingIfNeeded: requestCode.count).bytes + requestCode + signed + record.variables
        guard key.isValid(record.code, of: covered) else { return .wrong(.badSignature) }
        let difference = Int64(clamping: record.time).subtractingReportingOverflow(time).partialValue.magnitude
        guard difference <= UInt64(record.fudge) || record.error == TSIGFault.badTime.rawValue else { return .wrong(.badTime) }
        return nil
    }

    /// The message with another number of additional records, and these bytes after it.
    private static func with(_ message: [UInt8], additional change: Int, _ bytes: [UInt8]) -> [UInt8]? {
        guard message.count >= MessageLayout.headerLength else { return nil }
        let count = (Int(message[10]) << 8 | Int(message[11])) + change
        guard let changed = UInt16(exactly: count) else { return nil }
        return Array(message[..<10]) + changed.bytes + message[12...] + bytes
    }
}
