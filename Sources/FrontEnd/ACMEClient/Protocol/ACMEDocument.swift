import ACME
import StrictJSON

/// An object that a CA sends as JSON.
protocol ACMEDocument: Sendable {
    init(json: JSONValue) throws(ACMEDocumentError)

    /// The URLs in it for which the account will sign requests, with their member names.
    var targets: [(member: String, url: ACMEURL)] { get }
}

extension ACMEDocument {
    var targets: [(member: String, url: ACMEURL)] { [] }
}

/// Its members are checked when they are used.
extension Directory: ACMEDocument {}
extension Account: ACMEDocument {}
/// The answer to a challenge response: its URL is known.
extension Challenge: ACMEDocument {}

extension Order: ACMEDocument {
    var targets: [(member: String, url: ACMEURL)] {
        var targets = authorizations.map { (member: "authorizations", url: $0) }
        if let finalize { targets.append(("finalize", finalize)) }
        if let certificate { targets.append(("certificate", certificate)) }
        return targets
    }
}

extension Authorization: ACMEDocument {
    /// Challenges of types that this program does not answer may have any URL.
    var targets: [(member: String, url: ACMEURL)] {
        challenges.filter { $0.kind != nil }.map { ("the URL of challenge \($0.type)", $0.url) }
    }
}

/// No request is signed for its URLs.
extension RenewalInformation: ACMEDocument {}
