import ACME
import Glibc

/// Why openssl(1) failed, without the codes and source files around its reason.
struct OpenSSLReason: Equatable {
    var text: String
    /// Whether the server ended the handshake with an alert (RFC 8446 §6).
    var isAlert: Bool

    private static let limit = 200

    /// - Returns: `nil` if the output has no reason. What it says about the chain is none: that is not verified here.
    init?(output: String) {
        let lines = output.split(separator: "\n"), errors = lines.compactMap { Self.error(in: $0) }
        if let alert = errors.lazy.compactMap({ Self.alert(in: $0) }).first {
            text = "the server ended the handshake (\(TerminalText.safe(alert, limit: Self.limit)))"
            isAlert = true
        } else if let error = errors.first {
            // The others follow from the first one.
            text = TerminalText.safe(error, limit: Self.limit)
            isAlert = false
        } else if let number = lines.lazy.compactMap({ Self.number(in: $0) }).first {
            text = number == 0 ? "the connection was closed" : String(cString: strerror(number))
            isAlert = false
        } else {
            return nil
        }
    }

    /// The reason in `THREAD:error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:DATA`.
    private static func error(in line: Substring) -> Substring? {
        let fields = line.split(separator: ":", maxSplits: 8, omittingEmptySubsequences: false)
        guard fields.count > 5, fields[1] == "error" else { return nil }
        // A name that is not found has its reason in the data.
        if fields[5] == "system lib", fields.count > 8, !fields[8].isEmpty { return fields[8] }
        return fields[5]
    }

    /// The alert in `tlsv1 alert internal error`.
    private static func alert(in reason: Substring) -> Substring? {
        reason.firstRange(of: " alert ").map { reason[$0.upperBound...] }
    }

    /// The number in `connect:errno=111`.
    private static func number(in line: Substring) -> Int32? {
        line.firstRange(of: ":errno=").flatMap { Int32(line[$0.upperBound...]) }
    }
}
