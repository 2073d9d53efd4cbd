import ACME
import StrictJSON

/// An object that a CA sends as JSON.
protocol ACMEDocument: Sendable {
    init(json: JSONValue) throws(ACMEDocumentError)
}

extension Directory: ACMEDocument {}
extension Account: ACMEDocument {}
extension Order: ACMEDocument {}
extension Authorization: ACMEDocument {}
extension Challenge: ACMEDocument {}
