import ACME
import CertificateStore

/// The validity that an order asks for (RFC 8555 §7.4), in Unix seconds.
struct Validity: Equatable {
    /// By how many seconds a CA may differ without a word: some backdate certificates by an hour.
    private static let tolerance: Int64 = 3_600

    var notBefore: Int64?
    var notAfter: Int64?

    /// A date is its first second, or its last one as an end.
    init(notBefore start: String?, notAfter end: String?, now: Int64) throws(Failure) {
        notBefore = try start.map { text throws(Failure) in try Self.time(text, "--not-before", ofDay: "00:00:00Z") }
        notAfter = try end.map { text throws(Failure) in try Self.time(text, "--not-after", ofDay: "23:59:59Z") }
        if let notAfter, notAfter <= now { throw .usage("--not-after \(RFC3339.string(notAfter)) has passed") }
        if let notBefore, let notAfter, notAfter <= notBefore { throw .usage("--not-after must come after --not-before") }
    }

    private static func time(_ text: String, _ option: String, ofDay time: String) throws(Failure) -> Int64 {
        let isDay = text.utf8.count == "2027-01-31".utf8.count
        guard let seconds = RFC3339.seconds(isDay ? "\(text)T\(time)" : text) else {
            throw .usage(
                "\(option) \"\(TerminalText.safe(text, limit: 40))\" is not a time", hint: "\(option) 2027-01-31, or 2027-01-31T12:00:00Z")
        }
        return seconds
    }

    func isMet(by certificate: CertificateMetadata) -> Bool {
        func isNear(_ wanted: Int64?, _ actual: Int64) -> Bool { wanted.map { ($0 &- actual).magnitude <= Self.tolerance } ?? true }
        return isNear(notBefore, certificate.notBefore) && isNear(notAfter, certificate.notAfter)
    }
}
